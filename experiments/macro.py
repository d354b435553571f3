"""Generates and searches architectures of NAS-Bench-Macro.

    python -m experiments.macro --workdir=runs/macro
    python -m experiments.macro --workdir=runs/macro_tiny --config=configs/macro.py:tiny
    python -m experiments.macro --workdir=runs/macro_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("macro")
