"""Small files in the official layouts, and what they mean.

Written with the tools that wrote the real ones where these are at hand: the
pickler, protocol buffers, zip and bzip2.
"""

from __future__ import annotations

import bz2
import collections
import json
import pathlib
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tests.benchmarks.importers import records, torch_files

# In the order of the files: cell 0 has avg_pool, cell 1 a path of convolutions.
CELLS = (
    "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|nor_conv_1x1~0|skip_connect~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|none~0|nor_conv_3x3~1|+|none~0|none~1|nor_conv_1x1~2|",
    "|none~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|",
)
GENOTYPES = ((4, 2, 1, 2, 1, 1), (3, 0, 3, 0, 0, 2), (0, 0, 0, 1, 0, 0))


class Example(NamedTuple):
    """One layout's example.

    Attributes:
      layout: name of the layout.
      file: the official name.
      write: writes it at a path.
      genotypes: the rows.
      values: some columns, in the order of the rows.
      columns: how many columns there are.
      poison: writes it with a given object in it; None where there is no pickle.
    """

    layout: str
    file: str
    write: Callable[[pathlib.Path], None]
    genotypes: tuple[tuple[int, ...], ...]
    values: dict[str, list[float]]
    columns: int
    poison: Callable[[pathlib.Path, Any], None] | None = None


# -- NAS-Bench-201 and NATS-Bench ---------------------------------------------

SETS = {
    "cifar10-valid": ("x-valid", "ori-test"),
    "cifar10": ("ori-test",),
    "cifar100": ("x-valid", "x-test", "ori-test"),
    "ImageNet16-120": ("x-valid", "x-test", "ori-test"),
}


# Fewer epochs than in the official files, which no reader counts on.
EPOCHS = {12: 2, 200: 3}


def trained(cell: int, dataset: str, seed: int, schedule: int) -> dict[str, Any]:
    """One training.

    Accuracy of image set i of data set d: 10 cell + 20 d + i + seed / 1000 +
    schedule / 100 after the last epoch, one less before it.
    """
    epochs = EPOCHS[schedule]
    keys = [f"{name}@{epoch}" for name in SETS[dataset] for epoch in range(epochs)]
    base = 10 * cell + 20 * list(SETS).index(dataset)
    last = {f"{name}@{epochs - 1}": i for i, name in enumerate(SETS[dataset])}
    level = seed / 1000 + schedule / 100
    accuracy = {key: base + last.get(key, -1) + level for key in keys}
    return {
        "name": dataset,
        "net_state_dict": None,
        "train_acc1es": dict.fromkeys(range(epochs), 50.0),
        "train_acc5es": None,
        "train_losses": dict.fromkeys(range(epochs), 0.5),
        "train_times": dict.fromkeys(range(epochs), 7.5),
        "arch_config": {"channel": 16, "num_cells": 5, "arch_str": CELLS[cell], "class_num": 10},
        "params": 0.0725 + cell,
        "flop": 7.5 + cell,
        "seed": seed,
        "epochs": epochs,
        "latency": [np.float64(0.25), 0.75] if cell else None,
        "eval_names": list(SETS[dataset]),
        "eval_acc1es": {key: np.clip(value, 0, 100) for key, value in accuracy.items()},
        "eval_times": dict.fromkeys(keys, 1.5),
        "eval_losses": dict.fromkeys(keys, 0.25),
    }


def cell_state(cell: int, schedule: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    return {
        "arch_index": cell,
        "arch_str": CELLS[cell],
        "all_results": {
            (dataset, seed): trained(cell, dataset, seed, schedule)
            for dataset in SETS
            for seed in seeds
        },
        "dataset_seed": {dataset: list(seeds) for dataset in SETS},
        "clear_net_done": True,
    }


# Accuracies are those of ``trained``; seeds 777 and 888 at 200 epochs, 111 at 12.
CELL_VALUES = {
    "cifar10/test_accuracy": [20 + 0.8325 + 2, 30 + 0.8325 + 2, 40 + 0.8325 + 2],
    "cifar10/test_accuracy_one_seed": [22.777, 32.777, 42.777],
    "cifar10/valid_accuracy_12ep": [0.231, 10.231, 20.231],
    "cifar10-valid/test_accuracy_12ep": [1.231, 11.231, 21.231],
    "cifar100/valid_accuracy": [42.8325, 52.8325, 62.8325],
    "ImageNet16-120/test_accuracy_12ep": [61.231, 71.231, 81.231],
    "cifar100/seeds": [2, 2, 2],
    "cifar100/seeds_12ep": [1, 1, 1],
    "cifar10/params": [72_500, 1_072_500, 2_072_500],
    "cifar10/flops": [7.5e6, 8.5e6, 9.5e6],
    "cifar10/latency_ms": [np.nan, 500, 500],
}
# 4 data sets: 8 means of 200 and of 12 epochs, one seed of 4 tests each, seeds twice, three costs.
CELL_COLUMNS = 2 * 8 + 2 * 4 + 2 * 4 + 3 * 4


def cells_201(extra: Any = None) -> dict[str, Any]:
    infos = {
        i: collections.OrderedDict(
            full=cell_state(i, 200, (888, 777)), less=cell_state(i, 12, (111,))
        )
        for i in range(len(CELLS))
    }
    if extra is not None:
        infos[1]["full"]["all_results"]["cifar10", 777]["net_state_dict"] = extra
    return {
        "meta_archs": list(CELLS),
        "total_archs": len(CELLS),
        "basestr": "C16-N5",
        "arch2infos": infos,
        "evaluated_indexes": set(range(len(CELLS))),
    }


def write_nats(folder: pathlib.Path, extra: Any = None) -> None:
    folder.mkdir(parents=True)
    meta = {"meta_archs": list(CELLS), "total_archs": 3, "arch2infos": None}
    files: dict[str, Any] = {"meta": {**meta, "evaluated_indexes": set()}}
    for i, infos in cells_201(extra)["arch2infos"].items():
        states = {"12": infos["less"], "200": infos["full"]}
        files[f"{i:06d}"] = collections.OrderedDict(states)
    for name, data in files.items():
        raw = bz2.compress(pickle.dumps(data, 4))
        (folder / f"{name}.pickle.pbz2").write_bytes(raw)


# -- TransNAS-Bench-101 -----------------------------------------------------------


def transnas(extra: Any = None, space: str = "micro") -> dict[str, Any]:
    def task(i: int) -> dict[str, Any]:
        metrics = {
            "train_top1": [1.0, 2.0, 3.0],
            "train_loss": [3.0, 2.0, 1.0],
            "valid_top1": [10.0 + i, np.float64(30.0 + i), 20.0 + i],
            "valid_loss": [3.0, 2.0, 1.0],
            "test_top1": [11.0 + i, 31.0 + i, 21.0 + i],
            "time_elapsed": [1.0, 2.0, 3.0],
        }
        info = {"inference_time": 0.01, "encoder_params": 100 + i, "model_FLOPs": 1e9}
        return {"metrics": metrics, "model_info": info, "total_epochs": 3}

    def layout(i: int) -> dict[str, Any]:
        metrics = {"valid_loss": [0.5, 0.2, 0.3], "valid_neg_loss": [-0.5, -0.2, -0.3]}
        return {"metrics": metrics, "model_info": {"inference_time": 0.02}, "total_epochs": 3}

    names = {
        "micro": ["64-41414-1_02_333", "64-41414-0_00_100", "64-41414-3_21_012"],
        "macro": ["64-1234-basic", "64-2311-basic"],
    }[space]
    data = {
        name: {"class_scene": task(i), "room_layout": layout(i)} for i, name in enumerate(names)
    }
    if extra is not None:
        data[names[1]]["class_scene"]["extra"] = extra
    return {
        "metrics_dict": {"class_scene": ["valid_top1"]},
        "info_names": ["inference_time"],
        "task_list": ["class_scene", "room_layout"],
        "data": {"macro": {}, "micro": {}, space: data},
    }


# -- HW-NAS-Bench and NAS-Bench-Macro -----------------------------------------------


def write_hw(path: pathlib.Path, extra: Any = None) -> None:
    def dataset(base: float) -> dict[str, Any]:
        configs = [{"name": "infer.tiny", "arch_str": text, "C": 16} for text in CELLS]
        return {
            "config": np.array(configs, object) if base else configs,
            "edgegpu_latency": [base + 0.5, base + 1.5, base + 2.5],
            "edgegpu_energy": np.array([1.0, 2.0, 3.0]) + base,
            "eyeriss_arithmetic_intensity": [np.float64(4.0), 5.0, np.nan],
        }

    costs = {
        name: dataset(10.0 * i) for i, name in enumerate(("cifar10", "cifar100", "ImageNet16-120"))
    }
    path.write_bytes(pickle.dumps({"nasbench201": costs, "fbnet": {"edgegpu_latency": extra}}, 3))


def write_macro(path: pathlib.Path) -> None:
    def chain(first: float) -> dict[str, Any]:
        seeds = [first, first + 1, first + 3.5]
        return {"test_acc": seeds, "mean_acc": first + 1.5, "std": 1.5, "params": 1e5, "flops": 3e6}

    path.write_text(json.dumps({"02102211": chain(90.0), "00000000": chain(80.0)}))


EXAMPLES = (
    Example(
        "nas-bench-201",
        "NAS-Bench-201-v1_1-096897.pth",
        lambda path: torch_files.save_legacy(path, cells_201(torch_files.tensor())),
        GENOTYPES,
        CELL_VALUES,
        CELL_COLUMNS,
        lambda path, extra: torch_files.save_zip(path, cells_201(extra)),
    ),
    Example(
        "nats-bench",
        "NATS-tss-v1_0-3ffb9-simple",
        write_nats,
        GENOTYPES,
        CELL_VALUES,
        CELL_COLUMNS,
        write_nats,
    ),
    Example(
        "hw-nas-bench",
        "HW-NAS-Bench-v1_0.pickle",
        write_hw,
        GENOTYPES,
        {
            "cifar10/edgegpu_latency_ms": [0.5, 1.5, 2.5],
            "cifar100/edgegpu_energy_mj": [11, 12, 13],
            "ImageNet16-120/eyeriss_arithmetic_intensity": [4, 5, np.nan],
        },
        9,
        write_hw,
    ),
    Example(
        "nas-bench-macro",
        "nas-bench-macro_cifar10.json",
        write_macro,
        ((0, 0, 0, 0, 0, 0, 0, 0), (0, 2, 1, 0, 2, 2, 1, 1)),
        {
            "cifar10/test_accuracy": [81.5, 91.5],
            "cifar10/test_accuracy_seed2": [83.5, 93.5],
            "cifar10/params": [1e5, 1e5],
            "cifar10/flops": [3e6, 3e6],
        },
        6,
    ),
    Example(
        "transnas-bench-101",
        "transnas-bench_v10141024.pth",
        lambda path: torch_files.save_zip(path, transnas()),
        ((1, 0, 2, 3, 3, 3), (0, 0, 0, 1, 0, 0), (3, 2, 1, 0, 1, 2)),
        {
            "class_scene/valid_top1": [20, 21, 22],
            "class_scene/test_top1_best": [31, 32, 33],
            "class_scene/valid_loss_best": [2, 2, 2],
            "class_scene/encoder_params": [100, 101, 102],
            "room_layout/valid_loss": [0.3, 0.3, 0.3],
            "room_layout/valid_loss_best": [0.2, 0.2, 0.2],
        },
        12,
        lambda path, extra: torch_files.save_legacy(path, transnas(extra)),
    ),
    Example(
        "nas-bench-101",
        "nasbench_only108.tfrecord",
        records.write,
        records.genotypes(),
        {
            "cifar10/valid_accuracy": [91, 41],
            "cifar10/test_accuracy": [90, 40],
            "cifar10/test_accuracy_seed2": [91, 41],
            "cifar10/training_seconds": [1000, 1000],
            "cifar10/params": [8_000_000, 41_557_898],
            "cifar10/seeds": [3, 3],
        },
        14,
    ),
)  # fmt: skip
