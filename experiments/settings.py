"""What a config may hold: ranges of its fields, and the model that it describes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import jax
from ml_collections import ConfigDict

from experiments import hinting
from pnag_jax import methods
from pnag_jax.errors import UsageError
from pnag_jax.methods import several
from pnag_jax.models.stage1 import Stage1
from pnag_jax.spaces import Space
from pnag_jax.training.parallel import STRATEGIES

_INF = math.inf

# Field, lowest and highest accepted value.
_RANGES: tuple[tuple[str, float, float], ...] = (
    ("seed", 0, 2**31 - 1),
    ("data.count", 2, 10_000_000),
    ("data.holdout", 0.001, 0.9),
    ("model.channels", 1, 4096),
    ("model.num_codes", 2, 65536),
    ("model.width", 1, 65536),
    ("model.num_layers", 0, 100),
    ("model.hidden", 1, 65536),
    ("model.scc_weight", 0, _INF),
    ("model.partial_weight", 0, _INF),
    ("model.commitment", 0, _INF),
    ("model.ema_decay", 0, 1),
    ("model.dead_below", 0, _INF),
    ("train.epochs", 1, 1_000_000),
    ("train.batch_size", 1, 1_000_000),
    ("train.learning_rate", 1e-12, 10),
    ("train.revive_share", 0, 1),
    ("train.weight_decay", 0, _INF),
    ("train.save_every_epochs", 1, 1_000_000),
    ("mesh.model", 1, 1_000_000),
    ("counts.max_parents", 0, 8),
    ("counts.min_gain", 0, _INF),
    ("counts.min_count", 1, _INF),
    ("counts.polish_steps", 0, 1_000_000),
    ("counts.polish_pool", 1, 10_000_000),
    ("counts.polish_rate", 1e-12, 10),
    ("generation.count", 1, 1_000_000),
    ("generation.speed_batch", 1, 10_000_000),
    ("transfer.steps", 1, 1_000_000),
    ("transfer.batch_size", 1, 1_000_000),
    ("transfer.members", 1, 1000),
    ("transfer.learning_rate", 1e-12, 10),
    ("transfer.weight_decay", 0, _INF),
    ("transfer.ranking", 0, _INF),
    ("transfer.drop", 0, 1),
    ("transfer.selection", 0, _INF),
    ("transfer.seeds", 1, 1000),
    ("transfer.proposals", 1, 100_000),
    ("search.budget", 1, _INF),
    ("search.seeds", 1, 10_000),
    ("search.save_every", 1, _INF),
    ("objectives.budget", 1, _INF),
    ("objectives.seeds", 1, 10_000),
    ("objectives.save_every", 1, _INF),
)


def check(config: ConfigDict, space: Space) -> None:
    """Refuses a config that cannot be run.

    Raises:
      UsageError: it is of another space, a field is out of its range, or the
        model, the strategy or a method does not exist; the message names the
        field, its value and the accepted ones.
    """
    if config.space != space.name:
        raise UsageError(f"config.space = {config.space!r}; this program runs {space.name!r}")
    check_ranges(config, _RANGES)
    if config.train.strategy not in STRATEGIES:
        raise UsageError(
            f"config.train.strategy = {config.train.strategy!r}; accepted are"
            f" {', '.join(STRATEGIES)}"
        )
    _check_mesh(config.mesh.model, config.train.strategy)
    width = config.transfer.width
    if not 8 <= width <= 65536 or width % 8:
        raise UsageError(f"config.transfer.width = {width}; accepted are multiples of 8")
    model(config, space)
    for group in ("search", "transfer"):
        hinting.resolve(config[group].hint, space.name, f"--config.{group}.hint")
    for group, registry in (("search", methods), ("objectives", several)):
        names = words(config[group].methods)
        for name in names:
            # Settings in a name are looked at here, before a generator is trained.
            registry.get(name).default_config(space)
        if not names or len(set(names)) < len(names):
            raise UsageError(
                f"config.{group}.methods = {config[group].methods}; accepted are distinct ones of"
                f" {', '.join(registry.names())}"
            )
    if not config.objectives.names:
        for field in ("constraints", "preference"):
            if config.objectives[field]:
                raise UsageError(
                    f"--{field}={config.objectives[field]}: say with --objectives what is wanted"
                )


def _check_mesh(model: int, strategy: str) -> None:
    if model == 1:
        return
    if strategy != "mesh":
        raise UsageError(f"config.mesh.model = {model}: accepted with --strategy=mesh")
    devices = jax.device_count()
    if devices % model:
        fitting = ", ".join(str(m) for m in range(1, devices + 1) if devices % m == 0)
        raise UsageError(
            f"config.mesh.model = {model}; accepted are divisors of the number of devices,"
            f" {devices}: {fitting}"
        )


def check_ranges(config: ConfigDict, ranges: Iterable[tuple[str, float, float]]) -> None:
    """Refuses a field below its lowest or above its highest value; None is not looked at.

    Raises:
      UsageError: naming the field, its value and the accepted ones.
    """
    for field, low, high in ranges:
        value = config
        for name in field.split("."):
            value = value[name]
        # Written so that NaN fails.
        if value is not None and not (low <= value <= high and math.isfinite(value)):
            span = f"from {low:.10g} to {high:.10g}" if high < _INF else f"of at least {low:g}"
            raise UsageError(f"config.{field} = {value}; accepted are numbers {span}")


def model(config: ConfigDict, space: Space) -> Stage1:
    """The quantizer that the config describes.

    Raises:
      UsageError: a field is not accepted.
    """
    try:
        quantizer = Stage1(space=space, **config.model)
        # The schedule is read only here.
        quantizer.scales  # noqa: B018
    except ValueError as error:
        raise UsageError(f"config.model: {error}") from error
    return quantizer


def check_batch(config: ConfigDict, trained_on: int, group: str = "train", *, devices: int) -> None:
    """Refuses a batch that there are not enough architectures, or no devices, for.

    Args:
      config: of a space.
      trained_on: number of examples.
      group: whose ``batch_size`` it is.
      devices: that train.

    Raises:
      UsageError: naming both numbers.
    """
    batch = config[group].batch_size
    if batch > trained_on:
        raise UsageError(
            f"config.{group}.batch_size = {batch}; accepted are numbers from 1 to {trained_on}, the"
            " architectures that are trained on"
        )
    if batch % devices:
        raise UsageError(
            f"config.{group}.batch_size = {batch}; accepted are multiples of the {devices} devices"
        )


def method_names(config: ConfigDict, *, several: bool = False) -> tuple[str, ...]:
    """The methods of a search, for several objectives or one; the first is reported."""
    return words((config.objectives if several else config.search).methods)


def words(names: Sequence[str]) -> tuple[str, ...]:
    """Names of a tuple; one that comes from the command line is one word: ``a,b`` means two."""
    return tuple(name for word in names for name in word.split(","))
