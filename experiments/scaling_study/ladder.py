"""Priors from one million to one billion parameters: what fits on a chip.

The transformer of ``models.next_scale`` with its layers as one loop, in
bfloat16, over a sequence in which every code of the space is a token.  The
optimizer's moments are float32: the second one moves by a thousandth a step,
less than bfloat16 can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import NamedSharding, PartitionSpec

from experiments.scaling_study import operations
from pnag_jax import quantization as q
from pnag_jax.models import next_scale, next_scale_step, stage1_step
from pnag_jax.models.next_scale import NextScale
from pnag_jax.models.next_scale_step import Examples
from pnag_jax.spaces import Space
from pnag_jax.training import sharding

# Values of a code, as in the default config.
NUM_CODES = 64


class Rung(NamedTuple):
    """One size.

    Attributes:
      name: the number of parameters, roughly.
      width: of the transformer.
      num_layers: its blocks.
      num_heads: heads of each.
      on_all: how its state is placed on all chips: "copied" or "split".
    """

    name: str
    width: int
    num_layers: int
    num_heads: int
    on_all: tuple[str, ...] = ()


RUNGS = (
    Rung("1M", 128, 3, 4),
    Rung("10M", 256, 8, 4),
    Rung("100M", 768, 9, 16, ("copied", "split")),
    Rung("1B", 2048, 13, 16, ("split",)),
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


def count_parameters(model: NextScale) -> int:
    """Of a model that is never made."""
    optimizer = optax.identity()
    state = jax.eval_shape(
        lambda key: next_scale_step.create_state(key, model, optimizer), jax.random.key(0)
    )
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(state.params))


def lower(
    rung: Rung, space: Space, devices: Sequence[Any], *, each: int, model_axis: int
) -> tuple[jax.stages.Lowered, float]:
    """One training step over a mesh ``[D / m, m]`` of data and model.

    Args:
      rung: the size.
      space: gives the sequence.
      devices: ``D``, to compile for.
      each: examples a chip; the ``m`` chips that share a state share ``m each``.
      model_axis: ``m``.

    Returns:
      The step, and the operations of its matrix products on one chip, those
      that the backward pass repeats included.
    """
    model = model_of(rung, space, NUM_CODES)
    optimizer = wide_moments(stage1_step.make_optimizer(num_steps=10_000))
    step = next_scale_step.make_step(model, optimizer)
    mesh = sharding.make_mesh(devices, model_axis)
    state = jax.eval_shape(
        lambda key: next_scale_step.create_state(key, model, optimizer), jax.random.key(0)
    )
    placed = sharding.shardings(state, mesh, next_scale.RULES)
    whole = NamedSharding(mesh, PartitionSpec())
    split = NamedSharding(mesh, PartitionSpec(sharding.DATA))
    count = each * len(devices)
    batch = jax.eval_shape(
        lambda: Examples(
            codes=jnp.zeros((count, sum(model.sizes)), jnp.int32),
            quality=jnp.zeros((count, 1)),
            hardware=jnp.zeros((count, 1)),
        )
    )
    traced = jax.jit(
        lambda s, b, k: step(s, b, k, None),
        in_shardings=(placed, split, whole),
        out_shardings=(placed, whole),
        donate_argnums=0,
    ).trace(state, batch, jax.eval_shape(lambda: jax.random.key(0)))
    return traced.lower(), operations.matmul_flops(traced.jaxpr) / len(devices)


def wide_moments(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same optimizer with a state in float32, whatever the parameters are in."""

    def wide(tree: Any) -> Any:
        return jax.tree.map(lambda x: x.astype(jnp.float32), tree)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return inner.update(wide(updates), state, wide(params))

    return optax.GradientTransformation(lambda params: inner.init(wide(params)), update)
