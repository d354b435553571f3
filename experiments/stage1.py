"""Training a generator with checkpoints and logs: resumable, and done once.

Used by the space binaries and by ``experiments.compare``.  The folder gets
``checkpoints/train``, ``metrics.jsonl``, ``timings.jsonl``, TensorBoard events
and ``phases/training``.
"""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from experiments import settings
from experiments.phases import Phase
from pnag_jax import generation, losses
from pnag_jax.codebook import codebook_use
from pnag_jax.generation import Generator, Split
from pnag_jax.models import stage1, stage1_step
from pnag_jax.models.stage1 import Stage1, Variables
from pnag_jax.spaces import Space
from pnag_jax.training import hosts, loop, metrics, parallel
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.progress import Progress

# Held-out architectures that are decoded after every epoch, and in one call.
_CHUNK = 512


class Trained(NamedTuple):
    """What training leaves: the quantizer, what it saw, and how good it is.

    Attributes:
      model: static.
      variables: trained.
      data: genotypes trained on and held out.
      summary: the ``training`` part of ``results.json``, on the leading process.
    """

    model: Stage1
    variables: Variables
    data: Split
    summary: dict[str, Any]


def train_generator(
    config: ConfigDict,
    space: Space,
    *,
    workdir_path: str | os.PathLike[str],
    key: jax.Array,
    strategy: str = "pmap",
    devices: Sequence[jax.Device] | None = None,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    strict_resume: bool = False,
    profile: bool = False,
) -> tuple[Generator, Trained]:
    """A trained generator; trains only what is not trained yet.

    Args:
      config: of a space, from ``configs/<space>.py``.
      space: what to generate.
      workdir_path: a folder that this process alone writes to.
      key: decides everything random; consumed.
      strategy: "pmap" or "mesh".
      devices: that train, all local ones by default; where some are of other
        processes, all of these call this alike.
      interrupt: flag of a signal.
      progress: where progress is shown.
      strict_resume: refuse a damaged newest checkpoint.
      profile: save a profiler's trace of a few steps, in ``profile/``.

    Returns:
      The generator, and what its training left.

    Raises:
      UsageError: a config field that is not accepted, or another config or
        key than that of the folder.
      UserError: a value that is not finite; the system refuses a write.
      DataError: a damaged checkpoint.
      Interrupted: a signal came; the work so far is saved.
    """
    key_train, key_build = jax.random.split(key)
    trained = train(
        config,
        space,
        workdir_path=workdir_path,
        key=key_train,
        strategy=strategy,
        devices=devices,
        interrupt=interrupt,
        progress=progress,
        strict_resume=strict_resume,
        profile=profile,
    )
    return build(key_build, config, trained), trained


def build(key: jax.Array, config: ConfigDict, trained: Trained) -> Generator:
    """Counts and folds what training left; seconds, and the same every time."""
    return generation.build(
        key, trained.model, trained.variables, trained.data.train, **config.counts
    )


def train(
    config: ConfigDict,
    space: Space,
    *,
    workdir_path: str | os.PathLike[str],
    key: jax.Array,
    strategy: str = "pmap",
    devices: Sequence[jax.Device] | None = None,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    strict_resume: bool = False,
    profile: bool = False,
) -> Trained:
    """The first half of ``train_generator``; arguments and errors as there."""
    settings.check(config, space)
    folder = pathlib.Path(workdir_path)
    model = settings.model(config, space)
    key_data, key_init, key_epochs = jax.random.split(key, 3)
    data = generation.split(key_data, space, **config.data)
    devices = jax.local_devices() if devices is None else devices
    settings.check_batch(config, len(data.train), devices=len(devices))

    names = ("space", "data", "model", "train")
    inputs = {name: config.to_dict()[name] for name in names}
    phase = Phase(folder, "training", inputs | {"strategy": strategy})

    steps = len(data.train) // config.train.batch_size
    total = config.train.epochs * steps
    optimizer = stage1_step.make_optimizer(
        learning_rate=config.train.learning_rate,
        weight_decay=config.train.weight_decay,
        num_steps=total,
    )
    epoch = parallel.make_epoch(
        stage1_step.make_step(
            model, optimizer, revive_steps=round(config.train.revive_share * total)
        ),
        batch_size=config.train.batch_size,
        steps_per_epoch=steps,
        strategy=strategy,
        devices=devices,
    )
    watched = data.held_out[:_CHUNK]

    def on_epoch(step: int, placed: Any) -> dict[str, float]:
        del step
        exact, _, _ = _measure(stage1_step.variables(epoch.fetch(placed)), watched, model=model)
        return {"held_out_reconstruction": float(exact[-1].mean())}

    with metrics.MetricsWriter(folder) as writer:
        state = loop.fit(
            epoch,
            stage1_step.create_state(key_init, model, optimizer),
            jnp.asarray(data.train, jnp.int32),
            key=key_epochs,
            num_epochs=config.train.epochs,
            checkpoints=Checkpoints(folder / "checkpoints" / "train"),
            metrics=writer,
            interrupt=interrupt,
            progress=progress,
            save_every_epochs=config.train.save_every_epochs,
            strict_resume=strict_resume,
            on_epoch=on_epoch,
            profile=folder / "profile" / "train" if profile else None,
        )
    variables = stage1_step.variables(state)
    summary = phase.result
    if summary is None and hosts.leads():
        summary = phase.finish(
            {
                "steps": total,
                "seconds": sum(x["seconds"] for x in metrics.read(folder / metrics.TIMINGS)),
                "loss": metrics.read(folder / metrics.METRICS)[-1]["loss"],
                **evaluate(model, variables, data),
            }
        )
    return Trained(model, variables, data, summary or {})


def evaluate(model: Stage1, variables: Variables, data: Split) -> dict[str, Any]:
    """How well a quantizer serves: reconstruction, V and use of its codebook.

    Args:
      model: static.
      variables: trained.
      data: exact reconstruction and V are of the held-out part, the codebook
        of the other.
    """
    held_out = data.held_out
    # Whole chunks, so that one compilation serves all.
    padded = np.resize(held_out, (-(-len(held_out) // _CHUNK) * _CHUNK, held_out.shape[1]))
    parts = [
        jax.device_get(_measure(variables, padded[i : i + _CHUNK], model=model))
        for i in range(0, len(padded), _CHUNK)
    ]
    exact, partials = (np.concatenate([p[i] for p in parts], axis=1) for i in (0, 2))
    e = np.concatenate([p[1] for p in parts])
    count = len(held_out)
    exact, e, partials = exact[:, :count], e[:count], partials[:, :count]
    per_scale = exact.mean(axis=1, dtype=np.float64)
    codes = generation.encode_all(model, variables, data.train)
    used, perplexity = codebook_use(jnp.bincount(codes.ravel(), length=model.num_codes))
    return {
        "trained_on": len(data.train),
        "held_out": count,
        "reconstruction": per_scale[-1],
        "codebook_use": used,
        "codebook_perplexity": perplexity,
        "scales": model.scales,
        "reconstruction_per_scale": per_scale,
        "v_per_scale": losses.relative_distortion(jnp.asarray(e), jnp.asarray(partials)),
    }


@functools.partial(jax.jit, static_argnames="model")
def _measure(
    variables: Variables, genotypes: jax.Array, *, model: Stage1
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Whether each partial decodes to its architecture ``[T, B]``; ``e``; the partials."""
    e, quantized = stage1.embed(model, variables, genotypes)
    decoded = model.space.free_decode(*stage1.decode(model, variables, quantized.partials))
    return (decoded == genotypes).all(axis=-1), e, quantized.partials
