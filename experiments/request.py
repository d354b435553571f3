"""What a user asks a prior for: from fields of a config to conditions.

Letters: ``n`` samples, ``M`` architectures that the prior was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from experiments.conditioning import SIZES, Columns
from experiments.prior_labels import Labels
from pnag_jax.errors import UsageError
from pnag_jax.generation.labels import highest, together
from pnag_jax.generation.prior import Conditions

# Quantiles further out than all but this share of those that were told are not asked for.
_OUTSIDE = 0.002


# From a device's number to quantiles that samples were asked for and those that they
# reached, [m] each, NaN where that is not known.
Calibration = Callable[[int], tuple[np.ndarray, np.ndarray]]


class Limit(NamedTuple):
    """``<column><=<value>``, or ``>=`` with ``at_least``; ``device`` is the column's number."""

    column: str
    device: int
    at_least: bool
    value: float

    def kept(self, values: np.ndarray) -> np.ndarray:
        """Whether measurements keep it: ``[n] -> bool [n]``, False for NaN."""
        return values >= self.value if self.at_least else values <= self.value


class Request(NamedTuple):
    """Conditions of ``n`` samples; what had to be changed is told in ``notes``."""

    conditions: Conditions
    task: int
    limit: Limit | None
    notes: tuple[str, ...]


def check(config: ConfigDict, columns: Columns) -> tuple[int, Limit | None]:
    """The task and the limit that are asked for, before any training.

    Raises:
      UsageError: as ``make``; for a limit of size that nothing keeps only there.
    """
    ask, tasks = config.ask, columns.quality
    if ask.quality is not None and not tasks:
        raise UsageError(
            f"config.ask.quality = {ask.quality}: without a table there is no quality to ask for;"
            f" accepted is config.ask.limit with {' or '.join(columns.hardware)}"
        )
    if ask.task is not None and ask.task not in tasks:
        raise UsageError(
            f"config.ask.task = {ask.task}: not one of config.prior.quality; accepted are"
            f" {', '.join(tasks) or 'none, for want of a table'}"
        )
    if ask.task is not None and ask.quality is None:
        raise UsageError(f"config.ask.task = {ask.task}: give config.ask.quality too")
    task = 0 if ask.task is None else tasks.index(ask.task)
    limit = None if ask.limit is None else _limit(ask.limit, columns.hardware)
    if limit is not None and columns.table is not None and limit.column not in SIZES:
        _check_kept(ask, limit, columns.table.column(limit.column))
    return task, limit


def _limit(written: str, devices: tuple[str, ...]) -> Limit:
    found = re.fullmatch(r"\s*([^<>=]+?)\s*([<>]=)\s*([^<>=]+?)\s*", written)
    try:
        name, sign, value = found.groups() if found else ("", "", "nan")
        bound = float(value)
    except ValueError:
        bound = np.nan
    if not np.isfinite(bound):
        raise UsageError(
            f"config.ask.limit = {written}: accepted is one <column><=<number> or"
            " <column>>=<number>"
        )
    if name not in devices:
        raise UsageError(
            f"config.ask.limit = {written}: {name} is not one of config.prior.hardware; accepted"
            f" are {', '.join(devices)}"
        )
    return Limit(name, devices.index(name), sign == ">=", bound)


def make(
    key: jax.Array, config: ConfigDict, labels: Labels, n: int, calibration: Calibration
) -> Request:
    """The conditions that ``config.ask`` means.

    Args:
      key: consumed.
      config: of a space.
      labels: what the prior was told.
      n: number of samples.
      calibration: of the prior.

    Raises:
      UsageError: a quality without a task, an unknown task or device, a limit
        that nothing measured keeps; the message names field and value.
    """
    ask = config.ask
    task, limit = check(config, labels.columns)
    if limit is not None:
        _check_kept(ask, limit, labels.hardware[:, limit.device])
    notes: list[str] = []
    quality = hardware = None
    if ask.quality is not None:
        name = f"config.ask.quality = {ask.quality}"
        quality = _inside(np.full(n, ask.quality), labels.told_quality[:, task], name, notes)
    if limit is not None:
        room = _room(limit, labels, calibration, ask.keep)
        hardware = room * np.asarray(jax.random.uniform(key, (n,)))
        hardware = 1 - hardware if limit.at_least else hardware
        hardware = clipped(hardware, labels.told_hardware[:, limit.device])
        if ask.quality is not None:
            quality, hardware = _both(key, ask, task, limit, labels, n, room, notes)
    conditions = Conditions(
        quality=quality,
        task=None if quality is None else task,
        hardware=hardware,
        device=None if limit is None else limit.device,
    )
    return Request(conditions, task, limit, tuple(notes))


def clipped(asked: np.ndarray, told: np.ndarray) -> np.ndarray:
    """Quantiles moved into the range that a prior was told: ``[n], [M] -> float32 [n]``."""
    low, high = np.nanquantile(told, [_OUTSIDE, 1 - _OUTSIDE])
    return np.clip(asked, low, high).astype(np.float32)


def _inside(asked: np.ndarray, told: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    moved = clipped(asked, told)
    if np.abs(moved - asked).max() > 0.01:
        notes.append(
            f"{name}: outside of what the prior was trained on; {moved[0]:.3g}, the nearest, is"
            " asked instead"
        )
    return moved


def _check_kept(ask: ConfigDict, limit: Limit, values: np.ndarray) -> None:
    if not limit.kept(values).any():
        low, high = np.nanmin(values), np.nanmax(values)
        raise UsageError(
            f"config.ask.limit = {ask.limit}: no measured architecture keeps it; {limit.column} is"
            f" from {low:.6g} to {high:.6g}"
        )


def _room(limit: Limit, labels: Labels, calibration: Calibration, keep: float) -> float:
    """How far from its good end a hardware quantile may be asked for."""
    values = labels.hardware[:, limit.device]
    share = limit.kept(values).sum() / (~np.isnan(values)).sum()
    asked, reached = calibration(limit.device)
    if limit.at_least:
        asked, reached = 1 - asked, 1 - reached
    return highest(asked, reached, share, keep=keep)


def _both(
    key: jax.Array,
    ask: ConfigDict,
    task: int,
    limit: Limit,
    labels: Labels,
    n: int,
    room: float,
    notes: list[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Quality and hardware that some architectures have together."""
    values = labels.hardware[:, limit.device]
    told = labels.told_hardware[:, limit.device]
    allowed = limit.kept(values) & ((told >= 1 - room) if limit.at_least else (told <= room))
    if not allowed.any():
        allowed = limit.kept(values)
    pairs = together(key, labels.told_quality[:, task], told, ask.quality, allowed, n)
    if np.abs(pairs.quality - ask.quality).max() > 0.05:
        low, high = pairs.quality.min(), pairs.quality.max()
        notes.append(
            f"config.ask.quality = {ask.quality} and config.ask.limit = {ask.limit} are hardly ever"
            f" met together: {pairs.found} of {len(told)} architectures have both; quality"
            f" {low:.3g} to {high:.3g}, the nearest beside the limit, is asked instead"
        )
    return pairs.quality, pairs.hardware
