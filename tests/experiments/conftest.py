"""Fixtures of the programs' tests."""

from tests.experiments.small_run import finished, programs, shared  # noqa: F401
