"""Framing, checksums, messages and compression, against other people's code."""

from __future__ import annotations

import bz2

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX.crc32c import crc32c as one_crc32c
from tensorboardX.record_writer import RecordWriter

from pnag_jax.benchmarks.formats import bounded, crc32c, tfrecord, wire
from pnag_jax.errors import DataError
from tests.benchmarks.importers import records


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_checksums_are_those_of_another_implementation(texts):
    assert crc32c.crc32c(texts).tolist() == [one_crc32c(text) for text in texts]


@pytest.fixture
def written(tmp_path):
    """A file of three records, one of them empty."""
    path = tmp_path / "a.tfrecord"
    writer = RecordWriter(str(path))
    for data in (b"first", b"", b"x" * 300):
        writer.write(data)
    writer.close()
    return path


def test_records(written):
    assert list(tfrecord.records(written)) == [b"first", b"", b"x" * 300]
    assert tfrecord.begins(written)
    with pytest.raises(DataError, match=r"record 2: 300 bytes; accepted are 299"):
        list(tfrecord.records(written, max_bytes=299))


@pytest.mark.parametrize("at", [0, 9, 13, 20])
def test_a_flipped_bit_names_the_record(written, at):
    raw = bytearray(written.read_bytes())
    raw[at] ^= 1
    written.write_bytes(raw)
    with pytest.raises(DataError, match=r"a\.tfrecord: record 0: the checksum of its"):
        list(tfrecord.records(written))


def test_a_cut_record(written):
    written.write_bytes(written.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"a\.tfrecord: record 2: is truncated"):
        list(tfrecord.records(written))


def test_message_of_protobuf():
    kind = records.metrics_class()
    message = kind(trainable_parameters=300, total_time=2.5)
    message.evaluation_data.add(test_accuracy=0.75, checkpoint_path="here")
    found = wire.fields(message.SerializeToString())
    assert (found[2], found[3]) == ([300], [2.5])
    assert wire.fields(found[1][0]) == {5: [0.75], 6: [b"here"]}


@pytest.mark.parametrize(
    "raw", [b"\x08", b"\x09abc", b"\x12\x05abc", b"\x0d\x00", b"\x0b", b"\xff" * 11]
)
def test_message_that_is_cut(raw):
    with pytest.raises(ValueError, match=r"truncated|wire type"):
        wire.fields(raw)


def test_bomb(tmp_path):
    path = tmp_path / "a.pbz2"
    path.write_bytes(bz2.compress(bytes(50_000_000)))
    assert path.stat().st_size < 1000
    with pytest.raises(DataError, match=r"a\.pbz2: unpacks to more than 1,000 bytes"):
        bounded.read_bz2(path, 1000)
    path.write_bytes(bz2.compress(bytes(1000)))
    assert bounded.read_bz2(path, 1000) == bytes(1000)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "is truncated"),
        (bz2.compress(np.random.default_rng(0).bytes(900))[:-5], "is truncated"),
        (b"<html>", "is not bzip2 data or damaged"),
    ],
)
def test_what_is_no_bzip2(tmp_path, raw, reason):
    path = tmp_path / "a.pbz2"
    path.write_bytes(raw)
    with pytest.raises(DataError, match=reason):
        bounded.read_bz2(path, 1000)
