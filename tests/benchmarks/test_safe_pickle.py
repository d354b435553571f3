from __future__ import annotations

import pathlib
import pickle
import struct

import numpy as np
import pytest

from pnag_jax.benchmarks import safe_pickle
from pnag_jax.benchmarks.safe_pickle import NUMPY_SCALARS, Inert
from pnag_jax.errors import DataError

ALLOWED = {("zoo", "Animal"): Inert}


def written(folder: pathlib.Path, data: bytes) -> pathlib.Path:
    path = folder / "data.pkl"
    path.write_bytes(data)
    return path


class Runs:
    """Pickles to a call of ``function(*args)``."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data(tmp_path, protocol):
    data = {"a": [1, 2.5, None, True], (1, 2): "text", "b": {"c": b"\x00\xff"}}
    path = written(tmp_path, pickle.dumps(data, protocol))
    assert safe_pickle.load(path, NUMPY_SCALARS) == data


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numpy_scalars_become_floats(tmp_path, protocol):
    path = written(tmp_path, pickle.dumps([np.float64(0.1), np.float64(-3.0)], protocol))
    loaded = safe_pickle.load(path, NUMPY_SCALARS)
    assert loaded == [0.1, -3.0]
    assert [type(value) for value in loaded] == [float, float]


def test_other_numpy_scalars_are_refused(tmp_path):
    path = written(tmp_path, pickle.dumps(np.int32(3), 4))
    with pytest.raises(DataError, match="not a little-endian float64"):
        safe_pickle.load(path, NUMPY_SCALARS)


def test_instances_become_inert(tmp_path):
    # zoo.Animal("cat") with state {"legs": 4}; there is no module zoo.
    data = b"\x80\x02czoo\nAnimal\nU\x03cat\x85R}U\x04legsK\x04sb."
    animal = safe_pickle.load(written(tmp_path, data), ALLOWED)
    assert type(animal) is Inert
    assert (animal.args, animal.state) == (("cat",), {"legs": 4})


def canary(path: str) -> None:
    pathlib.Path(path).write_text("dead")


HOSTILE = {
    "os.system": lambda c: pickle.dumps(Runs(__import__("os").system, f"touch {c}"), 4),
    "posix.system": lambda c: b"cposix\nsystem\nS'touch " + bytes(c) + b"'\n\x85R.",
    "builtins.eval": lambda c: pickle.dumps(Runs(eval, f"open({str(c)!r}, 'w')"), 2),
    "builtins.exec": lambda c: b"(S'open(" + repr(str(c)).encode() + b",1)'\nibuiltins\nexec\n.",
    "this module's": lambda c: pickle.dumps(Runs(canary, str(c)), 5),
    "a getattr chain": lambda c: pickle.dumps(Runs(getattr, Runs(open, str(c), "w"), "write"), 3),
    "a dotted name": lambda c: b"\x80\x04\x8c\x03zoo\x8c\x0cAnimal.touch\x93.",
    "a class, not called": lambda c: pickle.dumps(pathlib.PurePath, 4),
}
REFUSED = {
    "os.system": r"it names posix\.system",
    "posix.system": r"it names posix\.system",
    "builtins.eval": r"it names __builtin__\.eval",
    "builtins.exec": r"it names builtins\.exec",
    "this module's": r"it names .*test_safe_pickle\.canary",
    "a getattr chain": r"it names builtins\.getattr",
    "a dotted name": r"it names zoo\.Animal\.touch",
    "a class, not called": r"it names pathlib\.PurePath",
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_pickles_are_refused_by_name_and_do_nothing(tmp_path, case):
    alive = tmp_path / "canary"
    path = written(tmp_path, HOSTILE[case](alive))
    with pytest.raises(DataError, match=rf"data\.pkl: {REFUSED[case]}, which is not allowed"):
        safe_pickle.load(path, {**ALLOWED, **NUMPY_SCALARS})
    assert not alive.exists()


def test_hostile_pickles_above_are_hostile(tmp_path):
    """The canary does sing under a plain ``pickle.loads``: the test above can fail."""
    alive = tmp_path / "canary"
    pickle.loads(HOSTILE["this module's"](alive))
    assert alive.exists()


def test_persistent_ids_are_refused(tmp_path):
    path = written(tmp_path, b"Pfile:///etc/passwd\n.")
    with pytest.raises(DataError, match=r"refers to outside data \('file:///etc/passwd'\)"):
        safe_pickle.load(path, ALLOWED)


def test_a_pickle_cannot_write_to_our_classes(tmp_path):
    # BUILD on the class itself, with a slot state that sets an attribute.
    codecs = b"\x80\x02c_codecs\nencode\nN}U\x05shownK\x01s\x86b."
    with pytest.raises(DataError, match="tries to set shown of Latin1Bytes"):
        safe_pickle.load(written(tmp_path, codecs), NUMPY_SCALARS)
    animal = b"\x80\x02czoo\nAnimal\nN}U\x05shownK\x01s\x86b."
    with pytest.raises(DataError):
        safe_pickle.load(written(tmp_path, animal), ALLOWED)
    assert not hasattr(Inert, "shown")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<!DOCTYPE html>",
        pickle.dumps({"a": 1})[:-3],
        b"\x80\x04\x8e" + struct.pack("<Q", 2**60) + b".",  # claims 2^60 bytes
        b"\x80\x63.",  # protocol 99
        b"\x80\x02czoo\nAnimal\nK\x01R.",  # arguments that are not a tuple
    ],
)
def test_damaged_pickles(tmp_path, data):
    with pytest.raises(DataError, match=r"data\.pkl: is truncated or damaged"):
        safe_pickle.load(written(tmp_path, data), ALLOWED)


def test_size_is_bounded(tmp_path):
    path = written(tmp_path, pickle.dumps(list(range(1000))))
    with pytest.raises(DataError, match="is larger than 100 bytes"):
        safe_pickle.load(path, ALLOWED, max_bytes=100)


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match="cannot read: No such file"):
        safe_pickle.load(tmp_path / "none.pkl", ALLOWED)
