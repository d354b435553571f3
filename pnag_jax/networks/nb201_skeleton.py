"""What is around the cells of NAS-Bench-201."""

from __future__ import annotations

import dataclasses

STAGES = 3


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """Sizes of the network; the defaults are the benchmark's.

    Attributes:
      channels: of the first stage; each further one has twice as many.
      cells: of a stage.
    """

    channels: int = 16
    cells: int = 5
