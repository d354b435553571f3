"""Every config file loads, is accepted and trains one step."""

from __future__ import annotations

import importlib
import pathlib

import jax
import numpy as np
import pytest

import configs
from experiments import conditioning, settings
from pnag_jax import spaces
from pnag_jax.models import stage1_step

FILES = sorted(
    path.stem
    for path in pathlib.Path(configs.__path__[0]).glob("*.py")
    if path.stem not in ("__init__", "common")
)
VARIANTS = ("", "tiny")


def test_every_space_has_a_config():
    assert list(spaces.names()) == FILES


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("name", FILES)
def test_loads_and_is_accepted(name, variant):
    config = importlib.import_module(f"configs.{name}").get_config(variant)
    settings.check(config, spaces.get(name))
    conditioning.check(config)


@pytest.mark.parametrize("name", FILES)
def test_the_docstring_has_commands_that_name_the_file(name):
    text = importlib.import_module(f"configs.{name}").__doc__
    assert f"python -m experiments.{name} --workdir=" in text
    assert f"--config=configs/{name}.py:tiny" in text


@pytest.mark.parametrize("name", FILES)
def test_an_unknown_variant_is_refused_with_the_accepted_ones(name):
    with pytest.raises(ValueError, match="variant 'huge' is unknown; accepted are tiny"):
        importlib.import_module(f"configs.{name}").get_config("huge")


def distinct_models() -> list[tuple[str, str]]:
    """Names and variants of all configs, without a variant that has the model of another one."""
    found: dict = {}
    for name in FILES:
        for variant in VARIANTS:
            config = importlib.import_module(f"configs.{name}").get_config(variant)
            found.setdefault((name, config.model.to_json()), (name, variant))
    return list(found.values())


@pytest.mark.parametrize(("name", "variant"), distinct_models())
def test_trains_one_step(name, variant):
    config = importlib.import_module(f"configs.{name}").get_config(variant)
    space = spaces.get(name)
    model = settings.model(config, space)
    optimizer = stage1_step.make_optimizer(
        learning_rate=config.train.learning_rate,
        weight_decay=config.train.weight_decay,
        num_steps=10,
    )

    @jax.jit
    def one_step(key):
        state = stage1_step.create_state(key, model, optimizer)
        batch = space.sample(key, 16)
        return state, *stage1_step.make_step(model, optimizer)(state, batch, key, None)

    before, after, metrics = one_step(jax.random.key(0))
    assert all(np.isfinite(value).all() for value in metrics.values())
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), before.params, after.params)
    assert any(jax.tree.leaves(moved))
