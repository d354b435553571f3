"""Priors from one million to one billion parameters: what fits on a chip.

The transformer of ``models.next_scale`` with its layers as one loop, in
bfloat16, over a sequence in which every code of the space is a token.  The
optimizer's moments are float32: the second one moves by a thousandth a step,
less than bfloat16 can tell.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.bench.programs import Training
from experiments.scaling_study import operations
from pnag_jax import quantization as q
from pnag_jax.models import next_scale_step, stage1_step
from pnag_jax.models.next_scale import NextScale
from pnag_jax.models.next_scale_step import Examples
from pnag_jax.spaces import Space

# Values of a code, as in the default config.
NUM_CODES = 64


class Rung(NamedTuple):
    """One size.

    Attributes:
      name: the number of parameters, roughly.
      width: of the transformer.
      num_layers: its blocks.
      num_heads: heads of each.
      each: examples a chip, unless a study says otherwise.
      on_all: how its state is placed on all chips, "copied" or "split", and by
        which strategy.  What fits on a chip beside its examples is copied.
    """

    name: str
    width: int
    num_layers: int
    num_heads: int
    each: int = 64
    on_all: tuple[tuple[str, str], ...] = ()


RUNGS = (
    Rung("1M", 128, 3, 4),
    Rung("10M", 256, 8, 4),
    Rung("100M", 768, 9, 16, each=96, on_all=(("copied", "pmap"), ("copied", "mesh"))),
    Rung("1B", 2048, 13, 16, on_all=(("split", "mesh"),)),
)


def model_of(rung: Rung, space: Space, num_codes: int) -> NextScale:
    """The transformer of a rung; every code of the space's scales is a token."""
    return NextScale(
        sizes=tuple(n * (n + 1) // 2 for n in q.scale_schedule(space.num_nodes)),
        num_values=num_codes,
        num_devices=1,
        num_tasks=1,
        width=rung.width,
        num_layers=rung.num_layers,
        num_heads=rung.num_heads,
        dtype=jnp.bfloat16,
        scanned=True,
    )


def training(rung: Rung, space: Space) -> Training:
    """The training step of a rung."""
    model = model_of(rung, space, NUM_CODES)
    optimizer = wide_moments(stage1_step.make_optimizer(num_steps=10_000))
    return Training(
        next_scale_step.make_step(model, optimizer),
        lambda key: next_scale_step.create_state(key, model, optimizer),
        lambda count: Examples(
            codes=jnp.zeros((count, sum(model.sizes)), jnp.int32),
            quality=jnp.zeros((count, 1)),
            hardware=jnp.zeros((count, 1)),
        ),
    )


def count_parameters(work: Training) -> int:
    """Of a model that is never made."""
    state, _, _ = work.shapes(1)
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(state.params))


def matmul_flops(work: Training, each: int) -> int:
    """Operations of one step's matrix products, those that the backward pass repeats included.

    Args:
      work: traced, not computed.
      each: examples.
    """
    step = functools.partial(work.step, axis_name=None)
    return operations.matmul_flops(jax.make_jaxpr(step)(*work.shapes(each)))


def wide_moments(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same optimizer with a state in float32, whatever the parameters are in."""

    def wide(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.astype(jnp.float32), tree)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return inner.update(wide(updates), state, wide(params))

    return optax.GradientTransformation(lambda params: inner.init(wide(params)), update)
