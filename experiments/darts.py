"""Generates and searches pairs of cells of the DARTS space.

    python -m experiments.darts --workdir=runs/darts
    python -m experiments.darts --workdir=runs/darts_tiny --config=configs/darts.py:tiny
    python -m experiments.darts --workdir=runs/darts_long --config.train.epochs=300

The run: train the quantizer (without labels), generate, search the table, report.
``--mode`` chooses one part of it; ``--mode=transfer`` proposes without a query, from
labels of other tasks (``--config.meta``).  The same ``--workdir`` resumes after a kill, and
returns at once when all is done; a folder of another config is refused.  SIGTERM
and SIGINT save first (status 143 and 130), a second one quits at once.  Exit status
2: a flag or config field that is not accepted; 3: damaged data; 1: anything else.

Leaves in the workdir: results.json, report.html with plots/, generated.jsonl (one
architecture a line), ledger.jsonl (the queries of the first seed), metrics.jsonl,
timings.jsonl, tensorboard/, checkpoints/, phases/, config.json.

Any field of the config is a flag --config.FIELD=VALUE.
"""

from experiments import pipeline

if __name__ == "__main__":
    pipeline.main("darts")
