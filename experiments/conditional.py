"""Training a prior with checkpoints and logs: resumable, and done once.

The folder gets ``checkpoints/prior``, ``prior/`` with ``metrics.jsonl``,
``timings.jsonl`` and TensorBoard events, and ``phases/prior``.
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from experiments import prior_labels, settings
from experiments.conditioning import Columns
from experiments.phases import Phase
from experiments.prior_labels import Labels
from pnag_jax import generation
from pnag_jax.generation import Generator, prior, promise
from pnag_jax.generation.labels import quantiles
from pnag_jax.generation.prior import Prior
from pnag_jax.models import next_scale_step, stage1_step
from pnag_jax.training import files, hosts, loop, metrics, parallel
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress

FOLDER = "prior"

# Held-out architectures whose bits are measured after every epoch.
_WATCHED = 512
# Fields of config.prior that prior.prepare takes.
_MODEL = ("max_shared", "min_new", "split_last", "width", "num_layers", "num_heads")


class Trained(NamedTuple):
    """A trained prior, what it was told, and ``prior`` of ``results.json``."""

    prior: Prior
    labels: Labels
    summary: dict[str, Any]


def train(
    config: ConfigDict,
    columns: Columns,
    generator: Generator,
    held_out: np.ndarray,
    *,
    workdir_path: str | os.PathLike[str],
    key: jax.Array,
    devices: Sequence[jax.Device] | None = None,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    strict_resume: bool = False,
    profile: bool = False,
) -> Trained:
    """A trained prior; trains only what is not trained yet.

    Args:
      config: of a space.
      columns: what is conditioned on.
      generator: whose codes are drawn.
      held_out: int ``[m, L]``, what neither was trained on.
      workdir_path: a folder that this process alone writes to.
      key: decides everything random; consumed.
      devices: as for ``stage1.train_generator``.
      interrupt: flag of a signal.
      progress: where progress is shown.
      strict_resume: refuse a damaged newest checkpoint.
      profile: save a profiler's trace of a few steps, in ``profile/``.

    Raises:
      As ``stage1.train_generator``.
    """
    fields = config.prior
    folder = pathlib.Path(workdir_path)
    phase = open_phase(config, columns, folder)
    key_labels, key_init, key_epochs = jax.random.split(key, 3)
    labels = prior_labels.gather(key_labels, columns, generator, fields.labels)
    tokens, model, data = prior.prepare(
        labels.generator,
        labels.told_quality,
        labels.told_hardware,
        **{name: fields[name] for name in _MODEL},
    )
    devices = jax.local_devices() if devices is None else devices
    # What is trained already is read by one process, which may have fewer devices.
    model_axis = math.gcd(config.mesh.model, len(devices))
    settings.check_batch(config, len(data.codes), "prior", devices=len(devices))
    steps = len(data.codes) // fields.batch_size
    optimizer = stage1_step.make_optimizer(
        learning_rate=fields.learning_rate,
        weight_decay=fields.weight_decay,
        num_steps=fields.epochs * steps,
    )
    epoch = parallel.make_epoch(
        next_scale_step.make_step(
            model, optimizer, drop_all=fields.drop_all, drop_each=fields.drop_each
        ),
        batch_size=fields.batch_size,
        steps_per_epoch=steps,
        strategy=config.train.strategy,
        devices=devices,
        model=model_axis,
    )
    codes, *told = _watched(labels, held_out[:_WATCHED])
    watched = jnp.asarray(tokens.of(codes))

    def bits(params: Any) -> dict[str, float]:
        return promise.bits_told(model, params, watched, *told)

    def on_epoch(step: int, placed: Any) -> dict[str, float]:
        del step
        return {f"bits_{k}": v for k, v in bits(epoch.fetch(placed.params)).items()}

    with files.writing(folder / FOLDER):
        (folder / FOLDER).mkdir(exist_ok=True)
    with metrics.MetricsWriter(folder / FOLDER) as writer:
        state = loop.fit(
            epoch,
            next_scale_step.create_state(key_init, model, optimizer),
            data,
            key=key_epochs,
            num_epochs=fields.epochs,
            checkpoints=Checkpoints(folder / "checkpoints" / "prior"),
            metrics=writer,
            interrupt=interrupt,
            progress=progress,
            label="prior",
            save_every_epochs=fields.save_every_epochs,
            strict_resume=strict_resume,
            on_epoch=on_epoch,
            profile=folder / "profile" / "prior" if profile else None,
        )
    trained = Prior(labels.generator, tokens, model, state.params)
    summary = phase.result
    if summary is None and hosts.leads():
        timings = metrics.read(folder / FOLDER / metrics.TIMINGS)
        summary = phase.finish(
            {
                "steps": fields.epochs * steps,
                "seconds": sum(line["seconds"] for line in timings),
                "loss": metrics.read(folder / FOLDER / metrics.METRICS)[-1]["loss"],
                "tokens": sum(model.sizes),
                "codes": tokens.layout.length,
                "trained_on": len(labels.generator.codes),
                "quality": columns.quality,
                "hardware": columns.hardware,
                "measured": np.mean(~np.isnan(np.hstack([labels.quality, labels.hardware])), 0),
                "predicted": labels.predicted,
                "table": columns.table.source if columns.table else None,
                "held_out_bits": bits(state.params),
            }
        )
    return Trained(trained, labels, summary or {})


def _watched(labels: Labels, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Codes and quantiles of held-out architectures; no kind of which few are known."""
    generator = labels.generator
    codes = generation.encode_all(generator.model, generator.variables, held_out)
    told = []
    for values, among in zip(
        labels.columns.stacked(held_out), (labels.quality, labels.hardware), strict=True
    ):
        columns = [quantiles(x, a) for x, a in zip(values.T, among.T, strict=True)]
        known = [x for x in columns if np.isnan(x).mean() < 0.5]
        told.append(np.stack(known, 1) if len(known) == len(columns) > 0 else values[:, :0])
    return codes, told[0], told[1]


def open_phase(config: ConfigDict, columns: Columns, folder: pathlib.Path) -> Phase:
    """The phase of the training, opened before any work: a refusal comes at once."""
    inputs = {name: value for name, value in config.prior.to_dict().items() if name != "enabled"}
    inputs |= {
        "quality": columns.quality,
        "hardware": columns.hardware,
        "table": columns.table.name if columns.table else None,
        "strategy": config.train.strategy,
    }
    return Phase(folder, "prior", inputs)
