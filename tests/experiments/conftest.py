"""Fixtures of the programs' tests."""

from tests.experiments.small_run import finished, programs, shared  # noqa: F401
from tests.experiments.two_threads import two  # noqa: F401
