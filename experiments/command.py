"""How a program starts and ends: flags in, one clear line and a status out."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import jax
from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags

from pnag_jax.errors import UsageError, UserError
from pnag_jax.training import hosts
from pnag_jax.training.interrupts import Interrupted

# Flags belong to the program that calls ``run``: its --help shows them.
flags.disclaim_key_flags()


def run(main: Callable[[], None], config: str | None = None) -> NoReturn:
    """Parses the flags and calls ``main``; the end of a program.

    A ``UserError`` becomes one line on standard error and its exit status: 2
    for flags and config fields, 3 for damaged data, 1 otherwise, 128 + the
    signal's number after a signal.

    Args:
      main: the program.
      config: the default of a flag --config, which is defined here: that reads
        the file and the overrides, and may fail.
    """

    def guarded(_: Sequence[str]) -> None:
        try:
            main()
        except UserError as error:
            _end(error)

    def parse(argv: Sequence[str]) -> Sequence[str]:
        try:
            return _parse(argv, config)
        except UserError as error:
            _end(error)

    # By default a CPU hands every call to another thread, which takes longer than
    # to generate an architecture.
    if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    app.run(guarded, flags_parser=parse)
    raise SystemExit


def say(line: str) -> None:
    """One line for people, on standard error: standard output is for results.

    Of several processes the first alone speaks.
    """
    if hosts.leads():
        _write(line)


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def environment() -> dict[str, object]:
    """What this process runs on, the ``environment`` of ``results.json``.

    Raises:
      UserError: JAX finds no device.
    """
    try:
        device = jax.local_devices()[0]
    except RuntimeError as error:
        raise UserError(f"JAX cannot start: {error}") from error
    return {
        "jax": jax.__version__,
        "backend": jax.default_backend(),
        "device_kind": device.device_kind,
        "device_count": jax.device_count(),
        "host_count": jax.process_count(),
    }


def _end(error: UserError) -> NoReturn:
    message = " ".join(str(error).split())
    if isinstance(error, Interrupted):
        say(message)
    else:
        _write(f"error{'' if hosts.leads() else f' in process {hosts.index()}'}: {message}")
    if hosts.count() > 1:
        # The end of the interpreter would wait for processes that wait for this one.
        os._exit(error.exit_code)
    sys.exit(error.exit_code)


def end_at_once(error: UserError) -> NoReturn:
    """As an error in the main thread ends the program, but from any thread."""
    _write(f"error: {error}")
    os._exit(error.exit_code)


def _parse(argv: Sequence[str], config: str | None) -> Sequence[str]:
    given = _given_config(argv, config)
    try:
        if config is not None:
            config_flags.DEFINE_config_file("config", config, "Config file, or file:variant.")
            # Defined below this module's caller, which would otherwise not list it.
            flags.FLAGS.register_key_flag_for_module(argv[0], flags.FLAGS["config"])
        rest = flags.FLAGS(argv)
    except UserError:
        raise
    except flags.UnrecognizedFlagError as error:
        raise UsageError(f"{error}; --help lists the accepted ones") from error
    except flags.Error as error:
        raise UsageError(_flag_fault(str(error), given)) from error
    except Exception as error:
        # ml_collections raises all kinds of errors for a field that is not
        # there, and a config is a Python file of the user.
        fault = str(error) or type(error).__name__
        raise UsageError(_unknown_field(argv, given) or f"{given}: {fault}") from error
    if flags.FLAGS["verbosity"].using_default_value:
        # Absl would choose INFO: libraries log a lot there.
        logging.set_verbosity(logging.WARNING)
    if "workdir" in flags.FLAGS and not flags.FLAGS["workdir"].value:
        raise UsageError("--workdir= is empty: give a folder")
    if len(rest) > 1:
        raise UsageError(f"{rest[1]!r}: not a flag; flags are written --name=value")
    if "config" in flags.FLAGS:
        value = flags.FLAGS["config"].value
        if value is not None and not isinstance(value, ConfigDict):
            raise UsageError(
                f"{given}: no config can be read there; accepted is a Python file"
                " with get_config(), as configs/nb201.py or configs/nb201.py:tiny"
            )
    return rest


def _flag_fault(message: str, given: str) -> str:
    """The message of absl, shortened or made clearer where it needs that."""
    if "Traceback" in message:
        # An exception of the config file; its text ends the message.
        last = message.strip().splitlines()[-1]
        return f"{given}: {last.partition(': ')[2] or last}"
    missing = re.match(r"flag (--\w+)=None: Flag \1 must have a value", message)
    if missing:
        return f"{missing.group(1)} is required; --help describes it"
    found = re.match(r"flag --config\.([^=]+)=", message)
    value: Any = _plain_config(given) if found else None
    for name in found.group(1).split(".") if found else ():
        value = value[name] if isinstance(value, ConfigDict) and name in value else None
    if value is None:
        return message
    return f"{message}; accepted is a value of type {type(value).__name__}"


def _given_config(argv: Sequence[str], default: str | None) -> str:
    """The flag --config as it was given, or with its default."""
    for i, word in enumerate(argv):
        name, equals, value = word.lstrip("-").partition("=")
        if name == "config" and word.startswith("-"):
            return f"--config={value if equals else ' '.join(argv[i + 1 : i + 2])}"
    return f"--config={default or ''}"


def _plain_config(given: str) -> ConfigDict | None:
    """The config without its overrides, None where it cannot be read."""
    values = flags.FlagValues()
    config_flags.DEFINE_config_file("config", None, flag_values=values, sys_argv=[""])
    with contextlib.suppress(Exception):
        values(["", given])
    return values["config"].value if isinstance(values["config"].value, ConfigDict) else None


def _unknown_field(argv: Sequence[str], given: str) -> str | None:
    """The first override of a field that the config does not have."""
    config = _plain_config(given)
    if config is None:
        return None
    for word in argv:
        found = re.match(r"--?config\.([^=]+)", word)
        node: Any = config
        above = "config"
        for name in found.group(1).split(".") if found else ():
            if not isinstance(node, ConfigDict):
                return f"{word}: {above} is a plain value and has no fields"
            if name not in node:
                fields = ", ".join(sorted(node))
                return f"{word}: {above} has no field {name!r}; accepted are {fields}"
            node, above = node[name], f"{above}.{name}"
    return None
