"""The suite compiles much and computes little: plain code, made quickly, halves its time."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
from collections.abc import Iterator

import jax


def hasten() -> None:
    """From here on, and in the processes that tests start, code is plain."""
    # Later releases may not know these flags, and would end on them.
    if jax.__version_info__[:2] == (0, 10):
        quick = "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
        # What the caller asks for comes last and counts.
        os.environ["XLA_FLAGS"] = f"{quick} {os.environ.get('XLA_FLAGS', '')}"
        _share_contexts()
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    jax.config.update("jax_disable_most_optimizations", True)


def _share_contexts(uses: int = 200) -> None:
    """Makes a context serve many small programs: making one takes as long as compiling one.

    A context keeps the constants of what was lowered with it, and is therefore
    changed now and then.  What is compiled while another program is lowered gets one of
    its own: in that one's it would become a part of it.
    """
    from jax._src.interpreters import mlir

    make, made = mlir.make_ir_context, itertools.count()
    shared = functools.lru_cache(maxsize=1)(lambda _: make())

    def lend() -> mlir.ir.Context:
        return make() if mlir.ir.Context.current else shared(next(made) // uses)

    mlir.make_ir_context = lend


@contextlib.contextmanager
def optimized() -> Iterator[None]:
    """For what computes longer than it compiles, such as training."""
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", True)
