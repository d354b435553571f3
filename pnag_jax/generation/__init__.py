"""Generation of architectures: without a network from tables of counts."""

from pnag_jax.generation.dataset import Split, split
from pnag_jax.generation.evaluation import describe, evaluate, reconstruction
from pnag_jax.generation.generator import (
    Generator,
    Step,
    build,
    decode_codes,
    draw_codes,
    encode,
    encode_all,
    generate,
    generate_distinct,
    path,
)
from pnag_jax.generation.training import train, train_variables

__all__ = [
    "Generator",
    "Split",
    "Step",
    "build",
    "decode_codes",
    "describe",
    "draw_codes",
    "encode",
    "encode_all",
    "evaluate",
    "generate",
    "generate_distinct",
    "path",
    "reconstruction",
    "split",
    "train",
    "train_variables",
]
