"""Generates and searches MobileNetV3 subnets of Once-for-All.

    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3
    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3_tiny \\
      --config=configs/mobilenetv3.py:tiny
    python -m experiments.mobilenetv3 --workdir=runs/mobilenetv3_long --config.train.epochs=300

What a run does and leaves, its flags and its exit status: ``--help``.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("mobilenetv3")
