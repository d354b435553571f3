"""Pytrees as named host arrays, and back: what a checkpoint is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Sharding

from pnag_jax.errors import DataError, UserError
from pnag_jax.training import hosts

PyTree = Any

_SCALARS = {bool: np.bool_, int: np.int64, float: np.float64}


@dataclasses.dataclass(frozen=True)
class AnyShape:
    """A leaf of a restore target whose shape the saved array decides.

    For arrays that grow, a ledger's columns for instance.  The leaf comes
    back as a numpy array of ``dtype``.
    """

    dtype: Any


class LeafSpec(NamedTuple):
    """What a leaf is; ``kind`` is "array", "key" (a typed PRNG key) or "scalar"."""

    kind: str
    dtype: str
    shape: tuple[int, ...] | None  # None: any

    def __str__(self) -> str:
        shape = "any shape" if self.shape is None else ",".join(map(str, self.shape))
        return f"{self.dtype}[{shape}]" if self.kind != "scalar" else f"Python {self.dtype}"


class HostTree(NamedTuple):
    """A pytree on the host: three dicts over the same leaf names.

    Attributes:
      arrays: numpy arrays, and jax arrays that span processes; key data for
        typed PRNG keys.
      specs: what each leaf is.
      impls: the generator of each typed PRNG key, for those leaves alone.
    """

    arrays: dict[str, np.ndarray | jax.Array]
    specs: dict[str, LeafSpec]
    impls: dict[str, str]


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The leaves of ``tree`` by their path, for instance ``.params['w']``."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path) or "(root)": leaf for path, leaf in leaves}


def spec_of(name: str, leaf: Any) -> LeafSpec:
    """The spec of an array, an abstract array, a Python scalar or ``AnyShape``.

    Raises:
      TypeError: a leaf of another type (a string, an object array ...).
    """
    if type(leaf) in _SCALARS:
        return LeafSpec("scalar", type(leaf).__name__, ())
    dtype = getattr(leaf, "dtype", None)
    if dtype is None or (not isinstance(leaf, AnyShape) and not hasattr(leaf, "shape")):
        raise TypeError(f"{name}: a checkpoint holds arrays and numbers, not {type(leaf).__name__}")
    shape = None if isinstance(leaf, AnyShape) else tuple(leaf.shape)
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        return LeafSpec("key", str(dtype), shape)
    dtype = np.dtype(dtype)
    if not (dtype == np.bool_ or jnp.issubdtype(dtype, np.number)):
        raise TypeError(f"{name}: a checkpoint holds arrays of numbers, not of {dtype}")
    return LeafSpec("array", dtype.name, shape)


def to_host(tree: PyTree) -> HostTree:
    """Copies ``tree`` to the host, but for what spans processes.

    Args:
      tree: leaves are jax or numpy arrays, typed PRNG keys, or Python
        ``bool``, ``int``, ``float``.

    Raises:
      TypeError: a leaf of another type.
      OverflowError: a Python int beyond 64 bits.
    """
    leaves = named_leaves(tree)
    specs = {name: spec_of(name, leaf) for name, leaf in leaves.items()}
    impls = {}
    for name, spec in specs.items():
        if spec.kind == "key":
            impls[name] = str(jax.random.key_impl(leaves[name]))
            leaves[name] = jax.random.key_data(leaves[name])
        elif spec.kind == "scalar":
            leaves[name] = np.asarray(leaves[name], _SCALARS[type(leaves[name])])
    mine = jax.device_get({n: x for n, x in leaves.items() if sharding_across(x) is None})
    # In the order of the leaves: it numbers them in the store.
    arrays = {name: _native(mine[name]) if name in mine else leaf for name, leaf in leaves.items()}
    return HostTree(arrays, specs, impls)


def sharding_across(leaf: Any) -> Sharding | None:
    """Of an array, also an abstract one, over devices of several processes; None of others."""
    sharding = getattr(leaf, "sharding", None)
    spans = isinstance(sharding, Sharding) and not sharding.is_fully_addressable
    return sharding if spans else None


def _native(leaf: Any) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def require_finite(host: HostTree, demanded: bool | Callable[[str], bool] = True) -> None:
    """Refuses NaN and infinities.

    Args:
      host: from :func:`to_host`; of what spans processes, this one's parts are looked at.
      demanded: for all leaves, for none, or a predicate on leaf names.

    Raises:
      UserError: naming the first leaf that holds one.
    """
    if demanded is False:
        return
    for name, array in host.arrays.items():
        if demanded is True or demanded(name):
            for part in _parts(array):
                fault = nonfinite(part)
                if fault is not None:
                    raise UserError(f"{name} holds {fault}")


def _parts(array: np.ndarray | jax.Array) -> list[np.ndarray]:
    """What this process has of an array, each part once."""
    if isinstance(array, np.ndarray):
        return [array]
    parts = {str(shard.index): shard.data for shard in array.addressable_shards}
    return [np.asarray(part) for part in parts.values()]


def nonfinite(array: np.ndarray) -> str | None:
    """Says "NaN" or "Inf" if ``array`` holds one, else None; None for what is not a float."""
    if not jnp.issubdtype(array.dtype, np.inexact):
        return None
    # np.isfinite does not know every float of ml_dtypes; float32 holds them all.
    wide = array if array.dtype.kind in "fc" else array.astype(np.float32)
    if np.isfinite(wide).all():
        return None
    return "NaN" if np.isnan(wide).any() else "Inf"


def check_specs(saved: Mapping[str, LeafSpec], target: PyTree) -> None:
    """Compares what was saved with what is wanted, leaf by leaf.

    Raises:
      DataError: naming the first difference in structure, dtype or shape, and
        the number of others.
    """
    wanted = {name: spec_of(name, leaf) for name, leaf in named_leaves(target).items()}
    faults = [f"{name} is missing" for name in wanted if name not in saved]
    faults += [f"{name} is not expected" for name in saved if name not in wanted]
    for name in wanted.keys() & saved.keys():
        have, want = saved[name], wanted[name]
        if want.shape is None:
            have = have._replace(shape=None)
        if have != want:
            faults.append(f"{name} is {have} and {want} is expected")
    if faults:
        first, *others = sorted(faults)
        raise DataError(first + (f" (and {len(others)} other differences)" if others else ""))


def empty(spec: LeafSpec, impl: str | None) -> np.ndarray:
    """The host array of a leaf without elements; ``impl`` for typed PRNG keys."""
    shape = spec.shape or ()
    if impl is None:
        return np.empty(shape, np.dtype(spec.dtype))
    data = jax.random.key_data(jax.random.key(0, impl=impl))
    return np.empty((*shape, *data.shape), data.dtype)


def from_host(host: HostTree, target: PyTree) -> PyTree:
    """Rebuilds the pytree of ``target`` from saved arrays.

    Args:
      host: what was saved; :func:`check_specs` has passed.
      target: gives structure and the type of every leaf: numpy arrays,
        ``AnyShape`` and Python scalars come back as such, all else (jax
        arrays, ``jax.ShapeDtypeStruct``) as jax arrays: where the target has
        them if that spans processes, on the default device otherwise.
    """

    def rebuild(name: str, leaf: Any) -> Any:
        array = host.arrays[name]
        if (sharding := sharding_across(leaf)) is not None:
            array = hosts.put(array, sharding) if isinstance(array, np.ndarray) else array
            return _as_key(array, host.impls[name]) if name in host.impls else array
        assert isinstance(array, np.ndarray)
        if name in host.impls:
            return _as_key(jax.device_put(array), host.impls[name])
        if type(leaf) in _SCALARS:
            return array.item()
        if isinstance(leaf, np.generic):
            return array[()]
        return array if isinstance(leaf, np.ndarray | AnyShape) else jax.device_put(array)

    leaves = [rebuild(name, leaf) for name, leaf in named_leaves(target).items()]
    return jax.tree.unflatten(jax.tree.structure(target), leaves)


def _as_key(data: jax.Array, impl: str) -> jax.Array:
    return jax.random.wrap_key_data(data, impl=impl)
