"""The programs whose speed and scaling are measured: the project's own training steps and samplers.

A training program is a step of ``training.parallel`` with its state and its
batches; a sampling program draws architectures from one key a device.  Population training,
which exchanges nothing, is measured alone and made by ``population``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax import generation
from pnag_jax.generation import Generator
from pnag_jax.generation import prior as priors
from pnag_jax.generation.prior import Prior, Sampling
from pnag_jax.methods import transferable
from pnag_jax.models import next_scale_step, stage1_step, surrogate_step
from pnag_jax.models.conditions import Conditions
from pnag_jax.models.surrogate import Surrogate
from pnag_jax.training.parallel import StepFn

TRAINING = ("stage1", "prior", "surrogate")
SAMPLING = ("generation", "prior_sampling")
PROGRAMS = TRAINING + SAMPLING
POPULATION = "population"
# Studied under both strategies; the others, which exchange what one of these does, under mesh.
COMPARED = ("stage1", "prior", "generation")

# Steps that the learning rate is scheduled for; the cost does not depend on it.
_STEPS = 10_000
# Of the surrogate's episodes: measurements, examples of the data set, architectures, members.
_MEASURED, _EXAMPLES, _ARCHITECTURES, _MEMBERS = 32, 32, 1024, 5


class Training(NamedTuple):
    """A training step.

    Attributes:
      step: one update.
      create: the state before it, of a key.
      batch: so many examples, leaves ``[count, ...]``.
    """

    step: StepFn
    create: Callable[[jax.Array], Any]
    batch: Callable[[int], Any]

    def shapes(self, count: int) -> tuple[Any, Any, Any]:
        """State, batch of ``count`` examples and key, as shapes."""
        key = jax.random.key(0)
        return jax.eval_shape(lambda: (self.create(key), self.batch(count), key))


# Draws so many architectures with a key: ``(key, n) -> [n, L]``.
Sampler = Callable[[jax.Array, int], jax.Array]


def training(name: str, generator: Generator) -> Training:
    """One of ``TRAINING``."""
    return {"stage1": _stage1, "prior": _prior, "surrogate": _surrogate}[name](generator)


def sampler(name: str, generator: Generator) -> Sampler:
    """One of ``SAMPLING``."""
    if name == "generation":
        return lambda key, n: generation.generate(key, generator, n)
    trained = _untrained_prior(generator)
    sampling, conditions = Sampling(guidance=2.0, temperature=0.7), Conditions(quality=0.95)
    return lambda key, n: priors.generate(key, trained, n, conditions, sampling=sampling)


def _stage1(generator: Generator) -> Training:
    model, genotypes = generator.model, generator.genotypes
    optimizer = stage1_step.make_optimizer(num_steps=_STEPS)
    return Training(
        stage1_step.make_step(model, optimizer),
        lambda key: stage1_step.create_state(key, model, optimizer),
        lambda count: np.resize(genotypes, (count, genotypes.shape[1])),
    )


def _prior(generator: Generator) -> Training:
    model, data = _prepared_prior(generator)
    optimizer = stage1_step.make_optimizer(num_steps=_STEPS)
    return Training(
        next_scale_step.make_step(model, optimizer),
        lambda key: next_scale_step.create_state(key, model, optimizer),
        lambda count: jax.tree.map(lambda x: np.resize(x, (count, *x.shape[1:])), data),
    )


def _prepared_prior(generator: Generator) -> tuple[Any, Any]:
    """The model and the data of a prior with one task and one device, of random labels."""
    labels = np.random.default_rng(0).random((2, len(generator.codes), 1), np.float32)
    _, model, data = priors.prepare(generator, *labels)
    return model, jax.device_get(data)


def _untrained_prior(generator: Generator) -> Prior:
    """Draws nonsense, in the time of a trained one."""
    labels = np.random.default_rng(0).random((2, len(generator.codes), 1), np.float32)
    tokens, model, _ = priors.prepare(generator, *labels)
    optimizer = stage1_step.make_optimizer(num_steps=_STEPS)
    state = next_scale_step.create_state(jax.random.key(0), model, optimizer)
    return Prior(generator, tokens, model, state.params)


def _surrogate(generator: Generator) -> Training:
    space = generator.model.space
    shape = (_ARCHITECTURES, space.genotype_length)
    genotypes = jax.ShapeDtypeStruct(shape, jnp.int32)
    size = jax.eval_shape(functools.partial(transferable.plain, space), genotypes).shape[1]
    # Of no architectures: the cost depends on the shape alone.
    features = jax.random.normal(jax.random.key(0), (_ARCHITECTURES, size))
    model = Surrogate(example_size=_EXAMPLES, width=32)
    optimizer = stage1_step.make_optimizer(num_steps=_STEPS)

    def batch(count: int) -> surrogate_step.Episodes:
        random = np.random.default_rng(0)
        return surrogate_step.Episodes(
            rows=random.integers(0, _ARCHITECTURES, (count, _MEASURED), np.int32),
            values=random.normal(size=(count, _MEASURED, 1)).astype(np.float32),
            examples=np.tile(np.arange(_EXAMPLES, dtype=np.int32), (count, 1)),
        )

    return Training(
        surrogate_step.make_step(model, optimizer, features=features, examples=jnp.eye(_EXAMPLES)),
        lambda key: surrogate_step.create_state(
            key, model, optimizer, members=_MEMBERS, feature_size=features.shape[1]
        ),
        batch,
    )
