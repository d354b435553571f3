"""The sections of the page: results in, markup out, or None where there is nothing."""

from pnag_jax.reports.sections.architectures import best_architectures
from pnag_jax.reports.sections.conditional import conditional
from pnag_jax.reports.sections.front import front
from pnag_jax.reports.sections.generation import generation
from pnag_jax.reports.sections.headline import header, tiles
from pnag_jax.reports.sections.provenance import provenance
from pnag_jax.reports.sections.search import search
from pnag_jax.reports.sections.training import training
from pnag_jax.reports.sections.transfer import transfer

__all__ = [
    "best_architectures",
    "conditional",
    "front",
    "generation",
    "header",
    "provenance",
    "search",
    "tiles",
    "training",
    "transfer",
]
