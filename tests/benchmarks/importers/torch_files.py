"""Files as ``torch.save`` writes them, both formats, without torch."""

from __future__ import annotations

import collections
import contextlib
import io
import pathlib
import pickle
import sys
import types
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np


class _Saved:
    """A tensor as torch pickles it: a call on a reference to a storage."""

    def __init__(self, key: str, shape: tuple[int, ...]):
        self.key, self.shape = key, shape

    def __reduce__(self):
        import torch._utils

        storage = types.SimpleNamespace(key=self.key, size=int(np.prod(self.shape)))
        strides = tuple(np.cumprod((1, *self.shape[:0:-1]))[::-1].tolist())
        args = (storage, 0, self.shape, strides, False, collections.OrderedDict())
        return torch._utils._rebuild_tensor_v2, args


@contextlib.contextmanager
def _torch_names() -> Iterator[None]:
    """Modules by the names that torch's pickles have, while one is written."""
    modules = {"torch": types.ModuleType("torch"), "torch._utils": types.ModuleType("torch._utils")}

    def _rebuild_tensor_v2() -> None: ...

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = (
        "torch._utils",
        "_rebuild_tensor_v2",
    )
    modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2  # type: ignore[attr-defined]
    modules["torch"]._utils = modules["torch._utils"]  # type: ignore[attr-defined]
    modules["torch"].FloatStorage = type("FloatStorage", (), {"__module__": "torch"})  # type: ignore[attr-defined]
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]


def pickled(data: Any, legacy: bool) -> tuple[bytes, list[str]]:
    """The object's pickle and the keys of its storages."""
    keys: list[str] = []

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if not isinstance(obj, types.SimpleNamespace):
                return None
            keys.append(obj.key)
            kind = sys.modules["torch"].FloatStorage
            view = (None,) if legacy else ()
            return ("storage", kind, obj.key, "cpu", obj.size, *view)

    buffer = io.BytesIO()
    with _torch_names():
        Pickler(buffer, 2).dump(data)
    return buffer.getvalue(), keys


def save_zip(path: pathlib.Path, data: Any) -> None:
    raw, keys = pickled(data, legacy=False)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", raw)
        archive.writestr("archive/byteorder", "little")
        for key in keys:
            archive.writestr(f"archive/data/{key}", bytes(24))
        archive.writestr("archive/version", "3\n")


def save_legacy(path: pathlib.Path, data: Any) -> None:
    raw, keys = pickled(data, legacy=True)
    sizes = {"short": 2, "int": 4, "long": 4}
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": sizes}
    header = (0x1950A86A20F9469CFC6C, 1001, system)
    parts = [pickle.dumps(part, 2) for part in header]
    path.write_bytes(b"".join([*parts, raw, pickle.dumps(keys, 2), *[bytes(24)] * len(keys)]))


def tensor() -> _Saved:
    return _Saved("94", (2, 3))
