from __future__ import annotations

import collections
import io
import pickle

import numpy as np
import pytest

from pnag_jax.benchmarks.formats import pickle_stream
from pnag_jax.benchmarks.formats.stand_ins import CONTAINERS, NUMPY
from pnag_jax.errors import DataError

ALLOWED = {**CONTAINERS, **NUMPY}


def opener(raw: bytes):
    def open_at(offset: int) -> io.BytesIO:
        stream = io.BytesIO(raw)
        stream.seek(offset)
        return stream

    return open_at


def read(raw: bytes, *path: str, **limits):
    """The entries, and what is left of the outermost dictionary."""
    found = []
    stream = pickle_stream.entries(opener(raw), path, ALLOWED, **limits)
    while True:
        try:
            found.append(next(stream))
        except StopIteration as end:
            return found, end.value


def nested(count: int) -> dict:
    """Entries that share objects with the prelude, with each other and with the end."""
    names = [f"cell {i}" for i in range(count)]
    shared = ["first seen in entry 0", "first seen in entry 2"]
    entries = {
        i: collections.OrderedDict(
            name=names[i],
            text=shared[i >= 2],
            curve={f"x@{j}": j / 7 + i for j in range(5)},
            array=np.float64(i),
            tuple=(i, (names[0], -1, 2**40, None, True)),
            seeds={777, 888},
            empty={},
        )
        for i in range(count)
    }
    return {"names": names, "inner": {"entries": entries, "other": {1: 2}}, "last": shared[1]}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("count", [1, 2, 5, 1001, 2300])
def test_same_as_pickle(protocol, count):
    """Batches of 1,000 items, one left over, and references across entries."""
    data = nested(count)
    found, top = read(pickle.dumps(data, protocol), "inner", "entries")
    assert [key for key, _ in found] == list(range(count))
    assert all(value == dict(data["inner"]["entries"][key]) for key, value in found)
    assert top == {**data, "inner": {"entries": {}, "other": {1: 2}}}


def test_entries_are_handed_over_before_the_end():
    """What follows the first entries is not needed to get them."""
    raw = pickle.dumps(nested(50), 2)
    stream = pickle_stream.entries(opener(raw[: len(raw) // 2]), ("inner", "entries"), ALLOWED)
    assert next(stream)[0] == 0
    with pytest.raises(DataError, match="is truncated"):
        list(stream)


@pytest.mark.parametrize("block", [17, 64, 1000])
def test_any_block_size(block, monkeypatch):
    monkeypatch.setattr(pickle_stream, "_BLOCK", block)
    data = nested(5)
    found, _ = read(pickle.dumps(data, 4), "inner", "entries")
    assert dict(found) == {k: dict(v) for k, v in data["inner"]["entries"].items()}


@pytest.mark.parametrize("text", [False, True])
def test_entry_of_any_size_is_bounded(text):
    value = {"text": "x" * 3_000_000} if text else dict.fromkeys(range(300_000), 0.5)
    data = {"entries": {0: {"a": 1}, 1: value, 2: {"a": 1}}}
    raw = pickle.dumps(data, 2)
    assert len(read(raw, "entries")[0]) == 3
    with pytest.raises(DataError, match="an entry is larger than 1,000,000 bytes"):
        read(raw, "entries", max_entry_bytes=1_000_000)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (pickle.dumps({"a": 1}), "it holds no dictionary at entries"),
        (pickle.dumps({"entries": [1]}), "what it holds at entries is no dictionary"),
        (pickle.dumps([1, 2]), "it holds no dictionary at entries"),
        (b"", "is truncated"),
        (b"<!DOCTYPE html>", "0x3c at byte 0 is no opcode"),
        (b"\x80\x02h\x07.", "it refers to object 7, which is not there"),
        (b"\x80\x02K\x01)R.", "a call of what is no class"),
        (b"\x80\x02cos\nsystem\n.", r"it names os\.system, which is not allowed"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"it names os\.system, which is not allowed"),
        (b"\x80\x02X\x04\x00\x00\x00fileQ.", "it refers to outside data"),
        (b"\x80\x02ccollections\nOrderedDict\n}b.", "is truncated or damaged"),
    ],
)
def test_damaged_and_hostile(raw, reason):
    with pytest.raises(DataError, match=reason):
        read(raw, "entries")


def test_shared_objects_are_bounded(monkeypatch):
    data = {"first": 0, "entries": {0: {"a": ["b", "c"]}, 1: {}, 2: {}}}
    for name in ("b", "c"):
        data["entries"][1 + (name == "c")] = {"again": data["entries"][0]["a"][name == "c"]}
    raw = pickle.dumps(data, 2)
    monkeypatch.setattr(pickle_stream, "MAX_SHARED", 50)
    assert len(read(raw, "entries")[0]) == 3
    monkeypatch.setattr(pickle_stream, "MAX_SHARED", 1)
    with pytest.raises(DataError, match="entries share more than 1 objects"):
        read(raw, "entries")
