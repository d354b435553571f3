"""A regression with everything that a step can need, and a program that trains it.

As a program: ``toy.py WORKDIR [--epochs=N] [--pause=SECONDS]`` trains with one
device as a binary of the project would, and prints a line after each epoch.
``train`` is the same for one of several processes, on all of their devices.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

import pnag_jax
from pnag_jax.errors import UserError
from pnag_jax.training import hosts, interrupts, parallel
from pnag_jax.training.checkpoints import Checkpoints
from pnag_jax.training.loop import fit
from pnag_jax.training.metrics import MetricsWriter
from pnag_jax.training.state import TrainState
from pnag_jax.training.workdir import Workdir

ROOT = str(Path(pnag_jax.__file__).parents[1])  # for processes that import the package
OPTIMIZER = optax.adamw(1e-2)


class Model(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.tanh(nn.Dense(8)(x)))[..., 0]


def make_data(count=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 3)).astype(np.float32)
    return {"x": x, "y": np.sin(x).sum(-1), "id": np.arange(count, dtype=np.int32)}


def make_state(seed=0):
    params = Model().init(jax.random.key(seed), jnp.zeros((1, 3)))
    extra = {"mean": jnp.zeros(3), "count": jnp.zeros((), jnp.int32), "key": jax.random.key(7)}
    return TrainState.create(params, OPTIMIZER, extra)


def step(state, batch, key, axis_name):
    """Local loss, a loss over pairs of the whole batch, noise, and moving averages."""
    keys = parallel.example_keys(key, len(batch["x"]), axis_name)
    x = batch["x"] + 0.01 * jax.vmap(lambda k: jax.random.normal(k, (3,)))(keys)

    def loss_of(params):
        error = Model().apply(params, x) - batch["y"]
        everyone = parallel.gather_over(error, axis_name)
        pairs = jnp.mean(jnp.square(everyone[:, None] - everyone[None, :]))
        return jnp.mean(jnp.square(error)) + 0.1 * pairs

    loss, gradients = jax.value_and_grad(loss_of)(state.params)
    loss, gradients = parallel.mean_over((loss, gradients), axis_name)
    extra = dict(state.extra)
    extra["mean"] = 0.9 * extra["mean"] + 0.1 * parallel.mean_over(batch["x"].mean(0), axis_name)
    extra["count"] += parallel.sum_over(jnp.asarray(len(batch["x"]), jnp.int32), axis_name)
    metrics = {"loss": loss, "gradient_norm": optax.tree.norm(gradients)}
    return state.update(gradients, OPTIMIZER, extra), metrics


def make_epoch(strategy="mesh", devices=1, step=step):
    return parallel.make_epoch(
        step,
        batch_size=16,
        steps_per_epoch=4,
        strategy=strategy,
        devices=jax.devices()[:devices],
    )


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("workdir")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--pause", type=float, default=0.0)
    flags = parser.parse_args()
    return train(flags.workdir, epochs=flags.epochs, pause=flags.pause)


def train(folder, *, epochs, pause=0.0, strategy="mesh", devices=1) -> int:
    """Returns an exit status; ``devices`` of all processes."""

    def on_epoch(done, state):
        print(done, flush=True)
        time.sleep(pause)

    try:
        with (
            hosts.together(),
            interrupts.watch() as interrupt,
            Workdir(folder, program="toy", config={"epochs": epochs}) as workdir,
            MetricsWriter(workdir.path) as metrics,
        ):
            fit(
                make_epoch(strategy, devices),
                make_state(),
                make_data(),
                key=jax.random.key(1),
                num_epochs=epochs,
                checkpoints=Checkpoints(workdir.inside("checkpoints"), keep=2),
                metrics=metrics,
                interrupt=interrupt,
                log_every=1,
                on_epoch=on_epoch,
            )
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
