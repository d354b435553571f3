"""What every space of the registry keeps; one suite over all of them."""

from __future__ import annotations

import functools
import itertools
import math
import types

import hypothesis
import hypothesis.extra.numpy
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.spaces import nb101_enumeration

# Number of valid genotypes, or of those that are drawn.
NUM_VALID = {
    "autoformer": 3 * sum((4**d + 9**d + 81 * 9**d) for d in (12, 13, 14)),
    "darts": 180**2 * 7**16,
    "gnn": 26_206,
    "gpt2": 36 * sum(21**depth for depth in range(2, 17)),
    "macro": 6_561,
    "mnasnet": 104_485_552_128,
    "mobilenetv3": 3**45 * 25,
    "nb101": 423_624,
    "nb201": 15_284,
}

# Spaces with at most this many genotypes are gone through, larger ones sampled.
LISTED = 100_000

# The operations that stand where a coarse version has none.
BLANK = {
    "autoformer": ("identity", "h3_r3.5", "h5_r3", "h8_r3"),
    "darts": ("skip_connect+skip_connect", "input"),
    "gnn": ("skip",),
    "gpt2": ("identity", "h2_i512", "e128_v1"),
    "macro": ("identity",),
    "mnasnet": ("e1_k3_l1",),
    "mobilenetv3": ("skip", "k3_e3", "r128"),
    "nb101": ("none",),
    "nb201": ("none",),
}

# Spaces whose costs count operations that the canonical form leaves out,
# because they reach no output.
COUNTS_DEAD_OPERATIONS = {"nb201"}

# Spaces whose costs depend a little on the order of nodes.
COUNTS_IN_ORDER = {"nb101"}


def sorted_darts() -> np.ndarray:
    """Uniform genotypes of which every node's sources ascend: one pair of them in five."""
    rng = np.random.default_rng(9)
    nodes = []
    for count in (2, 3, 4, 5) * 2:
        pairs = np.array(list(itertools.combinations(range(count), 2)))
        sources = pairs[rng.integers(0, len(pairs), 40_000)]
        ops = rng.integers(0, 7, (40_000, 2))
        nodes.append(np.stack([sources, ops], axis=-1).reshape(-1, 4))
    return np.concatenate(nodes, axis=1).astype(np.int32)


# What is drawn, where that is not all valid genotypes: all of it, or much.
DRAWN = {"darts": sorted_darts, "nb101": nb101_enumeration.genotypes}

# Spaces in which no two genotypes are the same architecture.
HAS_NO_ISOMORPHISMS = {"mnasnet"}

# Spaces with genes that another one switches off: samples and decoded genotypes
# are in canonical form, and the size is that of the forms.
SWITCHES_GENES_OFF = {"mobilenetv3"}

# Spaces whose free decode says by a gene out of range that there is no genotype.
DECODES_TO_NONE = {"mobilenetv3"}

# Spaces of which nearly all architectures have the largest depth: the depth is
# drawn first, and genes of layers that are not there are zero.
DRAWS_THE_DEPTH = {"autoformer", "gpt2"}

# Spaces whose genotypes differ from a neighbour in steps alone: the number of those.
NUM_NEIGHBOURS = {"gpt2": 14 + 3 + 2 + 2 + 16 * 3 + 16 * 7}


ARRAY_FUNCTIONS = (
    "is_valid",
    "canonical",
    "neighbours",
    "mutate",
    "to_graph",
    "from_graph",
    "free_decode",
    "params",
    "flops",
)


@pytest.fixture(params=spaces.names())
def space(request) -> spaces.Space:
    return spaces.get(request.param)


@functools.cache
def some(name: str, n: int = 400) -> jax.Array:
    return spaces.get(name).sample(jax.random.key(0), n)


def is_listed(name: str) -> bool:
    return math.prod(spaces.get(name).choices) <= LISTED


@functools.cache
def genotypes_of(name: str) -> np.ndarray:
    """All genotypes, valid or not; of a larger space some."""
    choices = spaces.get(name).choices
    if is_listed(name):
        return np.indices(choices, np.int32).reshape(len(choices), -1).T
    drawn = np.random.default_rng(9).integers(0, choices, (20_000, len(choices)))
    return drawn.astype(np.int32)


@functools.cache
def compiled(name: str) -> types.SimpleNamespace:
    """The space's array functions under jit: one primitive at a time is slow."""
    space = spaces.get(name)
    functions = {key: jax.jit(getattr(space, key)) for key in ARRAY_FUNCTIONS}
    sub_architecture = jax.jit(space.sub_architecture, static_argnums=1)
    return types.SimpleNamespace(**functions, sub_architecture=sub_architecture)


@pytest.fixture
def fast(space) -> types.SimpleNamespace:
    return compiled(space.name)


def distinct(genotypes: jax.Array) -> int:
    return len(np.unique(np.asarray(genotypes), axis=0))


# -- registry ---------------------------------------------------------------


def test_an_unknown_name_is_answered_with_the_accepted_ones():
    with pytest.raises(
        spaces.SpaceError, match=r"'nb2001' is unknown; accepted are .*gnn, .*macro"
    ):
        spaces.get("nb2001")


def test_a_space_is_a_value(space):
    twin = type(space)()
    assert twin == space and hash(twin) == hash(space)
    assert len(space.fields) == space.genotype_length == len(space.choices)
    assert len(set(space.fields)) == space.genotype_length
    assert len(set(space.op_names)) == space.num_ops
    assert tuple(map(len, space.gene_values)) == space.choices
    assert all(values == tuple(sorted(set(values))) for values in space.gene_values)


# -- the set of architectures -------------------------------------------------


def test_samples_are_valid_and_follow_the_key(space, fast):
    genotypes = space.sample(jax.random.key(1), 500)
    assert genotypes.shape == (500, space.genotype_length) and genotypes.dtype == jnp.int32
    assert fast.is_valid(genotypes).all()
    assert (genotypes == space.sample(jax.random.key(1), 500)).all()
    assert (genotypes != space.sample(jax.random.key(2), 500)).any()


def test_samples_are_uniform_over_the_valid_genotypes(space, fast):
    """Share of every value of every gene, within five standard errors."""
    if space.name in DRAWS_THE_DEPTH:
        assert space.size == NUM_VALID[space.name]
        pytest.skip("not uniform: see the tests of this space")
    genotypes = DRAWN.get(space.name, functools.partial(genotypes_of, space.name))()
    valid = genotypes[np.asarray(fast.is_valid(genotypes))]
    whole = is_listed(space.name) or len(valid) == NUM_VALID[space.name]
    if is_listed(space.name):
        assert len(valid) == NUM_VALID[space.name]
    else:  # then all must be valid, for the shares to be known
        assert len(valid) == len(genotypes)
        assert space.name in DRAWN or math.prod(space.choices) == NUM_VALID[space.name]
        assert (space.size == NUM_VALID[space.name]) == (space.name not in SWITCHES_GENES_OFF)
    n = 40_000
    drawn = np.asarray(space.sample(jax.random.key(3), n))
    genes = np.arange(space.genotype_length)
    if space.name in SWITCHES_GENES_OFF:
        genes = np.flatnonzero((fast.canonical(valid) == valid).all(axis=0))
    for gene in genes:
        count = space.choices[gene]
        share = np.full(count, 1 / count)
        if whole or space.name in DRAWN:
            share = np.bincount(valid[:, gene], minlength=count) / len(valid)
        found = np.bincount(drawn[:, gene], minlength=count) / n
        variance = share * (1 - share) * (1 / n + (0 if whole else 1 / len(valid)))
        assert (np.abs(found - share) <= 5 * np.sqrt(variance) + 1e-9).all()


def test_genes_out_of_range_are_invalid(space, fast):
    genotypes = some(space.name, 20)
    for gene, count in enumerate(space.choices):
        for value in (-1, count, 10_000):
            assert not fast.is_valid(genotypes.at[:, gene].set(value)).any()


def test_the_canonical_form_is_one_form_of_the_same_architecture(space, fast):
    genotypes = genotypes_of(space.name)
    if space.name in DRAWN:  # where hardly any genotype at random is valid
        genotypes = np.concatenate([genotypes[:2000], some(space.name, 20_000)])
    form = fast.canonical(genotypes)
    assert (fast.canonical(form) == form).all()
    if space.name in HAS_NO_ISOMORPHISMS:
        assert (form == genotypes).all()
    else:
        assert (form != genotypes).any()
        assert distinct(form) < len(genotypes) or not is_listed(space.name)
    valid = np.asarray(fast.is_valid(genotypes))
    assert fast.is_valid(form)[valid].all()
    if space.name not in COUNTS_DEAD_OPERATIONS | COUNTS_IN_ORDER:
        assert (fast.params(form) == fast.params(genotypes)).all()
        assert (fast.flops(form) == fast.flops(genotypes)).all()


def test_every_genotype_has_a_valid_neighbour(space, fast):
    genotypes = some(space.name)
    rows = fast.neighbours(genotypes)
    count = NUM_NEIGHBOURS.get(space.name, sum(space.choices) - space.genotype_length)
    assert rows.shape == (len(genotypes), count, space.genotype_length)
    moved = (rows != genotypes[:, None]).any(-1)
    assert (moved & fast.is_valid(rows)).any(-1).all()


def test_a_mutant_is_a_valid_neighbour(space, fast):
    genotypes = some(space.name)
    mutants = fast.mutate(jax.random.key(4), genotypes)
    assert mutants.shape == genotypes.shape
    assert fast.is_valid(mutants).all()
    assert (mutants != genotypes).any(-1).all()
    rows = fast.neighbours(genotypes)
    assert (rows == mutants[:, None]).all(-1).any(-1).all()


def test_every_row_of_a_batch_mutates_on_its_own(space, fast):
    row = some(space.name)[:1]
    mutants = fast.mutate(jax.random.key(5), jnp.repeat(row, 100, axis=0))
    assert distinct(mutants) > 5
    assert (fast.mutate(jax.random.key(5), row[0]) != row[0]).any()


# -- graphs -----------------------------------------------------------------


def test_a_graph_is_one_hot_and_acyclic(space, fast):
    graph = fast.to_graph(some(space.name))
    batch = (len(some(space.name)),)
    assert graph.ops.shape == (*batch, space.num_nodes, space.num_ops)
    assert graph.adjacency.shape == (*batch, space.num_nodes, space.num_nodes)
    assert graph.mask.shape == (*batch, space.num_nodes)
    assert {x.dtype for x in graph} == {jnp.dtype(jnp.float32)}
    assert set(np.unique(graph.ops)) == set(np.unique(graph.mask)) | {0.0} == {0.0, 1.0}
    assert (graph.ops.sum(-1) == graph.mask).all()
    assert (graph.adjacency == jnp.triu(graph.adjacency, 1)).all()
    assert (graph.ops[:, 0, space.op_names.index("input")] == 1).all()


@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_a_graph_decodes_to_its_genotype(space, fast, scale):
    genotypes = some(space.name)
    graph = fast.to_graph(genotypes)
    op_logits, edge_logits = scale * (2 * graph.ops - 1), scale * (2 * graph.adjacency - 1)
    assert (fast.from_graph(op_logits, edge_logits) == genotypes).all()
    assert (fast.free_decode(op_logits, edge_logits) == genotypes).all()
    assert (fast.from_graph(graph.ops, graph.adjacency) == genotypes).all()


def noise(space: spaces.Space) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(6)
    op_logits = rng.normal(size=(64, space.num_nodes, space.num_ops))
    edge_logits = rng.normal(size=(64, space.num_nodes, space.num_nodes))
    return op_logits.astype(np.float32), edge_logits.astype(np.float32)


def logits(*shape: int) -> st.SearchStrategy:
    """Any float32 at all: NaN, infinities, ties and the largest numbers."""
    return hypothesis.extra.numpy.arrays(np.float32, shape, elements=st.floats(width=32))


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(data=st.data())
@pytest.mark.parametrize("name", spaces.names())
def test_whatever_the_logits_the_decode_is_valid(name, data):
    space, fast = spaces.get(name), compiled(name)
    op_logits = data.draw(logits(space.num_nodes, space.num_ops))
    edge_logits = data.draw(logits(space.num_nodes, space.num_nodes))
    genotype = fast.from_graph(op_logits, edge_logits)
    assert genotype.dtype == jnp.int32 and fast.is_valid(genotype)
    free = fast.free_decode(op_logits, edge_logits)
    assert space.in_range(free) or name in DECODES_TO_NONE
    if fast.is_valid(free):
        assert (free == genotype).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
def test_constant_logits_decode(space, fast, value):
    op_logits = np.full((space.num_nodes, space.num_ops), value, np.float32)
    edge_logits = np.full((space.num_nodes, space.num_nodes), value, np.float32)
    assert fast.is_valid(fast.from_graph(op_logits, edge_logits))


def test_only_the_upper_triangle_counts(space, fast):
    op_logits, edge_logits = noise(space)
    upper = np.triu(np.ones(edge_logits.shape[-2:], bool), 1)
    expected = fast.from_graph(op_logits, edge_logits)
    for value in (np.nan, np.inf, 7.0):
        noisy = np.where(upper, edge_logits, np.float32(value))
        assert (fast.from_graph(op_logits, noisy) == expected).all()


def test_a_nan_score_is_never_preferred(space, fast):
    """With NaN in the place of the lowest score nothing changes."""
    op_logits, edge_logits = noise(space)
    lowest = op_logits == op_logits.min(-1, keepdims=True)
    expected = fast.from_graph(np.where(lowest, np.float32(-1e9), op_logits), edge_logits)
    assert (
        fast.from_graph(np.where(lowest, np.float32(np.nan), op_logits), edge_logits) == expected
    ).all()


def test_sub_architectures_are_valid_and_end_at_the_genotype(space, fast):
    genotypes = some(space.name)
    counts = []
    for n in range(3, space.num_nodes + 1):
        coarse = fast.sub_architecture(genotypes, n)
        assert coarse.shape == genotypes.shape
        assert fast.is_valid(coarse).all()
        ops = fast.to_graph(coarse).ops[:, 1:-1].argmax(-1)
        blank = [space.op_names.index(name) for name in BLANK[space.name]]
        assert (~np.isin(ops, blank)).sum(-1).max() <= n - 2
        # Where nearly all are distinct, which are not is chance.
        counts.append(min(distinct(coarse), 0.95 * distinct(genotypes)))
    assert (coarse == genotypes).all()
    assert counts == sorted(counts)
    # One operation is left, input and output beside it.
    assert counts[0] <= space.num_ops - 2


def test_a_sub_architecture_of_another_size_is_refused(space, fast):
    for n in (-1, 2, space.num_nodes + 1):
        with pytest.raises(spaces.SpaceError, match=rf"n = {n} nodes; accepted are 3 \.\. "):
            fast.sub_architecture(some(space.name)[0], n)


# -- cost -------------------------------------------------------------------


def test_costs_are_positive_numbers(space, fast):
    for cost in (fast.params(some(space.name)), fast.flops(some(space.name))):
        assert cost.shape == (len(some(space.name)),) and cost.dtype == jnp.float32
        assert (cost > 0).all() and jnp.isfinite(cost).all()
        assert distinct(cost) > 10


# -- under jax's transformations ------------------------------------------------


def run_all(space: spaces.Space, genotypes: jax.Array) -> dict:
    graph = space.to_graph(genotypes)
    return {
        "is_valid": space.is_valid(genotypes),
        "canonical": space.canonical(genotypes),
        "neighbours": space.neighbours(genotypes),
        "graph": graph,
        "from_graph": space.from_graph(graph.ops, graph.adjacency),
        "free_decode": space.free_decode(graph.ops, graph.adjacency),
        "sub_architecture": space.sub_architecture(genotypes, 4),
        "params": space.params(genotypes),
        "flops": space.flops(genotypes),
    }


def test_batch_equals_vmap_equals_loop_equals_jit(space):
    genotypes = some(space.name)[:4]
    run = functools.partial(run_all, space)

    @jax.jit
    def in_other_ways(genotypes):
        small = genotypes.astype(jnp.int16)[:, None, None]
        looped = jax.lax.map(run, small)
        return {
            "vmap": jax.vmap(run)(genotypes),
            "loop, two batch axes, small integers": jax.tree.map(
                lambda x: jnp.squeeze(x, (1, 2)), looped
            ),
        }

    expected = run(genotypes)
    for how, found in in_other_ways(genotypes).items():
        for name, value in expected.items():
            jax.tree.map(
                functools.partial(np.testing.assert_array_equal, err_msg=f"{how}: {name}"),
                value,
                found[name],
            )


def test_the_second_call_compiles_nothing(space):
    traced = []

    @functools.partial(jax.jit, static_argnums=0)
    def everything_once(space, key):
        traced.append(space.name)
        genotypes = space.mutate(key, space.sample(key, 8))
        return run_all(space, genotypes)

    everything_once(space, jax.random.key(0))
    everything_once(type(space)(), jax.random.key(1))
    assert traced == [space.name]


def test_a_walk_of_mutations_runs_in_scan(space):
    def step(genotype, key):
        mutant = space.mutate(key, genotype)
        return mutant, (mutant, space.is_valid(mutant))

    keys = jax.random.split(jax.random.key(8), 300)
    _, (walk, valid) = jax.lax.scan(step, some(space.name)[0], keys)
    assert valid.all()
    assert distinct(walk) > 200


# -- for people -------------------------------------------------------------


def test_strings_go_both_ways(space):
    genotypes = np.asarray(some(space.name)[:100])
    strings = [space.to_string(genotype) for genotype in genotypes]
    for genotype, text in zip(genotypes, strings, strict=True):
        read = space.from_string(f" {text}\n")
        assert read.dtype == np.int32 and (read == genotype).all()
    assert len(set(strings)) == distinct(genotypes)


@pytest.mark.parametrize("damage", [lambda s: "", lambda s: s[:-1], lambda s: s + s, str.upper])
def test_a_damaged_string_is_refused_in_one_line(space, damage):
    text = damage(space.to_string(some(space.name)[0]))
    if space.name == "macro" and damage is str.upper:
        text = text.replace("0", "3").replace("1", "3")
    with pytest.raises(spaces.SpaceError, match=f"^{space.name}: ") as caught:
        space.from_string(text)
    assert "\n" not in str(caught.value)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(text=st.text("0123456789 ,.'|~+[]-skipgcnfo_x\n", max_size=40))
@pytest.mark.parametrize("name", spaces.names())
def test_any_text_is_read_or_refused(name, text):
    space = spaces.get(name)
    try:
        genotype = space.from_string(text)
    except spaces.SpaceError:
        return
    assert space.in_range(genotype)


def test_a_bad_genotype_is_refused_by_what_people_call(space):
    good = np.asarray(some(space.name)[0])
    beyond = good.copy()
    beyond[1] = space.choices[1]
    cases = {
        r"a genotype is \d+ integers": [good[:-1], good[None], good.astype(float), good > 0],
        rf"{space.fields[1]} = {beyond[1]}; accepted are 0 \.\. {beyond[1] - 1}": [beyond],
    }
    for message, genotypes in cases.items():
        for genotype in genotypes:
            for function in (space.to_string, space.labels, space.check):
                with pytest.raises(spaces.SpaceError, match=message):
                    function(genotype)


def test_labels_name_a_graph_from_input_to_output(space):
    for genotype in np.asarray(some(space.name)[:30]):
        labels = space.labels(genotype)
        assert labels.nodes[0] == "input" and labels.nodes[-1] == "output"
        last = len(labels.nodes) - 1
        assert labels.edges
        for source, target, name in labels.edges:
            assert 0 <= source < target <= last and isinstance(name, str)
        reached = {0}
        for source, target, _ in sorted(labels.edges):
            if source in reached:
                reached.add(target)
        assert last in reached
