"""One run by several processes: the flags, what must agree, who does what.

The first process reads and writes the work directory; the others train beside
it, in a folder of their own that is gone afterwards, and then wait for it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import jax
from absl import flags

from experiments import command
from pnag_jax.errors import UsageError, UserError
from pnag_jax.training import files, hosts
from pnag_jax.training.workdir import differences

# They belong to the program that calls ``define``: its --help shows them.
flags.disclaim_key_flags()

_ADDRESS = ("coordinator_address", "process_id", "process_count")


def define(values: flags.FlagValues = flags.FLAGS) -> None:
    """The flags; those of ``_ADDRESS`` are given together or not at all."""
    flags.DEFINE_enum(
        "distributed",
        "auto",
        ("auto", "on", "off"),
        "Several processes as one run; auto: where a launcher or --coordinator_address says so.",
        flag_values=values,
    )
    flags.DEFINE_string("coordinator_address", None, "host:port of process 0.", flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values)
    number("process_id", None, "Which process this is, from 0.", lower_bound=0)
    number("process_count", None, "How many there are.", lower_bound=1)
    number("connect_seconds", 300, "How long to wait for them.", lower_bound=1)


def join(values: flags.FlagValues) -> None:
    """Makes this process one of several, if the flags or a launcher say so.

    Raises:
      UsageError: flags that do not fit together.
      UserError: the others cannot be joined.
    """
    mode, (address, number, count) = values.distributed, (values[n].value for n in _ADDRESS)
    given = [f"--{name}" for name in _ADDRESS if values[name].value is not None]
    if given and len(given) < len(_ADDRESS):
        missing = [f"--{name}" for name in _ADDRESS if f"--{name}" not in given]
        raise UsageError(f"{', '.join(given)}: {', '.join(missing)} must be given too")
    if mode == "off":
        if given:
            raise UsageError(f"--distributed=off: {given[0]} is accepted with auto or on")
        return
    if address is not None and number is not None and count is not None:
        _check_address(address, number, count)
    tentative = mode == "auto" and not given and not hosts.detected()
    if tentative and not hosts.on_cloud_tpu():
        return
    try:
        hosts.join(
            address, number, count, seconds=values.connect_seconds, give_up=command.end_at_once
        )
    except UserError as error:
        if tentative:  # a TPU machine of its own
            command.say(f"runs alone: {error}")
            return
        if not given:
            raise UserError(
                f"--distributed={mode}: {error}; --coordinator_address, --process_id and"
                " --process_count say it by hand, --distributed=off runs alone"
            ) from error
        raise


def _check_address(address: str, number: int, count: int) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"--coordinator_address={address}: accepted is host:port")
    if number >= count:
        raise UsageError(
            f"--process_id={number}: accepted are 0 .. {count - 1}, for --process_count={count}"
        )


def require_same(program: str, mode: str, config: Mapping[str, Any]) -> None:
    """Refuses processes that were not started alike.

    Raises:
      UsageError: on all processes, naming one that differs and in what.
    """
    mine = {"program": program, "mode": mode, "jax": jax.__version__, "config": files.plain(config)}
    first, *others = hosts.texts(json.dumps(mine, sort_keys=True))
    for number, other in enumerate(others, 1):
        differing = list(differences(json.loads(first), json.loads(other)))
        if differing:
            raise UsageError(
                f"process 0 and process {number} were started differently: {'; '.join(differing)}"
            )


@contextlib.contextmanager
def folder(workdir: str) -> Iterator[str]:
    """The work directory for the leader, a passing folder for any other process."""
    if hosts.leads():
        yield workdir
        return
    with tempfile.TemporaryDirectory(prefix=f"pnag_jax-{hosts.index()}-") as passing:
        yield passing
