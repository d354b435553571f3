"""Generates and searches architectures of NAS-Bench-Graph.

    python -m experiments.gnn --workdir=runs/gnn
    python -m experiments.gnn --workdir=runs/gnn_tiny --config=configs/gnn.py:tiny
    python -m experiments.gnn --workdir=runs/gnn_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("gnn")
