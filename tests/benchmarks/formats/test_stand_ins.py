from __future__ import annotations

import pathlib
import pickle

import numpy as np
import pytest

from pnag_jax.benchmarks import safe_pickle
from pnag_jax.benchmarks.formats.stand_ins import NUMPY
from pnag_jax.errors import DataError

HERE = pathlib.Path("a.pickle")


def loaded(value, protocol: int = 4):
    return safe_pickle.loads(pickle.dumps(value, protocol), NUMPY, HERE)


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u1", "?"])
def test_arrays_and_numbers(dtype, protocol):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    np.testing.assert_array_equal(loaded(array, protocol).values, array)
    np.testing.assert_array_equal(loaded(np.asfortranarray(array), protocol).values, array)
    assert loaded(array[1, 2], protocol) == array[1, 2].item()
    assert type(loaded(array[1, 2], protocol)) is type(array[1, 2].item())


@pytest.mark.parametrize("array", [np.array(["x"]), np.zeros(2, ">f8"), np.zeros(2, "c8")])
def test_other_arrays_are_refused(array):
    with pytest.raises(DataError, match=r"a\.pickle: is truncated or damaged: numpy data of"):
        loaded(array)


def test_a_row_of_objects():
    assert loaded(np.array([{"a": 1}, None])).values == [{"a": 1}, None]
    with pytest.raises(DataError, match="an array of shape"):
        loaded(np.array([[{"a": 1}, None]]))


def test_shape_that_is_not_its_data():
    raw = pickle.dumps(np.zeros(2), 2).replace(b"K\x02\x85", b"K\x09\x85")
    with pytest.raises(DataError, match="an array of shape"):
        safe_pickle.loads(raw, NUMPY, HERE)
