"""Plain text tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def align(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """Columns of equal width, two spaces apart.

    Args:
      head: a name for each column.
      rows: as many cells each.
      left: the first so many columns start at their left edge, the others
        end at their right one.

    Returns:
      The lines, a rule under the head, without a newline at the end.

    >>> print(align(["method", "16"], [["random", "92.1"], ["evolution", "92.34"]]))
    method        16
    ----------------
    random      92.1
    evolution  92.34
    """
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    rule = "-" * max(len(text) for text in texts)
    return "\n".join([texts[0], rule, *texts[1:]])
