"""One training step of stage 1, for one device or many."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from pnag_jax import losses
from pnag_jax import quantization as q
from pnag_jax.codebook import code_statistics, codebook_use, nearest_code, update_codebook
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Averages, Moments, Stage1, Variables
from pnag_jax.spaces import Graph
from pnag_jax.training import parallel
from pnag_jax.training.state import TrainState


def make_optimizer(
    *, learning_rate: float = 1e-4, weight_decay: float = 1e-4, num_steps: int
) -> optax.GradientTransformation:
    """AdamW with a cosine schedule down to 1 % of the rate (defaults: PNAG)."""
    schedule = optax.cosine_decay_schedule(learning_rate, num_steps, alpha=0.01)
    return optax.adamw(schedule, weight_decay=weight_decay)


@functools.partial(jax.jit, static_argnames=("model", "optimizer"))
def create_state(
    key: jax.Array, model: Stage1, optimizer: optax.GradientTransformation
) -> TrainState:
    """The state before the first step; ``extra`` holds the ``Averages``."""
    params, averages = stage1.init(key, model)
    return TrainState.create(params, optimizer, extra=averages)


def variables(state: TrainState) -> Variables:
    """What a trained state knows, as ``stage1`` takes it."""
    return Variables(state.params, state.extra)


def make_step(
    model: Stage1, optimizer: optax.GradientTransformation, *, revive_steps: int | None = None
) -> parallel.StepFn:
    """The step function of ``training.parallel``; its batch is int ``[b, L]``.

    Args:
      model: static.
      optimizer: from ``make_optimizer``.
      revive_steps: dead codes are revived in the first so many steps; in all if None.
    """

    def step(
        state: TrainState, batch: jax.Array, key: jax.Array, axis_name: str | None
    ) -> tuple[TrainState, dict[str, jax.Array]]:
        graph = model.space.to_graph(batch)

        def total_loss(params: dict[str, Any]) -> tuple[jax.Array, tuple]:
            return _losses(model, params, state.extra, batch, graph, axis_name)

        gradients, aux = jax.grad(total_loss, has_aux=True)(state.params)
        terms, moments, e, quantized = aux
        gradients = parallel.mean_over(gradients, axis_name)
        metrics = parallel.mean_over(terms, axis_name)
        revives = True if revive_steps is None else state.step < revive_steps
        averages, counts = _update_averages(
            model, state.extra, moments, e, quantized, key, axis_name, revives
        )
        use, perplexity = codebook_use(counts)
        metrics |= {"codebook_use": use, "codebook_perplexity": perplexity}
        return state.update(gradients, optimizer, extra=averages), metrics

    return step


def _losses(
    model: Stage1,
    params: dict[str, Any],
    averages: Averages,
    genotypes: jax.Array,
    graph: Graph,
    axis_name: str | None,
) -> tuple[jax.Array, tuple]:
    """The total loss, and what the rest of the step needs."""
    raw = stage1.apply_encoder(model, params, graph)
    moments = parallel.mean_over(Moments(raw.mean(0), (raw**2).mean((0, 1, 2))), axis_name)
    variance = moments.square - (moments.mean**2).mean((0, 1))
    e = stage1.normalize(raw, moments.mean, jnp.maximum(variance, 0))
    phi = params.get("phi")
    quantized = q.quantize(e, averages.codebook.codebook, model.scales, phi=phi, **model.flags)
    last = quantized.partials[-1]
    logits = stage1.apply_decoder(model, params, quantized.output)
    terms = {
        "reconstruction_loss": stage1.reconstruction_loss(model, logits, graph),
        "commitment": losses.commitment(e, last),
        "consistency": losses.step_consistency(e, quantized.partials, model.scale_weights),
    }
    total = (
        terms["reconstruction_loss"] + model.commitment * terms["commitment"] + terms["consistency"]
    )
    if model.learned_phi:
        total += losses.commitment(last, e)  # moves phi; the codebook moves by averages
    if model.partial_weight:
        terms["partial"] = _partial_loss(model, params, quantized.partials, genotypes)
        total += model.partial_weight * terms["partial"]
    return total, ({"loss": total, **terms}, moments, e, quantized)


def _partial_loss(
    model: Stage1, params: dict[str, Any], partials: jax.Array, genotypes: jax.Array
) -> jax.Array:
    """Every partial, decoded, against the sub-architecture of its size."""
    total = jnp.zeros(())
    for partial, n in zip(partials, model.scales, strict=True):
        graph = model.space.to_graph(model.space.sub_architecture(genotypes, n))
        logits = stage1.apply_decoder(model, params, partial)
        total += stage1.reconstruction_loss(model, logits, graph)
    return total / len(model.scales)


def _update_averages(
    model: Stage1,
    averages: Averages,
    moments: Moments,
    e: jax.Array,
    quantized: q.Quantized,
    key: jax.Array,
    axis_name: str | None,
    revives: ArrayLike,
) -> tuple[Averages, jax.Array]:
    """Moves codebook and normalization; returns them and the step's counts ``[V]``."""
    e, partials = jax.lax.stop_gradient((e, quantized.partials))
    targets = q.pooled_targets(e, partials, model.scales, **model.flags)
    # Channels count as one more axis of "codes" here, hence the moveaxis.
    vectors = stage1.upper(tuple(jnp.moveaxis(x, -1, 1) for x in targets))  # [b, C, D]
    vectors = jnp.moveaxis(vectors, 1, -1)
    codes = stage1.upper(quantized.codes)
    counts, sums = parallel.sum_over(
        code_statistics(vectors.reshape(-1, model.channels), codes.reshape(-1), model.num_codes),
        axis_name,
    )
    codebook = update_codebook(
        averages.codebook,
        counts,
        sums,
        _candidates(vectors, averages.codebook.codebook, model.revival, key, axis_name),
        decay=model.ema_decay,
        dead_below=model.dead_below,
        revives=revives,
    )
    variance = moments.square - (moments.mean**2).mean((0, 1))

    def moved(old: jax.Array, new: jax.Array) -> jax.Array:
        return model.ema_decay * old + (1 - model.ema_decay) * jax.lax.stop_gradient(new)

    mean = moved(averages.mean, moments.mean)
    return Averages(codebook, mean, moved(averages.variance, variance)), counts


def _candidates(
    vectors: jax.Array, codebook: jax.Array, draws: int, key: jax.Array, axis_name: str | None
) -> jax.Array:
    """One vector of the whole batch a code: ``[b, D, C], [V, C] -> [V, C]``.

    Of ``draws`` that are drawn, the one whose nearest code is farthest.  The same
    ones however many devices share the batch: every device fills in those that it
    holds.
    """
    local, positions, _ = vectors.shape
    shape = (draws, len(codebook))
    devices = 1 if axis_name is None else jax.lax.axis_size(axis_name)
    device = 0 if axis_name is None else jax.lax.axis_index(axis_name)
    key_row, key_position = jax.random.split(key)
    row = jax.random.randint(key_row, shape, 0, local * devices) - device * local
    position = jax.random.randint(key_position, shape, 0, positions)
    mine = (row >= 0) & (row < local)
    chosen = vectors[jnp.clip(row, 0, local - 1), position]
    chosen = parallel.sum_over(jnp.where(mine[..., None], chosen, 0), axis_name)
    if draws == 1:
        return chosen[0]
    error = jnp.sum((chosen - codebook[nearest_code(chosen, codebook)]) ** 2, axis=-1)
    return jnp.take_along_axis(chosen, error.argmax(axis=0)[None, :, None], axis=0)[0]
