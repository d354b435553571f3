"""The order of NSGA-II and its children, by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from pnag_jax.methods.several import nsga2
from tests.methods.several.landscape import MACRO, measure


def test_parents_are_ordered_by_front_then_by_crowding():
    twos = [0, 3, 4, 8, 0]
    genotypes = jnp.array([[2] * n + [0] * (8 - n) for n in twos]).at[4, 0].set(1)
    config = {"budget": 8, "constraints": 1}
    state = nsga2.METHOD.init(jax.random.key(0), MACRO, config)
    state = nsga2.METHOD.tell(state, genotypes, measure(genotypes))
    found = nsga2.order(state).tolist()[:5]
    # Eight twos violate the constraint; the single one is dominated by none of that.
    assert sorted(found[:2]) == [0, 2]  # the ends of the feasible front
    assert found[2:] == [1, 4, 3]


def test_children_take_every_gene_from_a_parent_but_one():
    mother, father = jnp.zeros(8, int), jnp.full(8, 2)
    keys = jax.random.split(jax.random.key(0), 256)
    settings = nsga2.Settings(mutation=0.0, crossover=1.0)
    children = np.asarray(
        jax.vmap(lambda key: nsga2.child(key, MACRO, mother, father, settings))(keys)
    )
    assert set(np.unique(children[~(children == 1).any(axis=1)])) <= {0, 2}
    assert ((children == 1).sum(axis=1) <= 1).all()
    # Both parents are alike: a child must differ.
    twins = jax.vmap(lambda key: nsga2.child(key, MACRO, mother, mother, settings))(keys)
    assert ((np.asarray(twins) != 0).sum(axis=1) == 1).all()
