from __future__ import annotations

import functools
import json

import jax
import numpy as np
import pytest

from pnag_jax import methods, spaces
from pnag_jax.errors import UsageError
from pnag_jax.methods import search
from pnag_jax.training.checkpoints import Checkpoints

BUDGET, SEEDS = 24, 3


@pytest.fixture(scope="module")
def run(hill_table, hill_task, quick_config):
    """Three seeds on the hill unless told otherwise."""

    def run(method, **options):
        defaults = {"budget": BUDGET, "seeds": SEEDS, "key": jax.random.key(0)}
        options = defaults | {"config": quick_config(method)} | options
        table = options.pop("table", hill_table)
        return search.run(methods.get(method), table.space, table, hill_task, **options)

    return run


def asked(result):
    """Genotypes and values of all queries, seed by seed."""
    return [
        [(*entry.genotype.tolist(), entry.value) for entry in ledger.entries]
        for ledger in result.ledgers
    ]


@pytest.fixture(scope="module")
def whole(run):
    """A search that nothing disturbs, and what it saves: once a method for all tests."""

    @functools.cache
    def whole(method):
        trees = []
        hooks = search.Hooks(lambda step, tree: trees.append((step, tree)), save_every=8)
        return run(method, hooks=hooks), trees

    return whole


@pytest.mark.parametrize("method", methods.names())
def test_every_seed_spends_its_budget_and_no_proposal_is_invalid(whole, method):
    result, _ = whole(method)
    assert result.used.tolist() == [BUDGET] * SEEDS
    assert result.invalid.tolist() == [0] * SEEDS
    assert result.curves.shape == (SEEDS, BUDGET)
    assert (np.diff(result.curves, axis=1) >= 0).all()  # the report metric follows the search's
    assert len({str(queries) for queries in asked(result)}) == SEEDS  # seeds differ


@pytest.mark.parametrize("method", methods.names())
def test_a_seed_does_not_depend_on_those_beside_it(run, whole, method):
    (full, _), shuffled = whole(method), run(method, seeds=[7, 1, 0])
    assert asked(shuffled)[1:] == [asked(full)[1], asked(full)[0]]
    assert asked(shuffled)[0] not in asked(full)


def test_a_seed_alone_does_as_in_company(run):
    # The one with sums of floats, which a different shape might order differently.
    assert asked(run("marginal_eda", seeds=[1])) == asked(run("marginal_eda"))[1:2]


def test_a_second_run_does_not_compile(run, caplog):
    run("marginal_eda")
    with jax.log_compiles():
        run("marginal_eda", key=jax.random.key(5))
        assert "ompiling" not in caplog.text
        jax.jit(lambda x: x + 1)(1)
        assert "ompiling" in caplog.text


def test_the_last_round_is_cut_to_what_is_left(run):
    # Batches of 16: the second round can afford eight.
    result = run("marginal_eda")
    assert result.rounds == 2 and result.used.tolist() == [BUDGET] * SEEDS


@pytest.mark.parametrize("method", methods.names())
def test_a_table_that_holds_a_part_of_its_space_is_searched_there(
    run, make_table, hill_table, method
):
    known = slice(0, 6561, 60)
    column = hill_table.column("toy/seen")[known]
    table = make_table("macro", hill_table.genotypes[known], seen=column, true=10 * column)
    result = run(method, table=table)
    assert result.used.tolist() == [BUDGET] * SEEDS
    assert [ledger.unmeasured for ledger in result.ledgers] == [0] * SEEDS


def test_a_search_that_asks_for_nothing_new_ends(hill_table, hill_task):
    random = methods.get("random")

    def ask(state, n):
        return jax.numpy.zeros((n, 8), jax.numpy.int32), state

    stubborn = random._replace(name="stubborn", ask=ask)
    result = search.run(
        stubborn,
        hill_table.space,
        hill_table,
        hill_task,
        budget=BUDGET,
        seeds=2,
        key=jax.random.key(0),
        idle_limit=64,
    )
    assert result.used.tolist() == [1, 1] and result.rounds == 65
    for ledger, curve in zip(result.ledgers, result.curves, strict=True):
        np.testing.assert_array_equal(curve, ledger.incumbent_curve()[-1])


class Killed(Exception):
    pass


@pytest.mark.parametrize("method", methods.names())
def test_a_killed_search_resumes_to_the_same_bits(run, whole, method, tmp_path):
    unbroken, trees = whole(method)
    checkpoints = Checkpoints(tmp_path)

    def save_and_die(step, tree):
        checkpoints.save(step, tree, require_finite=False)
        raise Killed

    def load(target):
        found = checkpoints.restore(target)
        return found and found.tree

    with pytest.raises(Killed):
        run(method, hooks=search.Hooks(save_and_die, load, save_every=8))
    rest = []
    hooks = search.Hooks(lambda step, tree: rest.append((step, tree)), load, save_every=8)
    resumed = run(method, hooks=hooks)
    assert asked(resumed) == asked(unbroken) and resumed.rounds == unbroken.rounds
    np.testing.assert_array_equal(resumed.curves, unbroken.curves)
    # Whatever was saved later is the same, but for times.
    assert [step for step, _ in rest] == [step for step, _ in trees[1:]]
    for (_, left), (_, right) in zip(rest, trees[1:], strict=True):
        for a, b in zip(leaves(left), leaves(right), strict=True):
            np.testing.assert_array_equal(a, b)


def leaves(tree):
    """Everything but the times, keys as their data."""
    ledgers = {k: v for k, v in tree["ledgers"].items() if k not in ("seconds", "elapsed")}
    clock = {k: v for k, v in tree["clock"].items() if k != "seconds"}
    states = [
        jax.random.key_data(x) if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        for x in jax.tree.leaves(tree["states"])
    ]
    return jax.tree.leaves((ledgers, clock, states))


def test_a_finished_search_is_read_back_and_nothing_is_asked(run):
    trees = []
    hooks = search.Hooks(save=lambda step, tree: trees.append((step, tree)))
    unbroken = run("random", hooks=hooks)
    assert trees[-1][0] == unbroken.rounds == BUDGET

    def never(step, tree):
        raise AssertionError("saved again")

    again = run("random", hooks=search.Hooks(never, load=lambda target: trees[-1][1]))
    assert asked(again) == asked(unbroken) and again.compile_seconds == 0.0
    assert again.method_seconds == unbroken.method_seconds


def test_a_search_of_other_seeds_is_not_resumed(run):
    trees = []
    run("random", hooks=search.Hooks(save=lambda step, tree: trees.append(tree)))
    hooks = search.Hooks(load=lambda target: trees[0])
    with pytest.raises(UsageError, match=r"seeds \[3, 4, 5\]: the saved search has \[0, 1, 2\]"):
        run("random", seeds=[3, 4, 5], hooks=hooks)


def test_a_save_can_be_asked_for_at_any_round(run):
    saved, progress = [], []
    hooks = search.Hooks(
        save=lambda step, tree: saved.append(step),
        save_every=10**9,
        save_now=lambda: len(progress) == 7,
        progress=lambda done, total: progress.append((done, total)),
    )
    run("random", hooks=hooks)
    assert saved == [7, BUDGET]
    assert progress == [(SEEDS * i, SEEDS * BUDGET) for i in range(1, BUDGET + 1)]


def test_the_config_reaches_the_method(run):
    result = run("random", config={"batch": 20})
    assert result.rounds == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget 0: accepted are 1 .. 3969"),
        ({"budget": 4000}, "budget 4000: accepted are 1 .. 3969"),
        ({"seeds": 0}, "seeds 0: accepted are"),
        ({"seeds": [1, 1]}, r"seeds \[1, 1\]: accepted are"),
        ({"seeds": [-1]}, r"seeds \[-1\]: accepted are"),
        ({"config": {"populace": 3}}, "method random: config field 'populace' is unknown"),
        ({"config": {"batch": 0}}, "method random: config field batch = 0"),
    ],
)
def test_wrong_arguments_are_one_line(run, options, message):
    with pytest.raises(UsageError, match=message):
        run("random", **options)


def test_a_table_of_another_space_is_refused(hill_table, hill_task):
    with pytest.raises(UsageError, match="table toy is of space macro, the search of gnn"):
        search.run(
            methods.get("random"),
            spaces.get("gnn"),
            hill_table,
            hill_task,
            budget=4,
            seeds=1,
            key=jax.random.key(0),
        )


def test_its_summary_is_plain_json(run):
    row = run("marginal_eda").summary()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row["queries"] == [16, 24] and row["seeds"] == SEEDS and row["spent"] == BUDGET
