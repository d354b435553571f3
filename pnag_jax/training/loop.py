"""The training loop: epochs, checkpoints, metrics, signals; resumable at any point."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from pnag_jax.errors import UsageError, UserError
from pnag_jax.training import files, hosts, profiling, startup
from pnag_jax.training.checkpoints import Checkpoints, Restored
from pnag_jax.training.interrupts import Interrupt
from pnag_jax.training.metrics import MetricsWriter
from pnag_jax.training.parallel import Epoch
from pnag_jax.training.progress import Progress
from pnag_jax.training.trees import nonfinite

PyTree = Any
OnEpoch = Callable[[int, PyTree], Mapping[str, Any] | None]


def fit(
    epoch: Epoch,
    state: PyTree,
    data: PyTree,
    *,
    key: jax.Array,
    num_epochs: int,
    checkpoints: Checkpoints,
    metrics: MetricsWriter,
    interrupt: Interrupt | None = None,
    progress: Progress | None = None,
    label: str = "train",
    log_every: int | None = None,
    save_every_epochs: int = 1,
    strict_resume: bool = False,
    require_finite: bool | Callable[[str], bool] = True,
    on_epoch: OnEpoch | None = None,
    profile: files.StrPath | None = None,
) -> PyTree:
    """Trains from the newest checkpoint, or from ``state``, to ``num_epochs``.

    However often a run is killed and started again, its checkpoints and
    ``metrics.jsonl`` are bit for bit those of an unbroken one: everything
    random comes from ``key`` and the epoch's number, and what was logged
    after the restored step is dropped and logged again.  ``timings.jsonl``
    tells the speed of every epoch, and ``start_seconds``, from the start of its
    process to the first step there.

    Where ``epoch`` spans processes, all of them call this alike; the leader's
    checkpoint decides where they begin, and a signal to any of them stops all at
    the same step.  Where all see the leader's folder, each saves and restores its
    part of the state there; where not, the leader does, and holds all of it.

    Args:
      epoch: from :func:`~pnag_jax.training.parallel.make_epoch`.
      state: the state before the first step; host or device arrays.
      data: leaves ``[M, ...]``, ``M`` examples.
      key: the run's key.
      num_epochs: how many epochs in all, those of earlier runs included.
      checkpoints: where states go: after every ``save_every_epochs`` epochs,
        the last one, and the one in which a signal came.
      metrics: where lines go.
      interrupt: flag of a signal, from
        :func:`~pnag_jax.training.interrupts.watch`.
      progress: where progress is shown.
      label: the phase's name in the progress.
      log_every: log the metrics of every step that this divides; ``None``
        logs one line an epoch, with the means over its steps.
      save_every_epochs: as above.
      strict_resume: refuse a damaged newest checkpoint instead of taking an
        older one.
      require_finite: leaves (by name, as ``.state.params['w']``) in which NaN
        and Inf forbid a save.
      on_epoch: called with the number of steps done and the placed state
        after every epoch; what it returns joins the line of that step.  The
        state is donated to the next epoch: keep a copy (``epoch.fetch``).
      profile: folder for a profiler's trace of a few steps, taken before the
        first epoch; None for none.

    Returns:
      The final state as arrays on the default device.

    Raises:
      UserError: a metric is not finite: the first bad step is named, and
        nothing of that epoch is saved; the system refuses a write.
      Interrupted: a signal came; the epoch was finished and saved.
      DataError: the checkpoints are damaged, or do not fit ``state``.
      UsageError: the checkpoints were made with another key or other steps.
    """
    for name, value in (("num_epochs", num_epochs), ("save_every_epochs", save_every_epochs)):
        if value < 1:
            raise UsageError(f"{name}={value}: must be at least 1")
    if log_every is not None and log_every < 1:
        raise UsageError(f"log_every={log_every}: must be at least 1")
    steps = epoch.steps_per_epoch
    store = _Store(epoch, key, checkpoints)
    state, done = store.resume(state, strict_resume)
    if epoch.spans:
        hosts.require_same(data, "the data that is trained on")
    if done >= num_epochs:
        return jax.device_put(store.on_host(state))
    metrics.truncate(done * steps if done else -1)
    placed, data = store.place(state), epoch.place_data(data)
    if profile is not None:
        profiling.trace(epoch, placed, data, key, profile)
    epoch.compile(placed, data, key)
    start_seconds = startup.seconds_since_start()

    progress = progress or Progress(quiet=True)
    with progress.task(label, num_epochs * steps, done=done * steps) as bar:
        for number in range(done, num_epochs):
            start = time.monotonic()
            placed, stacked = epoch.run(placed, data, key, number)
            logged = jax.device_get(stacked)
            seconds = time.monotonic() - start
            end = (number + 1) * steps
            lines, fault = _lines(logged, number * steps, steps, log_every)
            if fault is None and on_epoch is not None:
                lines[end] |= dict(on_epoch(end, placed) or {})
                fault = _fault(end, lines[end])
            timings = {
                "seconds": seconds,
                "start_seconds": start_seconds,
                "steps_per_second": steps / seconds,
            }
            for line_step, values in sorted(lines.items()):
                metrics.write(line_step, values, timings if line_step == end else None)
            metrics.flush()
            if fault is not None:
                kept = checkpoints.steps()
                saved = f"step {kept[-1]} is the newest checkpoint" if kept else "nothing is saved"
                raise UserError(f"{fault} (epoch {number}); {saved} in {checkpoints.folder}")
            last = number + 1 == num_epochs
            if epoch.spans and interrupt is not None:
                interrupt.agree()
            requested = interrupt is not None and interrupt.requested
            if last or requested or (number + 1) % save_every_epochs == 0:
                # Lines first: what a checkpoint has left behind must be on the disk.
                metrics.flush(durable=True)
                store.save(end, placed, require_finite)
            bar.update(end, **_shown(logged))
            if requested and interrupt is not None:
                interrupt.check(f"step {end} is saved in {checkpoints.folder}")
    return jax.device_put(epoch.fetch(placed))


class _Store:
    """The checkpoints of a training, of this process or of all together."""

    def __init__(self, epoch: Epoch, key: jax.Array, checkpoints: Checkpoints):
        """For the run's ``key``; where ``epoch`` spans processes, all call this alike."""
        self._epoch, self._key, self._shared = epoch, key, False
        self._of_all = checkpoints.of_all() if epoch.spans else None
        self._checkpoints = self._of_all or checkpoints
        # Whether this process touches the checkpoints.
        self._takes_part = hosts.leads() or not epoch.spans or self._of_all is not None

    def resume(self, state: PyTree, strict: bool) -> tuple[PyTree, int]:
        """The state to go on from, as :meth:`place` takes it, and the epochs behind it."""
        target = jax.eval_shape(lambda tree: tree, {"key": self._key, "state": state})
        if self._of_all:
            target["state"] = self._epoch.shapes(target["state"])
        restored = self._checkpoints.restore(target, strict=strict) if self._takes_part else None
        done = 0 if restored is None else self._epochs(restored)
        if self._takes_part:
            self._checkpoints.clean()
        self._shared = self._of_all is not None and restored is not None
        state = state if restored is None else restored.tree["state"]
        if self._epoch.spans and not self._shared:
            state, told = hosts.told((state, np.int32(done)))
            done = int(told)
        return state, done

    def place(self, state: PyTree) -> PyTree:
        """What :meth:`resume` returned, on the devices."""
        return self._epoch.join(state) if self._shared else self._epoch.place(state)

    def on_host(self, state: PyTree) -> PyTree:
        """What :meth:`resume` returned, on the host or a local device."""
        return self._epoch.fetch(self.place(state)) if self._shared else state

    def save(self, step: int, placed: PyTree, require_finite: bool | Callable[[str], bool]) -> None:
        """Saves a placed state as ``step``."""
        state = self._epoch.share(placed) if self._of_all else self._epoch.fetch(placed)
        if self._takes_part:
            tree = {"key": self._key, "state": state}
            self._checkpoints.save(step, tree, require_finite=require_finite)

    def _epochs(self, restored: Restored) -> int:
        """How many epochs are behind a checkpoint, if it is of this run."""
        folder, saved_key = self._checkpoints.folder, restored.tree["key"]
        if not np.array_equal(_key_data(saved_key), _key_data(self._key)):
            raise UsageError(f"{folder}: step {restored.step} was made with another seed")
        done, rest = divmod(restored.step, self._epoch.steps_per_epoch)
        if rest:
            raise UsageError(
                f"{folder}: step {restored.step} is not the end of an epoch of"
                f" steps_per_epoch={self._epoch.steps_per_epoch}"
            )
        return done


def _key_data(key: jax.Array) -> np.ndarray:
    typed = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    return jax.device_get(jax.random.key_data(key) if typed else key)


def _lines(
    logged: Mapping[str, np.ndarray], first: int, count: int, log_every: int | None
) -> tuple[dict[int, dict[str, Any]], str | None]:
    """The lines of an epoch by step, up to the first step with a bad value, and that fault.

    ``logged`` leaves are ``[count, ...]``; row ``i`` belongs to step ``first + i + 1``.
    Without a fault the last step always has a line, possibly an empty one.
    """
    lines: dict[int, dict[str, Any]] = {}
    fault = None
    if any(nonfinite(rows) for rows in logged.values()):
        faults = (_fault(first + i + 1, _row(logged, i)) for i in range(count))
        good, fault = next((i, fault) for i, fault in enumerate(faults) if fault)
        count = good
    if log_every is not None:
        for i in range(count):
            if (first + i + 1) % log_every == 0:
                lines[first + i + 1] = _row(logged, i)
    elif fault is None:
        lines[first + count] = {name: _mean(rows) for name, rows in logged.items()}
    if fault is None:
        lines.setdefault(first + count, {})
    return lines, fault


def _row(logged: Mapping[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
    return {name: rows[i] for name, rows in logged.items()}


def _mean(rows: np.ndarray) -> np.ndarray:
    # Summed in float64: a long epoch would lose digits in float32.
    return np.asarray(np.mean(rows, axis=0, dtype=np.float64), np.float32)


def _fault(step: int, values: Mapping[str, Any]) -> str | None:
    for name, value in values.items():
        fault = nonfinite(np.asarray(value))
        if fault is not None:
            return f"step {step}: {name} is {fault}"
    return None


def _shown(logged: Mapping[str, np.ndarray]) -> dict[str, float]:
    """The newest values of at most four metrics, the loss first."""
    names = sorted((n for n in logged if logged[n].ndim == 1), key=lambda n: (n != "loss", n))
    return {name: float(logged[name][-1]) for name in names[:4]}
