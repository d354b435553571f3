"""Uniform random search without repeats, for several objectives."""

from __future__ import annotations

from pnag_jax.methods import random_search
from pnag_jax.methods.several import base

METHOD = base.method("random", base.Settings, random_search.ask)
