"""Which columns a prior is conditioned on, and what they say of architectures."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from configs import gnn, macro
from experiments import conditioning
from pnag_jax import benchmarks, spaces
from pnag_jax.errors import UserError

SPACE = spaces.get("gnn")


def resolved(**prior):
    config = gnn.get_config()
    config.prior.update(prior)
    return conditioning.resolve(config, SPACE, None)


@pytest.fixture(autouse=True)
def no_folder(monkeypatch):
    monkeypatch.delenv("PNAG_BENCHMARK_DIR", raising=False)


def test_by_default_the_search_metric_and_the_latency_of_its_data_set():
    columns = resolved()
    assert columns.quality == ("cora/valid_accuracy",)
    assert columns.hardware == ("params", "flops", "cora/latency")


def test_columns_that_are_given_as_one_word():
    columns = resolved(quality=("cora/test_accuracy,arxiv/test_accuracy",), hardware=("flops",))
    assert columns.quality == ("cora/test_accuracy", "arxiv/test_accuracy")
    assert columns.hardware == ("flops",)


def test_without_a_table_size_is_left():
    columns = conditioning.resolve(macro.get_config(), spaces.get("macro"), None)
    assert columns.quality == () and columns.hardware == ("params", "flops")
    assert columns.table is None and "no table at hand" in columns.missing


def test_values_are_those_of_the_table_and_of_the_space():
    columns, table = resolved(), benchmarks.load("gnn")
    genotypes = table.genotypes[::5000].astype(np.int32)
    quality, hardware = columns.stacked(genotypes)
    np.testing.assert_array_equal(quality[:, 0], table.column("cora/valid_accuracy")[::5000])
    np.testing.assert_array_equal(hardware[:, 0], jax.jit(SPACE.params)(genotypes))
    # A cost that is taken for a quality is turned round.
    latency = table.column("cora/latency")[::5000]
    np.testing.assert_array_equal(columns.gains("cora/latency", genotypes), -latency)


@pytest.mark.parametrize(
    ("prior", "part"),
    [
        ({"quality": ("cora/luck",)}, "config.prior.quality = cora/luck; accepted are distinct"),
        ({"quality": ("params",)}, "config.prior.quality = params; accepted"),
        ({"hardware": ("params,params",)}, "config.prior.hardware = params,params; accepted"),
        ({"labels": "none"}, "config.prior.labels = 'none'; accepted are auto, measured"),
        ({"width": 30}, "config.prior.width = 30; accepted are multiples"),
        ({"drop_each": 1.5}, "config.prior.drop_each = 1.5; accepted are numbers from 0 to 1"),
    ],
)
def test_what_is_not_accepted(prior, part):
    with pytest.raises(UserError, match=part):
        resolved(**prior)


def test_a_quality_that_needs_a_missing_table_is_refused():
    config = macro.get_config()
    config.prior.quality = ("cifar10/test_accuracy",)
    with pytest.raises(UserError, match="benchmark 'macro': no table at hand"):
        conditioning.resolve(config, spaces.get("macro"), None)
