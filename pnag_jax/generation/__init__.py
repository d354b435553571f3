"""Generation of architectures: without a network from tables of counts."""

from pnag_jax.generation.dataset import Split, split
from pnag_jax.generation.evaluation import describe, evaluate
from pnag_jax.generation.generator import (
    Generator,
    Step,
    build,
    encode_all,
    generate,
    generate_distinct,
    path,
)

__all__ = [
    "Generator",
    "Split",
    "Step",
    "build",
    "describe",
    "encode_all",
    "evaluate",
    "generate",
    "generate_distinct",
    "path",
    "split",
]
