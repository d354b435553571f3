"""Small worlds in which a search can be followed by hand."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import benchmarks, generation, methods, spaces
from pnag_jax.methods import pnag_counts
from pnag_jax.methods.base import Method
from pnag_jax.models import stage1

# Every gene of the best architecture of the hill, in the space macro.
SUMMIT = (2, 1, 0, 2, 1, 0, 2, 1)


@dataclasses.dataclass(frozen=True)
class Tiny(spaces.Space):
    """Eight genotypes of three bits: valid unless all are 0, none isomorphic.

    Only what a search needs is there.
    """

    name: str = "tiny"
    fields: tuple[str, ...] = ("a", "b", "c")
    choices: tuple[int, ...] = (2, 2, 2)
    op_names: tuple[str, ...] = ("input", "output")
    num_nodes: int = 2
    size: int = 7

    def sample(self, key, n):
        index = jax.random.randint(key, (n, 1), 1, 8)
        return (index // jnp.array([4, 2, 1])) % 2

    def is_valid(self, genotype):
        return self.in_range(genotype) & (jnp.asarray(genotype) != 0).any(-1)

    def canonical(self, genotype):
        return jnp.asarray(genotype)

    def to_graph(self, genotype):
        raise NotImplementedError

    from_graph = sub_architecture = params = flops = to_string = from_string = labels = to_graph


@functools.cache
def quick_generator(space: spaces.Space) -> generation.Generator:
    """Real tables of counts over an untrained quantizer: its codes are as good as a hash."""
    model = stage1.Stage1(
        space=space, channels=4, num_codes=16, width=16, hidden=16, schedule="geometric"
    )
    genotypes = np.asarray(space.sample(jax.random.key(0), 600))
    variables = stage1.init(jax.random.key(1), model)
    return generation.build(
        jax.random.key(2), model, variables, genotypes, max_parents=1, polish_steps=0
    )


@pytest.fixture(scope="session", autouse=True)
def untrained_default_generator():
    """Spares every search without a generator the minute of training one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pnag_counts, "default_generator", quick_generator)
        yield


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture(scope="session")
def macro() -> spaces.Space:
    return spaces.get("macro")


def hill(genotypes) -> jax.Array:
    """Minus the number of genes that differ from ``SUMMIT``: float32 ``[...]``."""
    return -jnp.sum(jnp.asarray(genotypes) != jnp.array(SUMMIT), axis=-1).astype(jnp.float32)


@pytest.fixture(scope="session", name="hill")
def hill_fixture() -> Callable:
    return hill


@pytest.fixture(scope="session")
def jitted() -> Callable[[Method], tuple[Callable, Callable]]:
    """``ask`` and ``tell`` of a method under jit, compiled once for all tests."""
    made: dict[Method, tuple[Callable, Callable]] = {}

    def get(method: Method) -> tuple[Callable, Callable]:
        if method not in made:
            made[method] = (jax.jit(method.ask, static_argnums=1), jax.jit(method.tell))
        return made[method]

    return get


# Fields with which a method searches as it does otherwise, but sooner.
QUICK = {
    "forest": {"trees": 5, "pool": 128, "mutations": 4},
    "gp": {"pool": 128, "mutations": 4},
    "pnag": {"pool": 128, "candidates": 64, "uniform": 128, "mutations": 4},
    "pnag_counts": {"pool": 128, "candidates": 64},
}


@pytest.fixture(scope="session")
def quick_config() -> Callable[..., dict]:
    """The config of a method in these tests, and other fields of it."""
    return lambda name, **fields: QUICK.get(name, {}) | fields


@pytest.fixture(scope="session")
def height_reached(jitted, macro, quick_config) -> Callable[[str, int], float]:
    """The best of 40 queries of a method, one at a time, with a seed."""

    def climb(name: str, seed: int) -> float:
        method = methods.get(name)
        ask, tell = jitted(method)
        state = method.init(jax.random.key(seed), macro, quick_config(name, budget=40))
        for _ in range(40):
            genotypes, state = ask(state, 1)
            state = tell(state, genotypes, hill(genotypes))
        return float(state.archive.best()[1])

    return climb


@pytest.fixture(scope="session")
def make_table() -> Callable[..., benchmarks.Table]:
    """A table in memory of given genotypes and columns."""

    def make(space_name: str, genotypes, **columns) -> benchmarks.Table:
        arrays = {f"toy/{name}": np.asarray(c, np.float32) for name, c in columns.items()}
        return benchmarks.Table(
            name="toy",
            space_name=space_name,
            genotypes=np.asarray(genotypes, np.int16),
            metrics=tuple(arrays),
            meta={},
            source="worked out by hand",
            read_column=lambda metric: arrays[metric].copy(),
        )

    return make


@pytest.fixture(scope="session")
def hill_table(make_table) -> benchmarks.Table:
    """All of macro: ``seen`` is the height of the hill, ``true`` ten times that.

    The height of a class is that of its highest member, as isomorphic chains
    must measure the same.
    """
    genotypes = np.indices((3,) * 8).reshape(8, -1).T
    forms = np.asarray(spaces.get("macro").canonical(genotypes))
    _, kind = np.unique(forms, axis=0, return_inverse=True)
    height = np.asarray(hill(genotypes))
    best = np.full(kind.max() + 1, -np.inf, np.float32)
    np.maximum.at(best, kind, height)
    return make_table("macro", genotypes, seen=best[kind], true=10 * best[kind])


@pytest.fixture(scope="session")
def hill_task(hill_table) -> benchmarks.Task:
    return benchmarks.Task("toy@hill", "toy", "seen", "true")
