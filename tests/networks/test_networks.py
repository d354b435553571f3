"""The registry of networks, and what all of them must fulfil."""

from __future__ import annotations

import pytest

from pnag_jax import networks
from pnag_jax.errors import UsageError


def test_names_are_sorted():
    assert "nb201" in networks.names()
    assert networks.names() == tuple(sorted(networks.names()))


@pytest.mark.parametrize(
    ("space", "genotype", "classes", "skeleton", "text"),
    [
        ("nonsense", [0], 10, {}, "space 'nonsense' has no networks; accepted are .*nb201"),
        ("nb201", [0] * 5, 10, {}, "6 integers"),
        ("nb201", [0, 0, 0, 5, 0, 0], 10, {}, "0->3 = 5; accepted are 0 .. 4"),
        ("nb201", [0] * 6, 0, {}, "num_classes = 0"),
        ("nb201", [0] * 6, 10, {"width": 4}, "no field 'width'; accepted are channels, cells"),
        ("nb201", [0] * 6, 10, {"cells": 0}, "cells = 0; accepted .* int of at least 1"),
        ("nb201", [0] * 6, 10, {"cells": 1.0}, "cells = 1.0"),
    ],
)
def test_bad_input_is_one_clear_line(space, genotype, classes, skeleton, text):
    with pytest.raises(UsageError, match=text) as caught:
        networks.build(space, genotype, classes, **skeleton)
    assert "\n" not in str(caught.value)
