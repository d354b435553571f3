"""Pictures of architectures and the HTML page of a run."""

from pnag_jax.reports.draw import draw
from pnag_jax.reports.page import write

__all__ = ["draw", "write"]
