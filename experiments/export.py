"""Exports an architecture for use elsewhere.

    python -m experiments.export --space=nb201 --out=exported \\
        --architecture='|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|nor_conv_1x1~2|'
    python -m experiments.export --run=runs/nb201 --out=exported --formats=python,stablehlo

Leaves in the folder: network.py (the flax module and its config; needs jax and
flax alone), network.stablehlo (the forward pass, for any batch size),
parameters/ (a checkpoint of the variables), network.onnx (with the parameters;
needs ``pip install 'pnag_jax[onnx]'``) and config.json.  The architecture is
given as text, or it is the best one of a finished run.
"""

from __future__ import annotations

import contextlib
import functools
import json
import pathlib
import sys
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags

from experiments import command
from pnag_jax import export, networks, spaces
from pnag_jax.errors import DataError, UsageError
from pnag_jax.training import files
from pnag_jax.training.checkpoints import Checkpoints

FORMATS = ("python", "stablehlo", "parameters", "onnx")


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the program's flags."""
    text = functools.partial(flags.DEFINE_string, flag_values=values)
    words = functools.partial(flags.DEFINE_list, flag_values=values)
    number = functools.partial(flags.DEFINE_integer, flag_values=values, lower_bound=1)
    text("out", None, "Folder of the files.", required=True)
    text("run", None, "Workdir of a finished run; its best architecture is taken.")
    text("space", None, "Space of --architecture.")
    text("architecture", None, "In the text format of the space.")
    text("parameters", None, "Folder of a checkpoint of the variables; new ones by default.")
    words("formats", ["python", "stablehlo", "parameters"], f"Of {', '.join(FORMATS)}.")
    words("skeleton", [], "FIELD=VALUE,...: what is not the default of the space's skeleton.")
    number("classes", 10, "Of the output.")
    number("size", None, "Side of the images or length of the sequences.")
    number("batch_size", 1, "Of the ONNX model; the others take any.")
    flags.DEFINE_integer("seed", 0, "Of new parameters.", 0, flag_values=values)


def main(values: flags.FlagValues = flags.FLAGS) -> None:
    """Writes the files that the flags ask for, and prints their paths."""
    formats = values.formats
    if not formats or not set(formats) <= set(FORMATS):
        raise UsageError(f"--formats={','.join(formats)}: accepted are {', '.join(FORMATS)}")
    space, architecture = _architecture(values)
    skeleton = dict(_field(word) for word in values.skeleton)
    try:
        genotype = spaces.get(space).from_string(architecture)
    except spaces.SpaceError as error:
        raise UsageError(f"--architecture: {error}") from error
    network = networks.build(space, genotype, values.classes, **skeleton)
    example = export.example_input(network, values.batch_size, values.size)
    config = {
        "space": space,
        "architecture": architecture,
        "genotype": genotype.tolist(),
        "num_classes": values.classes,
        "skeleton": skeleton,
        "input": {"shape": [None, *example.shape[1:]], "dtype": str(example.dtype)},
    }
    out = pathlib.Path(values.out)
    with files.writing(out):
        out.mkdir(parents=True, exist_ok=True)
    written: dict[str, bytes] = {"config.json": json.dumps(config, indent=1).encode()}
    variables = _variables(values, network, example)
    if "python" in formats:
        written["network.py"] = export.as_source(network, config).encode()
    if "stablehlo" in formats:
        written["network.stablehlo"] = export.to_stablehlo(network, variables, example)
    if "onnx" in formats:
        written["network.onnx"] = export.to_onnx(network, variables, example)
    for name, content in written.items():
        files.write_bytes(out / name, content)
        sys.stdout.write(f"{out / name}\n")
    if "parameters" in formats:
        Checkpoints(out / "parameters", keep=1).save(0, variables)
        sys.stdout.write(f"{out / 'parameters'}\n")


def _architecture(values: flags.FlagValues) -> tuple[str, str]:
    """Space and text, as given or of the run."""
    if (values.run is None) == (values.architecture is None):
        raise UsageError("give either --run or --architecture with --space")
    if values.run is None:
        if values.space is None:
            raise UsageError("--architecture needs --space: one of " + ", ".join(networks.names()))
        return values.space, values.architecture
    path = pathlib.Path(values.run) / "results.json"
    try:
        results = json.loads(path.read_text())
        return str(results["space"]), str(results["best"][0]["architecture"])
    except OSError as error:
        raise UsageError(f"--run: {path}: cannot read: {error.strerror}") from error
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path}: has no best architecture") from error


def _field(word: str) -> tuple[str, int | float | str]:
    name, equals, value = word.partition("=")
    if not name or not equals:
        raise UsageError(f"--skeleton: {word!r}; accepted is FIELD=VALUE")
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return name, kind(value)
    return name, value


def _variables(values: flags.FlagValues, network: Any, example: jax.ShapeDtypeStruct) -> Any:
    """Those of the checkpoint, else new ones."""
    key = jax.random.key(values.seed)
    if values.parameters is None:
        return jax.jit(network.init)(key, jnp.zeros(example.shape, example.dtype))
    target = jax.eval_shape(network.init, key, example)
    restored = Checkpoints(values.parameters).restore(target, strict=True)
    if restored is None:
        raise UsageError(f"--parameters={values.parameters}: holds no checkpoint")
    return restored.tree


if __name__ == "__main__":
    define_flags()
    command.run(main)
