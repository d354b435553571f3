"""The generator that is timed: of a finished run, or trained in a few epochs."""

from __future__ import annotations

import functools
import importlib
import json
import os
import pathlib
import time
from typing import Any

import jax

from experiments import phases, settings, stage1
from experiments.command import say
from pnag_jax import generation
from pnag_jax.errors import DataError, UsageError
from pnag_jax.generation import Generator
from pnag_jax.models import stage1 as stage1_model
from pnag_jax.models.stage1 import Stage1
from pnag_jax.spaces import Space
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.workdir import CONFIG, Workdir


def train(key: jax.Array, space: Space, epochs: int) -> tuple[Generator, dict[str, Any]]:
    """A generator with default hyperparameters, trained briefly.

    Args:
      key: consumed.
      space: what it generates.
      epochs: of stage 1.

    Returns:
      The generator, and where it is from.
    """
    generator = _make(key, space, epochs, None)
    return generator, {"space": space.name, "workdir": None, "epochs": epochs}


def kept(key: jax.Array, space: Space, epochs: int, folder: pathlib.Path) -> Generator:
    """As ``train``, but only where an earlier process of this run has not.

    Args:
      key: consumed.
      space: what it generates.
      epochs: of stage 1.
      folder: of its checkpoint, in the run's own folder.

    Raises:
      DataError: the checkpoint is damaged.
      UserError: the system refuses a write.
    """
    return _make(key, space, epochs, Checkpoints(folder, keep=1))


def _make(key: jax.Array, space: Space, epochs: int, checkpoints: Checkpoints | None) -> Generator:
    """Trained variables, from a checkpoint if there is one; counted and folded anew."""
    start = time.perf_counter()
    key_split, key_train, key_build = jax.random.split(key, 3)
    model = Stage1(space=space)
    genotypes = generation.split(key_split, space).train
    shapes = jax.eval_shape(functools.partial(stage1_model.init, model=model), key_train)
    found = None if checkpoints is None else checkpoints.restore(shapes, strict=True)
    if found is None:
        variables = generation.train_variables(key_train, model, genotypes, num_epochs=epochs)
        if checkpoints is not None:
            checkpoints.save(epochs, variables)
    else:
        variables = found.tree
    # Polishing changes the decoder's numbers, not its cost.
    generator = generation.build(key_build, model, variables, genotypes, polish_steps=0)
    if found is None:
        seconds = time.perf_counter() - start
        say(f"generator: {epochs} epochs on {len(genotypes)} architectures in {seconds:.0f} s")
    return generator


def restore(space: Space, workdir: str | os.PathLike[str]) -> tuple[Generator, dict[str, Any]]:
    """The generator of a finished run of ``experiments.<space>``.

    Args:
      space: what it generates.
      workdir: the folder of the run.

    Returns:
      The generator, and where it is from.

    Raises:
      UsageError: no such run, or one that is not finished.
      DataError: its files are damaged.
    """
    program = f"experiments.{space.name}"
    path = pathlib.Path(workdir)
    refusal = UsageError(
        f"--generator_workdir={workdir}: accepted is the folder of a run of {program} that has"
        " finished its training"
    )
    try:
        found = json.loads((path / CONFIG).read_bytes())
    except OSError:
        raise refusal from None
    except ValueError as error:
        raise DataError(f"{path / CONFIG}: not JSON: damaged or truncated") from error
    if not isinstance(found, dict) or found.get("program") != program:
        raise refusal
    with Workdir(path, program=program, config=found["config"]) as folder:
        if phases.result(folder, "training") is None:
            raise refusal
        # A run of an earlier version lacks what was added since.
        config = importlib.import_module(f"configs.{space.name}").get_config()
        config.update(found["config"])
        settings.check(config, space)
        # As the run itself derives it.
        key_train, *_ = jax.random.split(jax.random.key(config.seed), 3)
        generator, trained = stage1.train_generator(
            config,
            space,
            workdir_path=folder.path,
            key=key_train,
            strategy=config.train.strategy,
        )
    source = {"space": space.name, "workdir": str(workdir), "epochs": config.train.epochs}
    say(f"generator: {trained.summary['steps']} steps, of {folder.path}")
    return generator, source
