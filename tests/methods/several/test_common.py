"""What every method for several objectives must do."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.errors import UsageError
from pnag_jax.methods import several
from pnag_jax.methods.several import uniform
from pnag_jax.training.checkpoints import Checkpoints
from tests.methods.several.landscape import MACRO, measure

NAMES = several.names()


@pytest.mark.parametrize("name", NAMES)
def test_proposals_are_valid_new_and_remembered(name, searched):
    state, ask, _ = searched(name)
    assert int(state.archive.count) == 32
    told = np.asarray(state.archive.genotypes[:32])
    assert len(np.unique(told, axis=0)) == 32
    np.testing.assert_array_equal(state.values, measure(told))
    genotypes, _ = ask(state, 4)
    assert MACRO.is_valid(genotypes).all()
    assert not state.archive.contains(genotypes).any()


@pytest.mark.parametrize("name", NAMES)
def test_a_second_call_compiles_nothing_and_a_seed_decides_everything(name, searched):
    state, ask, tell = searched(name)
    compiled = ask._cache_size(), tell._cache_size()
    first, _ = ask(state, 4)
    again, _ = ask(state, 4)
    np.testing.assert_array_equal(first, again)
    other, _ = ask(searched(name, 1)[0], 4)
    assert (np.asarray(other) != np.asarray(first)).any()
    tell(state, first, measure(first))
    assert (ask._cache_size(), tell._cache_size()) == compiled


@pytest.mark.parametrize("name", NAMES)
def test_what_has_no_value_is_not_asked_again_and_does_not_count(name, searched):
    state, ask, tell = searched(name)
    genotypes, state = ask(state, 4)
    values = measure(genotypes).at[:, 1].set(jnp.nan)
    after = tell(state, genotypes, values)
    assert int(after.archive.count) == 32
    np.testing.assert_array_equal(after.values, state.values)
    assert after.archive.contains(genotypes).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_state_from_a_checkpoint_goes_on_as_the_one_in_memory(name, searched, tmp_path):
    state, ask, tell = searched(name)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(32, state, require_finite=False)
    restored = checkpoints.restore(state).tree
    compiled = ask._cache_size(), tell._cache_size()
    for _ in range(2):
        genotypes, state = ask(state, 4)
        again, restored = ask(restored, 4)
        np.testing.assert_array_equal(again, genotypes)
        state, restored = (tell(s, genotypes, measure(genotypes)) for s in (state, restored))
    assert (ask._cache_size(), tell._cache_size()) == compiled


@pytest.mark.parametrize("name", [name for name in NAMES if name != "random"])
def test_methods_come_nearer_to_the_front_than_random_draws(name, searched):
    def depth(state) -> float:
        """Genes of value 1, which no member of the front has, of the better half."""
        ones = np.asarray((state.archive.genotypes[:32] == 1).sum(-1))
        return float(np.sort(ones)[:16].mean())

    assert depth(searched(name)[0]) < depth(searched("random")[0])


def test_unknown_names_and_fields_are_refused():
    with pytest.raises(UsageError, match="accepted are nsga2, pnag_front, random"):
        several.get("nsga3")
    with pytest.raises(UsageError, match="'populaton' is unknown"):
        several.get("nsga2").init(jax.random.key(0), MACRO, {"populaton": 3})
    with pytest.raises(UsageError, match="accepted are 2 and 2 entries"):
        uniform.METHOD.init(jax.random.key(0), MACRO, {"preference": (1.0,)})
