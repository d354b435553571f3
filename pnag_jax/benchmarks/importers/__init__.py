"""Official benchmark files, converted to tables: one module and one row a layout."""

from __future__ import annotations

import pathlib

from pnag_jax.benchmarks.importers import (
    hw_nas_bench,
    nas_bench_101,
    nas_bench_201,
    nas_bench_macro,
    nats_bench,
    transnas_bench,
)
from pnag_jax.benchmarks.importers.base import Layout, Rows
from pnag_jax.errors import UsageError

LAYOUTS: dict[str, Layout] = {
    module.LAYOUT.name: module.LAYOUT
    for module in (
        nas_bench_101,
        nas_bench_201,
        nats_bench,
        hw_nas_bench,
        nas_bench_macro,
        transnas_bench,
    )
}


def detect(source: pathlib.Path) -> Layout:
    """The layout of a file or folder, told from its name and else from its content.

    Raises:
      UsageError: there is nothing at that path, or it is of no known layout.
    """
    if not source.exists():
        raise UsageError(f"{source}: no such file or folder")
    for layout in LAYOUTS.values():
        if any(source.match(pattern) for pattern in layout.names):
            return layout
    for layout in LAYOUTS.values():
        if layout.has(source):
            return layout
    official = ", ".join(pattern for layout in LAYOUTS.values() for pattern in layout.names)
    raise UsageError(
        f"{source}: is of no known layout by name or content; the official names are {official}; "
        f"a layout can be given: {', '.join(LAYOUTS)}"
    )


__all__ = ["LAYOUTS", "Layout", "Rows", "detect"]
