"""The launch examples of BUILD.md: their syntax, and the flags that they give."""

from __future__ import annotations

import pathlib
import re
import subprocess
from typing import Any

import pytest
import yaml
from absl import flags

from configs import nb201
from experiments import run_flags

TEXT = (pathlib.Path(__file__).parents[1] / "BUILD.md").read_text()
BLOCKS = re.findall(r"^```(bash|yaml)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)

FLAGS = flags.FlagValues()
flags.DEFINE_string("config", None, "As command.run defines it.", flag_values=FLAGS)
run_flags.define(FLAGS)


def strings(value: Any) -> list[str]:
    """All strings in nested data."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def scripts() -> list[str]:
    """What the examples give to a shell."""
    found = []
    for kind, text in BLOCKS:
        found += [text] if kind == "bash" else strings(yaml.safe_load(text))
    return [script for script in found if "experiments." in script]


def test_every_launcher_has_an_example():
    kinds = [kind for kind, _ in BLOCKS]
    assert (kinds.count("bash"), kinds.count("yaml")) == (3, 2)
    assert len(scripts()) == 5
    for word in ("#SBATCH", "gcloud compute tpus", "kind: JobSet", "SKYPILOT_NODE_RANK"):
        assert sum(word in text for _, text in BLOCKS) == 1, word


@pytest.mark.parametrize("script", scripts())
def test_an_example_is_a_shell_script_with_flags_that_exist(script):
    checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert checked.returncode == 0 and checked.stderr == ""
    (command,) = re.findall(r"python -m experiments\.nb201((?:[^&']|\n)*)", script)
    given = re.findall(r"--(\w[\w.]*)", command)
    assert "workdir" in given
    for name in given:
        assert name.partition(".")[0] in FLAGS, name
        value: Any = nb201.get_config()
        for field in name.split(".")[1:]:
            value = value[field]
