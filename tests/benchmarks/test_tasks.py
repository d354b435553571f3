from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pnag_jax.benchmarks import Table, Task, default_task, get_task, higher_is_better, load, tasks
from pnag_jax.errors import UsageError


def table_of(*metrics: str, name: str = "mine") -> Table:
    return Table(
        name=name,
        space_name="nb201",
        genotypes=np.zeros((1, 6), np.int16),
        metrics=metrics,
        meta={},
        source="",
        read_column=lambda metric: np.ones(1, np.float32),
    )


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_protocols_of_nb201(benchmark_dir, dataset):
    table = load("nb201", benchmark_dir)
    for protocol, search in (("12ep", "valid_accuracy_12ep"), ("200ep", "test_accuracy_one_seed")):
        task = get_task(table, f"{dataset}@{protocol}")
        assert task == Task(f"{dataset}@{protocol}", dataset, search, "test_accuracy")
        assert task.search_column == f"{dataset}/{search}"
        assert task.maximize
    assert default_task(table) == "cifar10@12ep"


def test_protocols_of_the_other_tables(benchmark_dir):
    macro = load("macro", benchmark_dir)
    assert default_task(macro) == "cifar10@seed0"
    task = get_task(macro, "cifar10@seed0")
    assert (task.search_metric, task.report_metric) == ("test_accuracy_seed0", "test_accuracy")
    assert get_task(macro, "cifar10@mean").search_metric == "test_accuracy"
    mnasnet = load("mnasnet", benchmark_dir)
    assert default_task(mnasnet) == "imagenet@valid_top1"
    task = get_task(mnasnet, "imagenet@valid_top1")
    assert (task.search_metric, task.report_metric) == ("valid_top1", "valid_top1")
    assert not get_task(mnasnet, "latency_ms@zcu102").maximize
    assert get_task(mnasnet, "throughput_img_s@tpuv3").maximize
    gpt2 = load("gpt2", benchmark_dir)
    assert default_task(gpt2) == "wt103@valid"
    task = get_task(gpt2, "lm1b@valid")
    assert (task.search_metric, task.report_metric) == ("valid_perplexity", "test_perplexity")
    assert not task.maximize
    assert default_task(load("autoformer", benchmark_dir)) == "imagenet@supernet_accuracy"
    ofa = load("mobilenetv3", benchmark_dir)
    assert default_task(ofa) == "imagenet@top1" and get_task(ofa, "imagenet@top1").maximize
    latency = load("mobilenetv3_latency", benchmark_dir)
    assert default_task(latency) == "latency_ms@2080ti_1"
    assert not get_task(latency, "latency_ms@v100_64").maximize
    gnn = load("gnn")
    assert default_task(gnn) == "cora@valid"
    task = get_task(gnn, "arxiv@valid")
    assert (task.search_metric, task.report_metric) == ("valid_accuracy", "test_accuracy")
    analog = load("nb201:analog")
    assert default_task(analog) == "cifar10@digital"
    assert get_task(analog, "cifar10@digital").search_metric == "test_accuracy"
    for protocol in ("ptq", "qat", "noisy", "analog"):
        assert get_task(analog, f"cifar10@{protocol}").report_metric == f"{protocol}_accuracy"


def test_every_listed_task_is_accepted(benchmark_dir):
    names = ("mobilenetv3_latency", "gnn", "nb201:analog")
    for name in ("autoformer", "gpt2", "nb201", "macro", "mnasnet", *names):
        table = load(name, benchmark_dir)
        for task in tasks(table):
            got = get_task(table, task)
            assert got.name == task
            assert {got.search_column, got.report_column} <= set(table.metrics)
        assert default_task(table) in tasks(table)


def test_unseen_table_has_a_sensible_default():
    seen = table_of("latency_ms/pixel", "imagenet/params", "imagenet/valid_top1", "imagenet/top1")
    assert default_task(seen) == "imagenet@valid_top1"
    twins = table_of("lm/test_loss_x", "lm/valid_score", "lm/test_other", "lm/test_score")
    assert default_task(twins) == "lm@valid"
    task = get_task(twins, "lm@valid")
    assert (task.search_metric, task.report_metric) == ("valid_score", "test_score")
    lonely = table_of("lm/valid_score_early", "lm/test_score")
    assert get_task(lonely, "lm@valid").report_metric == "test_score"
    assert default_task(table_of("latency_ms/a_1", "latency_ms/b_1")) == "latency_ms@a_1"


def test_any_metric_is_a_protocol(toy):
    task = get_task(toy, "toy@params")
    assert task == Task("toy@params", "toy", "params", "params")
    assert not task.maximize and not task.maximize_report


def test_data_set_alone_means_its_first_protocol(toy):
    assert get_task(toy, "toy").name == "toy@valid"


def test_metrics_can_be_replaced(toy):
    task = get_task(toy, "toy@valid", search_metric="test_accuracy")
    assert task == Task("toy@test_accuracy:test_accuracy", "toy", "test_accuracy", "test_accuracy")
    assert get_task(toy, task.name) == task
    same = get_task(toy, "toy@valid", "valid_accuracy", "test_accuracy")
    assert same == get_task(toy, "toy@valid")
    two = dataclasses.replace(toy, metrics=(*toy.metrics, "latency_ms/pixel"))
    task = get_task(two, "toy@valid", report_metric="latency_ms/pixel")
    assert task.name == "toy@valid_accuracy:latency_ms/pixel"
    assert (task.search_column, task.report_column) == ("toy/valid_accuracy", "latency_ms/pixel")
    assert task.maximize and not task.maximize_report
    assert get_task(two, task.name) == task


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("imagenet@valid", {}, r"no data set 'imagenet'; accepted are toy$"),
        ("", {}, "no data set ''"),
        ("toy@", {}, "no protocol or metric ''; accepted are valid, valid_accuracy, test_accuracy"),
        ("toy@12ep", {}, "no protocol or metric '12ep'; accepted are valid, valid_accuracy"),
        ("toy@valid", {"search_metric": "bleu"}, "^search_metric 'bleu': toy has no such metric; "
         "accepted are valid_accuracy, test_accuracy, params"),
        ("toy@valid", {"report_metric": "other/bleu"}, "^report_metric 'other/bleu'"),
        ("toy@valid_accuracy:bleu", {}, "^report_metric 'bleu'"),
    ],
)  # fmt: skip
def test_unknown_names_list_the_accepted_ones(toy, name, overrides, message):
    with pytest.raises(UsageError, match=message) as error:
        get_task(toy, name, **overrides)
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("cifar10/test_accuracy", True),
        ("imagenet/valid_top1", True),
        ("throughput_img_s/tpuv3", True),
        ("cifar10/analog_drift_60s", True),
        ("timeseries/score", True),
        ("cora/latency", False),
        ("latency_ms/pixel3", False),
        ("imagenet/train_time_s", False),
        ("imagenet/params_m", False),
        ("lm/params_nonembedding", False),
        ("lm/valid_perplexity", False),
        ("cifar10/flops", False),
        ("cifar10/analog_drift_60s_std", False),
    ],
)
def test_direction(column, expected):
    assert higher_is_better(column) is expected
