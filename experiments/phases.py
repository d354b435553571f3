"""Parts of a run that are done once: what each was asked for, and its result."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pnag_jax.training.workdir import Workdir

_FOLDER = "phases"
_RESULT = "result.json"


class Phase:
    """One part of a run, in ``<workdir>/phases/<name>``.

    The inputs are written before the work begins, the result after it ended.
    """

    def __init__(self, workdir_path: str | os.PathLike[str], name: str, inputs: Mapping[str, Any]):
        """Opens the phase, for a process that holds the workdir's lock.

        Args:
          workdir_path: the folder of the run.
          name: of the phase.
          inputs: plain data that fixes the result.

        Raises:
          UsageError: the phase was begun with other inputs: a diff, on one line.
          UserError: the system refuses a write.
          DataError: what an earlier process wrote is damaged.
        """
        self.name = name
        folder = os.path.join(workdir_path, _FOLDER, name)
        with Workdir(folder, program=f"the {name} phase", config=inputs) as self._folder:
            pass

    @property
    def result(self) -> dict[str, Any] | None:
        """What ``finish`` was given, or None before; ``DataError`` if damaged."""
        return self._folder.read_json(_RESULT)

    def finish(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Keeps the result; returns it as every later run will read it."""
        self._folder.write_json(_RESULT, result)
        return self._folder.read_json(_RESULT)


def result(workdir: Workdir, name: str) -> dict[str, Any] | None:
    """The result of a phase whatever its inputs were, None if it is not finished.

    Raises:
      DataError: damaged.
    """
    return workdir.read_json(os.path.join(_FOLDER, name, _RESULT))
