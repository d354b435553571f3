"""Fixtures of the programs' tests."""

from tests.experiments.small_run import finished, programs  # noqa: F401
