"""What is exported computes what the network computes."""

from __future__ import annotations

import ast
import importlib.util
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pnag_jax import export, networks, spaces
from pnag_jax.errors import DataError, UsageError, UserError

GENOTYPE = (4, 0, 1, 2, 0, 3)
IMAGES = jax.ShapeDtypeStruct((2, 8, 8, 3), jnp.float32)

needs_flatbuffers = pytest.mark.skipif(
    importlib.util.find_spec("flatbuffers") is None,
    reason="flatbuffers is not installed: pip install -r requirements.txt",
)


def loaded(text: str, folder: pathlib.Path, alone: bool = True):
    """The module of a generated file, which imports nothing of this package if ``alone``."""
    imported = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            imported.add(str(node.module).split(".")[0])
        elif isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
    assert ("pnag_jax" not in imported) == alone and "flax" in imported
    path = folder / "generated.py"
    path.write_text(text)
    name = f"generated_{folder.name}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def some_genotype(space: str) -> np.ndarray:
    """One of many kinds of parts; drawn, which is compiled, where not all genes go together."""
    if space in ("autoformer", "gpt2"):
        return np.asarray(spaces.get(space).sample(jax.random.key(0), 1))[0]
    if space == "nb101":
        text = "[[0, 1, 1], [0, 0, 1], [0, 0, 0]], ['input', 'conv3x3-bn-relu', 'output']"
        return spaces.get(space).from_string(text)
    choices = np.array(spaces.get(space).choices)
    return np.arange(len(choices)) % choices


@pytest.fixture(scope="module")
def small():
    """A network, its variables, images and logits."""
    network = networks.build("nb201", GENOTYPE, 10, channels=4, cells=1)
    images = jax.random.normal(jax.random.key(1), IMAGES.shape)
    variables = jax.jit(network.init)(jax.random.key(0), images)
    return network, variables, images, jax.jit(network.apply)(variables, images)


def test_source_gives_the_same_logits(small, tmp_path):
    network, variables, images, logits = small
    text = export.as_source(network, {"space": "nb201", "architecture": "|x|", "genotype": [1]})
    module = loaded(text, tmp_path)
    assert module.CONFIG == {"space": "nb201", "architecture": "|x|", "genotype": [1]}
    made = module.network()
    np.testing.assert_array_equal(jax.jit(made.apply)(variables, images), logits)


@pytest.mark.parametrize("space", networks.names())
def test_source_of_every_space_is_the_same_program(space, tmp_path):
    """The trace of the file's network is that of ours, word by word."""
    genotype = some_genotype(space)
    fewer = {"cells": 1} if space in ("nb201", "nb101", "darts") else {}
    network = networks.build(space, genotype, 10, **fewer)
    text = export.as_source(network, {"space": space})
    alone = "Needs jax and flax." in text
    made = loaded(text, tmp_path, alone).network()
    if not alone:
        assert made == network
        return
    example = export.example_input(network)
    traces = []
    for module in (network, made):
        variables = jax.eval_shape(module.init, jax.random.key(0), example)
        traces.append((variables, str(jax.make_jaxpr(module.apply)(variables, example))))
    assert traces[0][0] == traces[1][0]
    assert traces[0][1] == traces[1][1]


def test_network_that_cannot_be_taken_out_is_imported(small, tmp_path, monkeypatch):
    def refuse(names):
        raise UserError("cannot be written as one file: it clashes")

    monkeypatch.setattr(export.source, "bundle", refuse)
    text = export.as_source(small[0], {"space": "nb201"})
    assert "Needs jax, flax and pnag_jax (it cannot be written as one file: it clashes)." in text
    assert loaded(text, tmp_path, alone=False).network() == small[0]


@needs_flatbuffers
def test_stablehlo_round_trip(small):
    network, variables, images, logits = small
    serialized = export.to_stablehlo(network, variables, IMAGES)
    function = export.call(serialized)
    np.testing.assert_allclose(function(variables, images), logits, rtol=1e-5, atol=1e-5)
    three = jnp.concatenate([images, images[:1]])
    np.testing.assert_allclose(function(variables, three)[2], logits[0], rtol=1e-5, atol=1e-5)
    with pytest.raises(DataError, match=r"is no serialized function of jax\.export"):
        export.call(serialized[: len(serialized) // 2])


def test_onnx(small):
    network, variables, images, logits = small
    if importlib.util.find_spec("jax2onnx") is None:
        with pytest.raises(UsageError, match=r"pip install 'pnag_jax\[onnx\]'"):
            export.to_onnx(network, variables, IMAGES)
        return
    import onnxruntime

    session = onnxruntime.InferenceSession(export.to_onnx(network, variables, IMAGES))
    (given,) = session.get_inputs()
    (found,) = session.run(None, {given.name: np.asarray(images)})
    np.testing.assert_allclose(found, logits, rtol=1e-4, atol=1e-4)
