"""Inverted residual layers by hand, and the one that the data make smaller."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax.networks import counting, mbconv
from pnag_jax.networks.mbconv import AnyMBConv, MBConv
from pnag_jax.spaces import mbconv as costs
from pnag_jax.spaces.mbconv import Layer

EXPANSIONS, KERNELS, SQUEEZED = (1, 2, 3), (3, 5), (2, 3, 4)


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(0), (2, 5, 5, 4))


class NotTraining(nn.Module):
    """A layer that is called with an image alone."""

    layer: nn.Module

    def __call__(self, x):
        return self.layer(x, False)


@pytest.mark.parametrize(("expansion", "squeezed", "stride"), [(1, 0, 1), (3, 2, 2), (1, 2, 2)])
def test_costs_are_those_of_the_space(expansion, squeezed, stride):
    module = NotTraining(MBConv(6, expansion, 5, stride, squeezed))
    place, image = Layer(4, 6, 7, stride), jax.ShapeDtypeStruct((1, 7, 7, 4), jnp.float32)
    assert counting.params(module, image) == costs.params(place, expansion, 5, squeezed)
    assert counting.flops(module, image) == costs.flops(place, expansion, 5, squeezed)


def test_a_shortcut_where_size_and_channels_stay(x):
    """With batch norm's scales at 0 the layer computes nothing: what is left is the shortcut."""
    for features, stride, kept in ((4, 1, True), (6, 1, False), (4, 2, False)):
        module = MBConv(features, 2, 3, stride)
        variables = jax.jit(module.init, static_argnums=2)(jax.random.key(1), x, False)
        norm = variables["params"]["project"]["bn"]
        norm["scale"] = jnp.zeros_like(norm["scale"])
        found = jax.jit(module.apply, static_argnums=2)(variables, x, False)
        np.testing.assert_array_equal(found, x if kept else jnp.zeros_like(found))


def test_a_squeeze_by_hand():
    """Means 1 and 3; one squeezed channel max(0, 1 - 3 + 4) = 2; gates of 2 and -2."""
    image = jnp.array([[0.0, 2.0], [2.0, 4.0]]).reshape(1, 1, 2, 2)
    params = {
        "reduce": {"kernel": jnp.array([[1.0], [-1.0]]), "bias": jnp.array([4.0])},
        "excite": {"kernel": jnp.array([[1.0, -1.0]]), "bias": jnp.zeros(2)},
    }
    for gate, scale in {"sigmoid": (0.880797, 0.119203), "hard_sigmoid": (5 / 6, 1 / 6)}.items():
        found = mbconv.SqueezeExcite(1, gate).apply({"params": params}, image)
        np.testing.assert_allclose(found, image * jnp.array(scale), rtol=1e-5)


@pytest.mark.parametrize(
    ("features", "stride", "train", "kinds"),
    [
        (4, 1, False, [(0, 0), (1, 1), (2, 0)]),
        (6, 2, True, [(0, 1), (1, 0)]),
    ],
)
def test_every_kind_is_a_part_of_the_largest(x, features, stride, train, kinds):
    largest = AnyMBConv(features, EXPANSIONS, KERNELS, SQUEEZED, stride, "hard_swish")
    start, mutable = jnp.zeros((), jnp.int32), ["batch_stats"] if train else []
    every = jax.jit(largest.init, static_argnums=4)(jax.random.key(1), x, start, start, False)

    @jax.jit
    def found(variables, expansion, kernel):
        return largest.apply(variables, x, expansion, kernel, train, mutable=mutable)[0]

    for expansion, kernel in kinds:
        squeezed = SQUEEZED[expansion]
        module = MBConv(
            features, EXPANSIONS[expansion], KERNELS[kernel], stride, squeezed, "hard_swish"
        )

        @jax.jit
        def alone(module=module):
            own = module.init(jax.random.key(2), x, False)
            # Moments that differ by channel, so that none can be mistaken for another.
            own["batch_stats"] = jax.tree.map(
                lambda leaf: leaf + jnp.arange(leaf.size) / leaf.size, own["batch_stats"]
            )
            return own, module.apply(own, x, train, mutable=mutable)[0]

        own, expected = alone()
        logits = found(mbconv.copy_in(own, every), jnp.int32(expansion), jnp.int32(kernel))
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def with_and_without():
    """One layer that may expand and squeeze, and its variables."""
    largest, zero = AnyMBConv(4, (1, 3), (3, 5), (2, 3)), jnp.zeros((), jnp.int32)
    init = jax.jit(largest.init, static_argnums=4)
    return largest, init(jax.random.key(1), jnp.zeros((2, 5, 5, 4)), zero, zero, False)


def test_a_part_starts_like_a_layer_of_its_own():
    """He's variance is 2 / inputs: of 9 for the smaller kernel, of 64 for fewer channels."""
    image, zero = jnp.zeros((1, 3, 3, 64)), jnp.zeros((), jnp.int32)
    layer = AnyMBConv(64, (1, 4), (3, 5))
    variables = jax.jit(layer.init, static_argnums=4)(jax.random.key(1), image, zero, zero, False)
    depthwise = np.asarray(variables["params"]["depthwise"]["conv"]["kernel"])
    assert np.var(depthwise) == pytest.approx(2 / 9, rel=0.1)
    assert np.var(variables["params"]["project"]["conv"]["kernel"]) == pytest.approx(
        2 / 64, rel=0.1
    )


def test_a_layer_without_its_squeeze(x, with_and_without):
    largest, every = with_and_without
    module, zero = MBConv(4, 1, 3), jnp.zeros((), jnp.int32)
    own = jax.jit(module.init, static_argnums=2)(jax.random.key(2), x, False)
    apply = jax.jit(largest.apply, static_argnums=4)
    found = apply(mbconv.copy_in(own, every), x, zero, zero, False, jnp.bool_(False))
    np.testing.assert_allclose(found, module.apply(own, x, False), rtol=1e-4, atol=1e-5)


def test_what_a_choice_leaves_out_has_no_gradient(x, with_and_without):
    largest, variables = with_and_without
    zero = jnp.zeros((), jnp.int32)

    def loss(params):
        y, _ = largest.apply(
            {**variables, "params": params}, x, zero, zero, True, mutable=["batch_stats"]
        )
        return (y**2).sum()

    gradient = jax.jit(jax.grad(loss))(variables["params"])
    kernel = gradient["depthwise"]["conv"]["kernel"][:, :, 0]
    assert (kernel[1:4, 1:4, :4] != 0).all()
    assert (kernel[:, :, 4:] == 0).all() and (kernel[0] == 0).all() and (kernel[:, 4] == 0).all()
    assert (gradient["expand"]["conv"]["kernel"] == 0).all()
    assert (gradient["project"]["conv"]["kernel"][0, 0, 4:] == 0).all()
    assert (gradient["squeeze"]["excite"]["kernel"][2:] == 0).all()
