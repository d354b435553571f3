"""Proxies of many architectures of one space."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from pnag_jax import networks, spaces
from pnag_jax.errors import UsageError
from pnag_jax.proxies.base import Probe, Proxy


def probe(
    network: nn.Module,
    variables: Mapping[str, Any],
    inputs: ArrayLike,
    labels: ArrayLike,
    genotype: jax.Array | None = None,
) -> Probe:
    """What a proxy looks at, of a network of ``networks.build`` or of its kind.

    Args:
      network: called with ``inputs`` and ``train``.
      variables: as ``network.init`` makes them.
      inputs: ``[B, ...]``.
      labels: int ``[B, ...]``, one each logit vector.
      genotype: int32 ``[L]`` for a network of ``networks.branches``.
    """
    others = {name: tree for name, tree in variables.items() if name != "params"}
    before = () if genotype is None else (genotype,)
    # What is dropped at random is the same for all.
    keys = {name: jax.random.key(0) for name in ("dropout", "drop_path")}

    def forward(params: Any, inputs: jax.Array, train: bool) -> jax.Array:
        found: Any = network.apply(
            {"params": params, **others},
            *before,
            inputs,
            train=train,
            rngs=keys if train else None,
            mutable=list(others) if train else False,
        )
        return found[0] if train else found

    return Probe(forward, variables["params"], jnp.asarray(inputs), jnp.asarray(labels))


def score_all(
    proxies: Sequence[Proxy],
    space_name: str,
    genotypes: ArrayLike,
    inputs: ArrayLike,
    labels: ArrayLike,
    key: jax.Array,
    *,
    num_classes: int,
    together: int = 1,
    **skeleton: Any,
) -> dict[str, np.ndarray]:
    """Scores of networks that are initialised here, and what spaces say of their size.

    A space of which ``networks.branches`` exist is scored by one compiled program a
    call; another one compiles for each architecture.

    Args:
      proxies: of the registry.
      space_name: one of ``networks.names()``.
      genotypes: int ``[K, L]``.
      inputs: of the batch, ``[B, ...]``.
      labels: int ``[B, ...]``.
      key: consumed; an architecture's initialisation depends on it, and on the
        backend, and not on the genotype's place.
      num_classes: logits.
      together: architectures side by side, for accelerators; a CPU is faster
        with one after the other.
      **skeleton: as for ``networks.build``.

    Returns:
      float32 ``[K]`` by the proxies' names.

    Raises:
      UsageError: as ``networks.build``; or a proxy that does not apply.
    """
    genotypes, batch = np.asarray(genotypes, np.int32), (np.asarray(inputs), np.asarray(labels))
    tokens = np.issubdtype(batch[0].dtype, np.integer)
    for proxy in proxies:
        if proxy.gradients_of_inputs and tokens:
            raise UsageError(f"proxy {proxy.name}: has no meaning for tokens")
    space = spaces.get(space_name)
    found = {proxy.name: getattr(space, proxy.cost)(genotypes) for proxy in proxies if proxy.cost}
    built = [proxy for proxy in proxies if not proxy.cost]
    for double in sorted({proxy.double for proxy in built}):
        chosen = {proxy.name: proxy.score for proxy in built if proxy.double == double}
        with jax.enable_x64(double):
            scores = _score(
                chosen, space_name, genotypes, batch, key, num_classes, together, skeleton, double
            )
        found.update(scores)
    return {proxy.name: np.asarray(found[proxy.name], np.float32) for proxy in proxies}


def _score(
    scores: Mapping[str, Any],
    space_name: str,
    genotypes: np.ndarray,
    batch: tuple[np.ndarray, np.ndarray],
    key: jax.Array,
    num_classes: int,
    together: int,
    skeleton: Mapping[str, Any],
    double: bool,
) -> dict[str, np.ndarray]:
    inputs, labels = batch
    # Threefry is compiled anew for every parameter: five sixths of the time that
    # compiling an initialisation takes.
    key = jax.random.key(jax.random.bits(key, dtype=jnp.uint32), impl="rbg")
    if double and np.issubdtype(inputs.dtype, np.floating):
        inputs = inputs.astype(np.float64)

    def one(network: nn.Module, genotype: jax.Array | None) -> dict[str, jax.Array]:
        before = () if genotype is None else (genotype,)
        variables = network.init(key, *before, inputs[:1])
        if double:
            variables = jax.tree.map(lambda leaf: leaf.astype(float), variables)
        seen = probe(network, variables, inputs, labels, genotype)
        return {name: score(seen) for name, score in scores.items()}

    if networks.has_branches(space_name):
        network = networks.branches(space_name, num_classes, **skeleton)
        mapped = functools.partial(
            jax.lax.map,
            functools.partial(one, network),
            batch_size=together if together > 1 else None,
        )
        return jax.device_get(jax.jit(mapped)(jnp.asarray(genotypes)))
    rows = [
        jax.jit(
            functools.partial(one, networks.build(space_name, row, num_classes, **skeleton), None)
        )()
        for row in genotypes
    ]
    return {name: np.array([row[name] for row in rows]) for name in scores}
