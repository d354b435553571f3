"""Proxies of many architectures of one space."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping, Sequence
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
      genotype: int32 ``[L]`` for a network of ``networks.branches`` or ``population``.
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

    Where ``in_one_program`` says so one compiled program scores all architectures of a
    call; else each is compiled.

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
    for double, at_once in itertools.product((False, True), repeat=2):
        chosen = {
            proxy.name: proxy.score
            for proxy in built
            if (proxy.double, in_one_program(space_name, [proxy])) == (double, at_once)
        }
        if not chosen:
            continue
        nets = (
            [_of_all(space_name, num_classes, skeleton)]
            if at_once
            else (networks.build(space_name, row, num_classes, **skeleton) for row in genotypes)
        )
        with jax.enable_x64(double):
            found.update(_score(chosen, nets, genotypes, batch, key, together, at_once, double))
    return {proxy.name: np.asarray(found[proxy.name], np.float32) for proxy in proxies}


def in_one_program(space_name: str, proxies: Iterable[Proxy]) -> bool:
    """Whether one compiled program scores all architectures of a space by some proxies.

    It does where ``networks.branches`` exist, and where ``networks.population`` does if
    what is left out of a network counts for nothing.
    """
    if networks.has_branches(space_name):
        return True
    return networks.has_population(space_name) and all(p.by_weights or p.cost for p in proxies)


def _of_all(space_name: str, num_classes: int, skeleton: Mapping[str, Any]) -> nn.Module:
    """The network that takes a genotype as data."""
    of = networks.branches if networks.has_branches(space_name) else networks.population
    return of(space_name, num_classes, **skeleton)


def _score(
    scores: Mapping[str, Any],
    nets: Iterable[nn.Module],
    genotypes: np.ndarray,
    batch: tuple[np.ndarray, np.ndarray],
    key: jax.Array,
    together: int,
    at_once: bool,
    double: bool,
) -> dict[str, np.ndarray]:
    """Scores ``[K]`` by networks of one genotype each, or ``at_once`` by one network of all."""
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

    if at_once:
        (network,) = nets
        mapped = functools.partial(
            jax.lax.map,
            functools.partial(one, network),
            batch_size=together if together > 1 else None,
        )
        return jax.device_get(jax.jit(mapped)(jnp.asarray(genotypes)))
    rows = [jax.jit(functools.partial(one, network, None))() for network in nets]
    return {name: np.array([row[name] for row in rows]) for name in scores}
