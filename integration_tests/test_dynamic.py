"""A batch size that the exporter fixed is freed, each sample giving what it gave alone, or what resists is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_proto
import onnxruntime
import pytest
import zoo
from codegen_torch.changes import Changes
from codegen_torch.dynamic.free import DynamicError, FreeSize, free, parse
from codegen_torch.errors import UnsupportedError
from codegen_torch.pipeline import convert
from converted import import_model
from onnx_proto.build import graph, model, node, tensor, value
from quiet import quiet
from test_zoo import assert_near, run
from torch import nn
from zoo import ZOO

SHORT = [("vit", "dynamo", 1), ("bert", "dynamo", 2), ("lstm", "torchscript", 2), ("gpt2", "torchscript", 1)]
LONG = [
    (name, exporter, samples)
    for name in ("mlp", "lstm", "unet", "resnet", "convnext", "vit", "bert", "gpt2", "t5_encoder", "llama")
    for exporter in ZOO[name].exporters
    for samples in (1, 2)
    if (name, exporter, samples) not in SHORT
]
RESISTS = [
    # Windows are shifted by a mask for each window of each sample; the samples are merged with the windows.
    ("swin", "dynamo", "node_add_7"),
    # The end of each text is looked up by an index that the batch is stacked into.
    ("clip", "dynamo", "node_GatherND_331"),
]


def export_fixed(name: str, exporter: str, samples: int, path: Path) -> None:
    """Exports a model of the zoo with all sizes fixed."""
    entry = ZOO[name]
    fixed = dataclasses.replace(
        entry,
        dynamic={each: {} for each in entry.dynamic},
        inputs=lambda _, length: entry.inputs(samples, length),
    )
    with quiet():
        zoo.export(fixed, exporter, str(path))


@pytest.mark.parametrize(
    ("name", "exporter", "samples"), [*SHORT, *(pytest.param(*case, marks=pytest.mark.long) for case in LONG)]
)
def test_a_batch_of_any_size(
    name: str, exporter: str, samples: int, original: Callable[[str], nn.Module], tmp_path: Path
) -> None:
    export_fixed(name, exporter, samples, tmp_path / "net.onnx")
    convert(tmp_path / "net.onnx", tmp_path / "out", changes=Changes(dynamic=("batch",)))
    generated = import_model(tmp_path / "out").load_model()
    for count in (1, 2, 5):
        inputs = ZOO[name].inputs(count, ZOO[name].length)
        assert_near(run(generated, inputs), run(original(name), inputs))


@pytest.mark.parametrize(("name", "exporter", "culprit"), RESISTS)
def test_a_node_that_resists_is_named(name: str, exporter: str, culprit: str, tmp_path: Path) -> None:
    export_fixed(name, exporter, 1, tmp_path / "net.onnx")
    with pytest.raises(UnsupportedError, match=culprit) as refusal:
        convert(tmp_path / "net.onnx", tmp_path / "out", changes=Changes(dynamic=("batch",)))
    assert [obstacle.node for obstacle in refusal.value.obstacles] == [culprit]
    assert not (tmp_path / "out").exists()


rng = np.random.default_rng(0)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


Case = tuple[str, list[int], list[np.ndarray], dict[str, object]]
# An operator, its first input's shape with the samples first, its other inputs, its attributes.
TREATS_SAMPLES_ALIKE: list[Case] = [
    ("Reshape", [4, 6], [ints(0, 2, 12)], {}),
    ("Reshape", [4, 6], [ints(-1, 24)], {}),
    ("Reshape", [4, 6], [ints(-1, 6)], {}),
    ("Reshape", [4, 6], [ints(-7, 3, 8)], {}),
    ("Expand", [1, 6], [ints(-7, 5, 6)], {}),
    ("Flatten", [4, 6], [], {"axis": 1}),
    ("Transpose", [4, 6], [], {"perm": [2, 0, 1]}),
    ("Slice", [4, 6], [ints(0, 1), ints(-7, 3), ints(0, 1)], {}),
    ("Concat", [4, 6], [floats(1, 2, 6)], {"axis": 1}),
    ("Add", [4, 6], [floats(1, 4, 6)], {}),
    ("MatMul", [4, 6], [floats(6, 5)], {}),
    ("MatMul", [4, 6], [floats(1, 6, 5)], {}),
    ("Gemm", [6], [floats(6, 5), floats(5)], {}),
    ("Softmax", [4, 6], [], {"axis": -1}),
    ("ReduceMean", [4, 6], [ints(1)], {"keepdims": 0}),
    ("ArgMax", [4, 6], [], {"axis": 2, "keepdims": 0}),
    ("LayerNormalization", [4, 6], [floats(6), floats(6)], {"axis": -1}),
    ("Conv", [4, 6, 6], [floats(3, 4, 3, 3)], {}),
    ("Resize", [4, 6, 6], [np.array([], np.float32), np.array([], np.float32), ints(-7, 4, 12, 12)], {}),
    ("Pad", [4, 6], [ints(0, 1, 0, 0, 0, 2)], {}),
    ("Tile", [4, 6], [ints(1, 2, 1)], {}),
    ("Einsum", [4, 6], [floats(6, 5)], {"equation": "bij,jk->bik"}),
    ("Gather", [4, 6], [ints(2, 0)], {"axis": 1}),
    ("CumSum", [4, 6], [np.array(2)], {}),
    ("Unsqueeze", [4, 6], [ints(0, 2)], {}),
    ("Trilu", [4, 6], [], {}),
]
MIXES_SAMPLES: list[Case] = [
    ("Softmax", [4], [], {"axis": 0}),
    ("ReduceMean", [4], [ints(0)], {}),
    ("ReduceMean", [4], [], {}),
    ("Squeeze", [4], [], {}),
    ("Gather", [4], [ints(0, 0)], {"axis": 0}),
    ("CumSum", [4], [np.array(0)], {}),
    ("Add", [4], [floats(5, 4)], {}),
    ("Pad", [4], [ints(1, 0, 0, 0)], {}),
    ("Tile", [4], [ints(2, 1)], {}),
    ("NonZero", [4], [], {}),
    (
        "Resize",
        [4, 6, 6],
        [np.array([0, 0, 0, 0, 1, 1, 1, 1], np.float32), np.array([1, 1, 2, 2], np.float32)],
        {"coordinate_transformation_mode": "tf_crop_and_resize"},
    ),
    ("LSTM", [4, 6], [floats(1, 8, 6), floats(1, 8, 2)], {"hidden_size": 2}),  # goes through the samples in time
    ("BatchNormalization", [4], [floats(4)] * 4, {"training_mode": 1}),
    ("MaxPool", [4, 6], [], {"kernel_shape": [2]}),
]


def net(case: Case, samples: int) -> onnx_proto.Model:
    """A model of one node after another that needs nothing; -7 in the inputs stands for the number of samples."""
    op, shape, others, attributes = case
    names = [f"c{index}" for index in range(len(others))]
    arrays = [
        np.where(each == -7, samples, each).astype(each.dtype) if each.dtype == np.int64 else each for each in others
    ]
    stored = [tensor(name, each) for name, each in zip(names, arrays, strict=True)]
    outputs = ["y", "more"] if op == "MaxPool" else ["y"]
    nodes = [node("Neg", ["x"], ["h"]), node(op, ["h", *names], outputs, name="the_node", attributes=attributes)]
    return model(graph(nodes, [value("x", "float32", [samples, *shape])], outputs, stored), opset_imports=20)


def with_samples(case: Case, samples: int) -> Case:
    """The case with what is joined with or added to samples repeated for each of them."""
    op, shape, others, attributes = case
    if op in ("Add", "Concat"):
        others = [np.repeat(each, samples, axis=0) for each in others]
    return op, shape, others, attributes


def outputs_of(net: onnx_proto.Model, x: np.ndarray, path: Path) -> np.ndarray:
    onnx_proto.save(net, path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("case", TREATS_SAMPLES_ALIKE, ids=lambda case: case[0])
def test_every_sample_gives_what_it_gave_alone(case: Case, samples: int, tmp_path: Path) -> None:
    fixed = net(with_samples(case, samples), samples)
    freed = free(fixed, FreeSize("batch"), "net.onnx")
    x = floats(6, *case[1])
    together = outputs_of(freed, x, tmp_path / "freed.onnx")
    parts = [outputs_of(fixed, x[start : start + samples], tmp_path / "fixed.onnx") for start in range(0, 6, samples)]
    axis = next(axis for axis, size in enumerate(together.shape) if size != parts[0].shape[axis])
    np.testing.assert_allclose(together, np.concatenate(parts, axis), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("case", MIXES_SAMPLES, ids=lambda case: case[0])
def test_what_mixes_samples_is_refused(case: Case, samples: int) -> None:
    if case[0] == "Add" and samples == 2:
        pytest.skip("no model: 2 and 5 rows cannot be added")
    with pytest.raises(UnsupportedError, match="the_node"):
        free(net(case, samples), FreeSize("batch"), "net.onnx")


@pytest.mark.parametrize(
    "case", [("Reshape", [4, 6], [ints(3, 16)], {}), ("Add", [4], [floats(2, 4)], {})], ids=lambda case: case[0]
)
def test_what_tells_two_samples_apart_is_refused(case: Case) -> None:
    with pytest.raises(UnsupportedError, match="the_node"):
        free(net(case, 2), FreeSize("batch"), "net.onnx")


@pytest.mark.parametrize(
    ("text", "message"),
    [("x:5=batch", "no input with an axis 5"), ("z:0=batch", "'z' is no input"), ("x:1=batch", "not fixed")],
)
def test_there_is_no_such_size(text: str, message: str) -> None:
    net = model(graph([node("Neg", ["x"], ["y"])], [value("x", "float32", [2, "seq"])], ["y"]), opset_imports=20)
    with pytest.raises(DynamicError, match=message):
        Changes(dynamic=(text,)).apply(net, "net.onnx")


def test_sizes_are_named_with_or_without_places() -> None:
    assert parse(["batch", "a:0=n", "b:1=n"]) == [FreeSize("batch"), FreeSize("n", (("a", 0), ("b", 1)))]
    with pytest.raises(DynamicError, match="write NAME or INPUT:AXIS=NAME"):
        parse(["no name"])
