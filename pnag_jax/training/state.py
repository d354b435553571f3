"""The state that a gradient step carries."""

from __future__ import annotations

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax


class TrainState(flax.struct.PyTreeNode):
    """Parameters, optimizer state and whatever else a step updates.

    Only arrays: functions (the model, the optimizer) stay outside, so that
    the whole state can be donated, checkpointed and compared.

    Attributes:
      step: int32 ``[]``, number of updates.
      params: pytree of parameters.
      opt_state: state of the optax transformation.
      extra: any other pytree, for instance a codebook by moving average.
    """

    step: jax.Array
    params: Any
    opt_state: optax.OptState
    extra: Any = None

    @classmethod
    def create(
        cls, params: Any, optimizer: optax.GradientTransformation, extra: Any = None
    ) -> TrainState:
        """The state before the first update."""
        # An array from the start: a Python 0 would be another type after one step.
        step = jnp.zeros((), jnp.int32)
        return cls(step=step, params=params, opt_state=optimizer.init(params), extra=extra)

    def update(
        self, gradients: Any, optimizer: optax.GradientTransformation, extra: Any = None
    ) -> TrainState:
        """One optimizer step.

        Args:
          gradients: pytree like ``params``, reduced over devices already.
          optimizer: as given to :meth:`create`.
          extra: new value of ``extra``; ``None`` keeps the old one.
        """
        updates, opt_state = optimizer.update(gradients, self.opt_state, self.params)
        return self.replace(
            step=self.step + 1,
            params=optax.apply_updates(self.params, updates),
            opt_state=opt_state,
            extra=self.extra if extra is None else extra,
        )
