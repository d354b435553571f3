"""NAS-Bench-Macro: one JSON object with the 6,561 chains of eight blocks.

``nas-bench-macro_cifar10.json``: by eight digits, ``test_acc`` (one a seed),
``mean_acc``, ``std``, ``params`` and ``flops``.

Su et al., "Prioritized Architecture Sampling with Monto-Carlo Tree Search",
CVPR 2021.
"""

from __future__ import annotations

import json
import pathlib
import re

from pnag_jax import spaces
from pnag_jax.benchmarks.importers.base import (
    Layout,
    Rows,
    genotype,
    head,
    mean,
    member,
    number,
)
from pnag_jax.errors import DataError

# The official file has 1.3 MB.
_MAX_BYTES = 16 * 2**20
# Lists of accuracies, one a seed: key there, name here.
_ACCURACIES = {"test_acc": "test_accuracy", "val_acc": "valid_accuracy"}


def _has(path: pathlib.Path) -> bool:
    return re.match(rb'\s*\{\s*"[012]{8}"\s*:\s*\{', head(path)) is not None


def _read(path: pathlib.Path) -> Rows:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    if len(text) > _MAX_BYTES:
        raise DataError(f"{path}: is larger than {_MAX_BYTES:,} bytes")
    try:
        chains = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is truncated or no JSON: {error}") from error
    if not isinstance(chains, dict):
        raise DataError(f"{path}: is a JSON {type(chains).__name__}; expected an object")
    rows = Rows(
        path,
        "macro",
        {
            "ops": list(spaces.macro.OPS),
            "units": "accuracy percent; params count; flops MACs",
            "sources": [f"{path.name} (github.com/xiusu/NAS-Bench-Macro)"],
            "licence": "Apache-2.0",
        },
    )
    space = spaces.get("macro")
    for digits in sorted(chains):
        what = f"{path}: {digits}"
        values = {}
        for key, name in _ACCURACIES.items():
            if key == "test_acc" or key in chains[digits]:
                given = member(chains[digits], key, what, list)
                seeds = [number(value, f"{what}: {key}", 0, 100) for value in given]
                values[f"cifar10/{name}"] = mean(seeds)
                values |= {f"cifar10/{name}_seed{i}": value for i, value in enumerate(seeds)}
        for name in ("params", "flops"):
            cost = member(chains[digits], name, what, (int, float))
            values[f"cifar10/{name}"] = number(cost, f"{what}: {name}", 0)
        rows.add(genotype(space, digits, what), values)
    return rows


LAYOUT = Layout("nas-bench-macro", "macro", ("nas-bench-macro*.json",), _has, _read)
