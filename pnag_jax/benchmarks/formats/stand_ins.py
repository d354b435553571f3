"""Inert stand-ins for the classes that published benchmarks name in their pickles.

Beside those of ``safe_pickle``: containers become plain containers, numpy
arrays of numbers become arrays, and a tensor keeps its shape and nothing else,
for no measurement is stored in one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pnag_jax.benchmarks import safe_pickle
from pnag_jax.benchmarks.safe_pickle import Inert, Sealed

_NUMBERS = frozenset(["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"])


class Dictionary(dict, metaclass=Sealed):
    """Stands in for ``OrderedDict`` and ``defaultdict``; attributes are dropped."""

    def __new__(cls, *args: Any) -> Dictionary:
        return super().__new__(cls)

    def __init__(self, *args: Any):
        # Old protocols give the items; a defaultdict gives its factory.
        items = [arg for arg in args if isinstance(arg, (list, dict))]
        super().__init__(*items)

    def __setstate__(self, state: Any) -> None:
        pass


class Set(metaclass=Sealed):
    """Stands in for ``set``."""

    def __new__(cls, items: Any = ()) -> set:  # type: ignore[misc]
        return set(items)


class Number(metaclass=Sealed):
    """Stands in for numpy's ``scalar``: becomes a Python number."""

    def __new__(cls, dtype: Any, raw: Any) -> float | int | bool:  # type: ignore[misc]
        return np.frombuffer(_bytes(raw), _dtype(dtype), 1)[0].item()


class Array(metaclass=Sealed):
    """Stands in for a numpy array of numbers, or for a row of objects.

    Attributes:
      values: the array, or a list of objects; empty until the pickle has given it.
    """

    __slots__ = ("values",)
    values: np.ndarray | list[Any]

    def __new__(cls, *args: Any) -> Array:
        self = super().__new__(cls)
        self.values = []
        return self

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, raw = state
        if isinstance(raw, list):
            if tuple(shape) != (len(raw),):
                raise ValueError(f"an array of shape {shape} of {len(raw)} objects")
            self.values = raw
            return
        kind, data = _dtype(dtype), _bytes(raw)
        if math.prod(shape) * kind.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
        values = np.frombuffer(data, kind)
        self.values = values.reshape(shape[::-1]).T if by_columns else values.reshape(shape)


class Storage(metaclass=Sealed):
    """Stands in for the numbers of tensors, which are not read."""

    def __new__(cls, *args: Any) -> Storage:
        return super().__new__(cls)


class Tensor(metaclass=Sealed):
    """Stands in for a tensor: ``shape`` is all that is kept."""

    __slots__ = ("shape",)
    shape: tuple[int, ...]

    def __new__(cls, storage: Any, offset: int, shape: Any, *rest: Any) -> Tensor:
        self = super().__new__(cls)
        self.shape = tuple(shape)
        return self


def _dtype(dtype: Any) -> np.dtype:
    name = dtype.args[0] if isinstance(dtype, Inert) else None
    if name not in _NUMBERS:
        raise ValueError(f"numpy data of type {name!r}; accepted are {', '.join(sorted(_NUMBERS))}")
    byte_order = dtype.state[1]
    if byte_order not in ("<", "|"):
        raise ValueError(f"numpy data of byte order {byte_order!r}; accepted is little-endian")
    return np.dtype(name).newbyteorder("<")


def _bytes(raw: Any) -> bytes:
    if not isinstance(raw, bytes):
        raise ValueError("numpy data that is not bytes")
    return raw


CONTAINERS: Mapping[tuple[str, str], type] = {
    ("collections", "OrderedDict"): Dictionary,
    ("collections", "defaultdict"): Dictionary,
    ("__builtin__", "set"): Set,
    ("builtins", "set"): Set,
    # Factories of default dictionaries.
    **{
        (module, name): Inert for module in ("__builtin__", "builtins") for name in ("dict", "list")
    },
}
NUMPY: Mapping[tuple[str, str], type] = {
    ("numpy", "dtype"): Inert,
    ("numpy", "ndarray"): Inert,
    ("_codecs", "encode"): safe_pickle.Latin1Bytes,
    **{
        (f"numpy.{core}.multiarray", name): kind
        for core in ("core", "_core")
        for name, kind in (("scalar", Number), ("_reconstruct", Array))
    },
}
_STORAGES = (
    *("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short"),
    *("Char", "Byte", "Bool", "Untyped"),
)
TORCH: Mapping[tuple[str, str], type] = {
    ("torch._utils", "_rebuild_tensor_v2"): Tensor,
    ("torch._utils", "_rebuild_tensor"): Tensor,
    **{("torch", f"{name}Storage"): Inert for name in _STORAGES},
    ("torch.storage", "UntypedStorage"): Inert,
}
