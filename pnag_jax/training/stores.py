"""Arrays on the disk as orbax writes them, by one process or by all of a run.

Orbax is imported when the first array is read or written: a new run trains before.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.sharding import Sharding

from pnag_jax.errors import DataError, UserError
from pnag_jax.training import hosts

if TYPE_CHECKING:
    import orbax.checkpoint as ocp

Array = np.ndarray | jax.Array


def write(folder: pathlib.Path, arrays: Mapping[str, Array], *, together: bool) -> dict[str, str]:
    """Gives the arrays to orbax.

    Args:
      folder: new.
      arrays: by leaf name; those of numpy are written by one process.
      together: whether all processes call this, each to write its parts of the
        jax arrays that span them; else this process writes alone.

    Returns:
      The name in the store of each array that has elements.

    Raises:
      UserError: the system refuses.
    """
    # Numbered: unique, and free of the characters that mean something to a store.
    items = {
        name: f"{i:05d}.{re.sub(r'[^A-Za-z0-9_]+', '.', name).strip('.')}"
        for i, (name, array) in enumerate(arrays.items())
        if array.size
    }
    if items:
        import orbax.checkpoint as ocp

        try:
            with _orbax(together) as checkpointer:
                args = ocp.args.PyTreeSave({item: arrays[name] for name, item in items.items()})
                checkpointer.save(folder, args=args)
        except Exception as error:
            raise UserError(f"{folder.parent}: cannot write: {_reason(error)}") from error
    return items


def read(
    folder: pathlib.Path, items: Mapping[str, str], shardings: Mapping[str, Sharding]
) -> dict[str, Array]:
    """Reads arrays back, whoever wrote them.

    Args:
      folder: from :func:`write`.
      items: what that returned.
      shardings: leaf names that come back as jax arrays over the devices of
        several processes, all of which then call this; each reads its parts.
        All others come back as numpy arrays.

    Raises:
      DataError: orbax cannot read it.
    """
    if not items:
        return {}
    import orbax.checkpoint as ocp

    restore_args: dict[str, Any] = {
        item: ocp.ArrayRestoreArgs(sharding=shardings[name])
        if name in shardings
        else ocp.RestoreArgs(restore_type=np.ndarray)
        for name, item in items.items()
    }
    try:
        with _orbax(bool(shardings)) as checkpointer:
            args = ocp.args.PyTreeRestore(restore_args=restore_args)
            stored = checkpointer.restore(folder, args=args)
            return {name: stored[item] for name, item in items.items()}
    except Exception as error:
        raise DataError(f"{folder}: orbax cannot read it: {_reason(error)}") from error


def writer_of(name: str) -> int:
    """Which process has written a file of a store; 0 also where orbax does not tell.

    >>> writer_of("arrays/ocdbt.process_3/d/0f1e"), writer_of("arrays/manifest.ocdbt")
    (3, 0)
    """
    found = re.search(r"(?:^|[/.])process_(\d+)(?:/|$)", name)
    return int(found.group(1)) if found else 0


@contextlib.contextmanager
def _orbax(together: bool) -> Iterator[ocp.Checkpointer]:
    """A checkpointer for this process alone or for all, without orbax's own log of tracebacks."""
    import orbax.checkpoint as ocp

    me = hosts.index()
    checkpointer = ocp.Checkpointer(
        ocp.PyTreeCheckpointHandler(),
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=0 if together else me, active_processes=None if together else {me}
        ),
    )
    logger = logging.getLogger("absl")

    def critical(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.CRITICAL

    logger.addFilter(critical)
    try:
        yield checkpointer
    finally:
        logger.removeFilter(critical)
        checkpointer.close()


def _reason(error: Exception) -> str:
    """The cause in a few words; tensorstore puts it at the end of a long line."""
    code = re.search(r"os_error_code='(\d+)'", str(error))
    if code:
        return os.strerror(int(code.group(1)))
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]
