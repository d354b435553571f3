"""Conditional generation: the next-scale transformer draws the codes.

It is trained on the codes of a generator's architectures, with conditions for
those that were measured, and its codes are decoded as all others are: by the
generator's folded tables and the space's constrained decode.

Letters: ``n`` samples, ``L`` genes, ``M`` architectures of ``D`` codes each,
``P`` tokens of ``V`` values, ``K`` tasks, ``E`` entries of a task embedding.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax.errors import UsageError
from pnag_jax.generation import labels
from pnag_jax.generation import tokens as tokens_
from pnag_jax.generation.folding import FoldedDecoder
from pnag_jax.generation.generator import Generator
from pnag_jax.generation.tokens import Tokens
from pnag_jax.generation.training import run_epochs
from pnag_jax.models import next_scale_step, stage1, stage1_step
from pnag_jax.models.conditions import ConditionArrays, Conditions
from pnag_jax.models.next_scale import Cache, NextScale
from pnag_jax.models.next_scale_step import Examples
from pnag_jax.spaces import Space

# Samples that are drawn together: their activations stay in the caches of a CPU.
_CHUNK = 128


@dataclasses.dataclass(frozen=True, eq=False)
class Prior:
    """A trained prior; compared and hashed by identity.

    Attributes:
      generator: whose codes it draws.
      tokens: which of them.
      model: the transformer's hyperparameters.
      params: its parameters.
    """

    generator: Generator
    tokens: Tokens
    model: NextScale
    params: Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sampling:
    """How codes are drawn from logits; static.

    Attributes:
      temperature: the logits are divided by it.
      top_k: only so many of the likeliest values of a code; 0 for all.
      guidance: ``s`` of ``none + s (conditional - none)`` in logits; 1 is the
        conditional model itself, and costs half as much as any other (Ho and
        Salimans, "Classifier-Free Diffusion Guidance", 2022, equation 6 with
        ``w = s - 1``).
    """

    temperature: float = 1.0
    top_k: int = 0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise UsageError(f"temperature = {self.temperature}; accepted are numbers above 0")
        if self.top_k < 0:
            raise UsageError(f"top_k = {self.top_k}; accepted are 0 (all) and more")
        if not 0 <= self.guidance < math.inf:
            raise UsageError(f"guidance = {self.guidance}; accepted are numbers of at least 0")


class Prepared(NamedTuple):
    """What a training starts from: which codes are predicted, by what, from which rows."""

    tokens: Tokens
    model: NextScale
    data: Examples


def prepare(
    generator: Generator,
    quality: np.ndarray,
    hardware: np.ndarray,
    *,
    embedding_size: int = 0,
    max_shared: float = 0.1,
    min_new: float = 0.05,
    split_last: bool = False,
    width: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
) -> Prepared:
    """Everything but the training itself.

    Args:
      generator: from ``generation.build``; its ``M`` architectures are the data.
      quality: ``[M, K]`` quantiles, NaN where unknown.
      hardware: ``[M, devices]``, the same.
      embedding_size: of the tasks, 0 without.
      max_shared: the others as in ``train``.
      min_new: as there.
      split_last: as there.
      width: as there.
      num_layers: as there.
      num_heads: as there.
    """
    tokens = tokens_.choose(
        generator.codes,
        stage1.upper_positions(generator.model.scales)[:, 0],
        generator.read,
        generator.model.num_codes,
        max_shared=max_shared,
        min_new=min_new,
        split_last=split_last,
    )
    model = NextScale(
        sizes=tokens.layout.sizes,
        num_values=generator.model.num_codes,
        num_devices=hardware.shape[1],
        num_tasks=quality.shape[1],
        embedding_size=embedding_size,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
    )
    return Prepared(tokens, model, labels.examples(tokens, generator.codes, quality, hardware))


def train(
    key: jax.Array,
    generator: Generator,
    *,
    quality: ArrayLike | None = None,
    hardware: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    num_epochs: int = 30,
    batch_size: int = 128,
    learning_rate: float = 3e-3,
    weight_decay: float = 1e-4,
    drop_all: float = 0.1,
    drop_each: float = 0.3,
    max_shared: float = 0.1,
    min_new: float = 0.05,
    split_last: bool = False,
    width: int = 64,
    num_layers: int = 2,
    num_heads: int = 4,
    on_epoch: Callable[[int, Mapping[str, np.ndarray]], None] | None = None,
) -> Prior:
    """Trains a prior in memory, on one device.

    PNAG trains for 300 epochs with batches of 256 at a rate of 1e-3; the
    defaults take one to two minutes on 2 cores.

    Args:
      key: consumed.
      generator: from ``generation.build``; its architectures are the data.
      quality: ``[M]`` or ``[M, K]`` measurements on one or ``K`` tasks, more
        being better, NaN where there is none.
      hardware: ``[M]`` or ``[M, devices]`` latencies or sizes, the same.
      embeddings: ``[K, E]``, of the tasks.
      num_epochs: passes over the data.
      batch_size: as named.
      learning_rate: of the first step; a cosine schedule goes down to 1 %.
      weight_decay: of AdamW.
      drop_all: of conditions in training, see ``conditions.drop``; so is
        ``drop_each``.
      max_shared: see ``tokens.choose``; so are ``min_new`` and ``split_last``.
      width: of the transformer; so are ``num_layers`` and ``num_heads``.
      on_epoch: called with an epoch's number and the metrics of its steps.

    Raises:
      UsageError: labels of another number of architectures, embeddings of
        another number of tasks.
    """
    table = None if embeddings is None else jnp.asarray(embeddings, jnp.float32)
    tokens, model, data = prepare(
        generator,
        labels.quantile_columns("quality", quality, len(generator.codes)),
        labels.quantile_columns("hardware", hardware, len(generator.codes)),
        embedding_size=table.shape[-1] if table is not None and table.ndim == 2 else 0,
        max_shared=max_shared,
        min_new=min_new,
        split_last=split_last,
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
    )
    if table is not None and (table.ndim != 2 or len(table) != model.num_tasks):
        raise UsageError(
            f"embeddings: of shape {table.shape}; one row for each of {model.num_tasks} tasks"
        )
    batch_size = min(batch_size, len(data.codes))
    optimizer = stage1_step.make_optimizer(
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        num_steps=num_epochs * (len(data.codes) // batch_size),
    )
    key_init, key_run = jax.random.split(key)
    state = run_epochs(
        key_run,
        next_scale_step.make_step(
            model, optimizer, drop_all=drop_all, drop_each=drop_each, embeddings=table
        ),
        next_scale_step.create_state(key_init, model, optimizer),
        data,
        num_epochs=num_epochs,
        batch_size=batch_size,
        on_epoch=on_epoch,
    )
    return Prior(generator, tokens, model, state.params)


def draw_codes(
    key: jax.Array,
    params: Any,
    conditions: ConditionArrays,
    n: int,
    *,
    model: NextScale,
    sampling: Sampling,
) -> jax.Array:
    """Draws the tokens of ``n`` architectures: one pass a scale, int32 ``[n, P]``.

    Args:
      key: consumed.
      params: of ``model``.
      conditions: of ``n`` architectures.
      n: number of samples.
      model: static.
      sampling: static.
    """
    guided = sampling.guidance != 1
    if guided:
        none = Conditions().filled(n, model.embedding_size, model.dtype)
        conditions = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), conditions, none)
    apply: Callable[..., Any] = functools.partial(model.apply, params)
    condition = apply(conditions, method="embed_conditions")
    codes = jnp.zeros((n, 0), jnp.int32)
    cache: Cache | None = None
    drawn = []
    for scale, key_scale in enumerate(jax.random.split(key, len(model.sizes))):
        told = jnp.concatenate([codes, codes]) if guided else codes
        logits, cache = apply(scale, told, condition, cache, method="predict")
        if guided:
            asked, free = logits[:n], logits[n:]
            logits = free + sampling.guidance * (asked - free)
        codes = draw(key_scale, logits, sampling)
        drawn.append(codes)
    return jnp.concatenate(drawn, axis=1)


def draw(key: jax.Array, logits: jax.Array, sampling: Sampling) -> jax.Array:
    """One value a row: ``[..., V] -> int32 [...]``."""
    logits = logits / sampling.temperature
    if 0 < sampling.top_k < logits.shape[-1]:
        least = jax.lax.top_k(logits, sampling.top_k)[0][..., -1:]
        logits = jnp.where(logits >= least, logits, -jnp.inf)
    return jax.random.categorical(key, logits).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames=("n", "model", "read", "space", "sampling", "raw"))
def _generate(
    key: jax.Array,
    params: Any,
    conditions: ConditionArrays,
    tokens: Tokens,
    decoder: FoldedDecoder,
    n: int,
    *,
    model: NextScale,
    read: frozenset[int],
    space: Space,
    sampling: Sampling,
    raw: bool,
) -> jax.Array:
    size = min(n, _CHUNK)
    count = -(-n // size)

    def chunk(item: tuple[jax.Array, ConditionArrays]) -> jax.Array:
        key, conditions = item
        codes = draw_codes(key, params, conditions, size, model=model, sampling=sampling)
        logits = decoder.logits(tokens.spread(codes, read), space)
        return space.free_decode(*logits) if raw else space.from_graph(*logits)

    # The last chunk is filled up with repetitions of the first rows.
    rows = jnp.arange(count * size) % n
    chunks = jax.tree.map(lambda x: x[rows].reshape(count, size, *x.shape[1:]), conditions)
    drawn = jax.lax.map(chunk, (jax.random.split(key, count), chunks))
    return drawn.reshape(count * size, -1)[:n]


def generate(
    key: jax.Array,
    prior: Prior,
    n: int,
    conditions: Conditions | None = None,
    *,
    sampling: Sampling | None = None,
    raw: bool = False,
) -> jax.Array:
    """Draws ``n`` independent architectures: int32 ``[n, L]``, all valid.

    Args:
      key: consumed.
      prior: from ``train``.
      n: number of samples; one compilation each.
      conditions: what is asked for; nothing if None.
      sampling: static; plain samples of the conditional model if None.
      raw: decode without the space's constraint; such samples may be invalid.

    Raises:
      UsageError: a condition that is not accepted, unless it is being traced.
    """
    conditions = conditions or Conditions()
    model, generator = prior.model, prior.generator
    conditions.check(model.num_devices, model.num_tasks, model.embedding_size)
    return _generate(
        key,
        prior.params,
        # Filled here, so that all kinds of conditions share one compilation.
        conditions.filled(n, model.embedding_size, model.dtype),
        prior.tokens,
        generator.decoder,
        n,
        model=model,
        read=generator.read,
        space=generator.model.space,
        sampling=sampling or Sampling(),
        raw=raw,
    )
