"""The folded decoder against quantizer and decoder themselves."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import spaces
from pnag_jax.generation import folding
from pnag_jax.models import stage1
from pnag_jax.models.stage1 import Stage1


def small(space_name: str, form: str, **fields) -> Stage1:
    return Stage1(
        space=spaces.get(space_name),
        form=form,
        channels=3,
        num_codes=5,
        width=8,
        hidden=6,
        schedule="geometric",
        **fields,
    )


def random_variables(model: Stage1) -> stage1.Variables:
    """Variables that are all random: no bias is 0 and phi is no identity."""
    shapes = jax.eval_shape(lambda key: stage1.init(key, model), jax.random.key(0))
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda x: jnp.asarray(generator.normal(size=x.shape), x.dtype), shapes)


@pytest.mark.parametrize("form", ["residual", "literal", "refined"])
@pytest.mark.parametrize(
    "space_name, learned_phi",
    [("gnn", True), ("macro", True), ("nb201", True), ("nb201", False)],
)
def test_folded_tables_decode_as_the_network_does(space_name, learned_phi, form):
    model = small(space_name, form, learned_phi=learned_phi)
    total = len(stage1.upper_positions(model.scales))
    codes = jax.random.randint(jax.random.key(1), (20, total), 0, model.num_codes)
    read = folding.read_positions(model)

    variables = random_variables(model)
    decoder = folding.fold(model, variables)

    @jax.jit
    def expected_logits(variables):
        maps = stage1.partial_maps(model, variables, stage1.from_upper(codes, model.scales))
        return stage1.decode(model, variables, maps[-1])

    logits = jax.jit(lambda decoder, strings: decoder.logits(strings, model.space))
    expected = expected_logits(variables)
    folded = logits(decoder, [codes[:, i] if i in read else None for i in range(total)])
    folded_all = logits(decoder, list(codes.T))
    for name, want, got, got_all in zip(
        ("nodes", "edges"), expected, folded, folded_all, strict=True
    ):
        assert jnp.abs(want).max() > 0.1
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-2, err_msg=name)
        np.testing.assert_allclose(got_all, want, rtol=1e-3, atol=1e-2, err_msg=name)


def test_only_the_last_scale_of_the_refined_form_is_read():
    model = small("nb201", "refined")
    scale = stage1.upper_positions(model.scales)[:, 0]
    assert folding.read_positions(model) == set(np.flatnonzero(scale == 4).tolist())


@pytest.mark.parametrize("form", ["residual", "literal"])
def test_every_scale_of_the_other_forms_is_read(form):
    model = small("nb201", form)
    assert folding.read_positions(model) == set(range(len(stage1.upper_positions(model.scales))))
