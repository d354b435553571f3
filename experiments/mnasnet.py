"""Generates and searches mobile networks of Accel-NASBench.

    python -m experiments.mnasnet --workdir=runs/mnasnet
    python -m experiments.mnasnet --workdir=runs/mnasnet_tiny --config=configs/mnasnet.py:tiny
    python -m experiments.mnasnet --workdir=runs/mnasnet_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("mnasnet")
