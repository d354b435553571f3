"""The suite compiles much and computes little: plain code, made quickly, halves its time."""

from __future__ import annotations

import contextlib
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
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    jax.config.update("jax_disable_most_optimizations", True)


@contextlib.contextmanager
def optimized() -> Iterator[None]:
    """For what computes longer than it compiles, such as training."""
    jax.config.update("jax_disable_most_optimizations", False)
    try:
        yield
    finally:
        jax.config.update("jax_disable_most_optimizations", True)
