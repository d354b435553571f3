"""The manifest of a checkpoint step: every file's SHA-256, and every leaf."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import stat
from collections.abc import Callable
from typing import Any, NamedTuple

from pnag_jax.errors import DataError
from pnag_jax.training import files
from pnag_jax.training.trees import LeafSpec

NAME = "manifest.json"
_VERSION = 1


class Manifest(NamedTuple):
    """What a step holds.

    Attributes:
      step: the step.
      specs: what each leaf is, by name.
      impls: the generator of each typed PRNG key, by leaf name.
      items: the name in the store of each leaf that has elements.
    """

    step: int
    specs: dict[str, LeafSpec]
    impls: dict[str, str]
    items: dict[str, str]


def listed(folder: pathlib.Path, mine: Callable[[str], bool]) -> dict[str, Any]:
    """Size and SHA-256 of files that ``folder`` holds, all made durable first.

    Args:
      folder: of a step.
      mine: which files, by their path in it.

    Raises:
      UserError: the system refuses.
    """
    found = {}
    with files.writing(folder):
        for parent, _, names in os.walk(folder, topdown=False):
            for path in (pathlib.Path(parent, name) for name in names):
                inside = path.relative_to(folder).as_posix()
                if mine(inside):
                    with open(path, "rb") as file:
                        os.fsync(file.fileno())
                    found[inside] = {"bytes": path.stat().st_size, "sha256": files.sha256(path)}
            files.sync_folder(parent)
    return found


def write(folder: pathlib.Path, manifest: Manifest, listed: dict[str, Any]) -> None:
    """Writes the manifest of the files that are listed.

    Raises:
      UserError: the system refuses.
    """
    body: dict[str, Any] = {
        "version": _VERSION,
        "step": manifest.step,
        "leaves": {name: list(spec) for name, spec in manifest.specs.items()},
        "keys": manifest.impls,
        "items": manifest.items,
        "files": dict(sorted(listed.items())),
    }
    files.write_json(folder / NAME, {**body, "digest": _digest(body)})


def read(folder: pathlib.Path, *, share: tuple[int, int] = (0, 1)) -> Manifest:
    """Reads the manifest of a step and holds the listed files against it.

    Args:
      folder: of the step.
      share: ``(i, n)``: the ``i``-th of ``n`` shares of the files.

    Raises:
      DataError: naming the first file that is missing, truncated or changed.
    """
    body = _read_body(folder)
    first, every = share
    for name, entry in list(body["files"].items())[first::every]:
        path = folder / name
        try:
            status = path.lstat()
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path}: not a plain file")
            if status.st_size != entry["bytes"]:
                raise DataError(f"{path}: {status.st_size} bytes, {entry['bytes']} were written")
            if files.sha256(path) != entry["sha256"]:
                raise DataError(f"{path}: its SHA-256 is not the one of {NAME}: it has changed")
        except FileNotFoundError as error:
            raise DataError(f"{path}: missing") from error
        except OSError as error:
            raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    specs = {
        name: LeafSpec(kind, dtype, tuple(shape))
        for name, (kind, dtype, shape) in body["leaves"].items()
    }
    return Manifest(body["step"], specs, body["keys"], body["items"])


def _read_body(folder: pathlib.Path) -> dict[str, Any]:
    path = folder / NAME
    try:
        body = json.loads(path.read_bytes())
        digest = body.pop("digest")
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror or error}") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a manifest: damaged or truncated") from error
    if digest != _digest(body):
        raise DataError(f"{path}: its own digest does not match: it has changed")
    if body["version"] != _VERSION:
        raise DataError(f"{path}: version {body['version']}, this program reads {_VERSION}")
    return body


def _digest(body: dict[str, Any]) -> str:
    text = json.dumps(files.plain(body), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
