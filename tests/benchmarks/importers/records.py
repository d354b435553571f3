"""A TFRecord file of NAS-Bench-101: messages by protobuf, framing by tensorboardX."""

from __future__ import annotations

import base64
import json
import pathlib
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tensorboardX.record_writer import RecordWriter

from pnag_jax import spaces


def metrics_class() -> Any:
    """The message of the benchmark's model_metrics.proto, in proto2."""
    file = descriptor_pb2.FileDescriptorProto(name="metrics.proto", package="t", syntax="proto2")
    evaluation = file.message_type.add(name="EvaluationData")
    names = (
        "current_epoch",
        "training_time",
        "train_accuracy",
        "validation_accuracy",
        "test_accuracy",
    )
    for i, name in enumerate(names, start=1):
        evaluation.field.add(name=name, number=i, type=1, label=1)
    evaluation.field.add(name="checkpoint_path", number=6, type=9, label=1)
    metrics = file.message_type.add(name="ModelMetrics")
    metrics.field.add(
        name="evaluation_data", number=1, type=11, label=3, type_name=".t.EvaluationData"
    )
    metrics.field.add(name="trainable_parameters", number=2, type=5, label=1)
    metrics.field.add(name="total_time", number=3, type=1, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.ModelMetrics"))


def record(code: str, epochs: int, adjacency: str, ops: str, final: float, params: int) -> bytes:
    """One training whose last evaluation has accuracies ``final`` and ``final`` - 0.01."""
    metrics = metrics_class()(trainable_parameters=params, total_time=2000.5)
    for part in (0.0, 0.5, 1.0):
        metrics.evaluation_data.add(
            current_epoch=epochs * part,
            training_time=1000 * part,
            train_accuracy=part,
            validation_accuracy=final * part,
            test_accuracy=(final - 0.01) * part,
            checkpoint_path="model.ckpt-1",
        )
    encoded = base64.encodebytes(metrics.SerializeToString()).decode().replace("\n", "")
    return json.dumps([code, epochs, adjacency, ops, encoded]).encode()


# A chain of one pooling, and a cell of seven nodes with nine edges.
CELLS = (
    ("00" * 16, "010001000", "input,maxpool3x3,output", 8_000_000),
    (
        "ff" * 16,
        "0111010" + "0000001" + "0000001" + "0000100" + "0000001" + "0000001" + "0000000",
        "input,conv1x1-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,conv3x3-bn-relu,maxpool3x3,output",
        41_557_898,
    ),
)


def genotypes() -> tuple[tuple[int, ...], ...]:
    """The cells in the space's canonical form, by the space's own text format."""
    space = spaces.get("nb101")
    texts = [
        "[[0, 1, 0], [0, 0, 1], [0, 0, 0]], ['input', 'maxpool3x3', 'output']",
        "[[0, 1, 1, 1, 0, 1, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1],"
        " [0, 0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 0, 0, 1],"
        " [0, 0, 0, 0, 0, 0, 0]], ['input', 'conv1x1-bn-relu', 'conv3x3-bn-relu',"
        " 'conv3x3-bn-relu', 'conv3x3-bn-relu', 'maxpool3x3', 'output']",
    ]
    return tuple(
        tuple(np.asarray(space.canonical(space.from_string(text))).tolist()) for text in texts
    )


def write(path: pathlib.Path) -> None:
    writer = RecordWriter(str(path))
    for repeat in range(3):
        for i, (code, adjacency, ops, params) in enumerate(CELLS):
            final = 0.9 + 0.01 * repeat - 0.5 * i
            writer.write(record(code, 108, adjacency, ops, final, params))
            writer.write(record(code, 36, adjacency, ops, 0.1, params))
    writer.close()
