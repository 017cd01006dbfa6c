"""Files as the converters of opsets 1 to 8 wrote them: Caffe2, CNTK, MATLAB, keras2onnx, and the oldest of PyTorch.

They are small and made by hand, but in those converters' ways: every initializer is a graph input, too, results are
told where they may be stored, operands are broadcast from an axis, and what is an input today is an attribute. What
must come out is written down with torch or numpy; where ONNX Runtime still runs such a file, it is asked, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from codegen_torch.errors import UnsupportedError
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

rng = np.random.default_rng(17)
Weights = Mapping[str, np.ndarray]


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> np.ndarray:
    return rng.random(shape).astype(np.float32) + np.float32(0.5)


def file(
    nodes: Sequence[Any],
    inputs: Mapping[str, Sequence[Any]],
    weights: Weights,
    output: str,
    *,
    opset: int | None,
    ir: int = 3,
    listed: bool = True,
) -> onnx.ModelProto:
    """A model of an old kind.

    Args:
        nodes: The nodes.
        inputs: The dims of each float input.
        weights: The initializers.
        output: The graph's output.
        opset: The version it imports; None for a file from before there were versions.
        ir: The version of the format; up to 3, every initializer is a graph input.
        listed: Whether the initializers are graph inputs, too.
    """
    listing = [helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims)) for name, dims in inputs.items()]
    if listed:
        for name, array in weights.items():
            kind = helper.np_dtype_to_tensor_dtype(array.dtype)
            listing.append(helper.make_tensor_value_info(name, kind, array.shape))
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    result = helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "old", listing, [result], stored)
    model = helper.make_model(graph, opset_imports=[] if opset is None else [helper.make_opsetid("", opset)])
    if opset is None:
        del model.opset_import[:]
    model.ir_version = ir
    return model


def load(model: onnx.ModelProto, folder: Path) -> nn.Module:
    """The whole road: written, converted, imported."""
    folder.mkdir(exist_ok=True)
    path = folder / "old.onnx"
    path.write_bytes(model.SerializeToString())
    convert(path, folder / "out")
    return import_model(folder / "out").load_model()


def check(
    model: onnx.ModelProto, folder: Path, fed: Mapping[str, np.ndarray], wanted: Any, *, ask: bool = False
) -> None:
    """Compares what the generated model computes with what must come out and, if asked, with ONNX Runtime."""
    with torch.no_grad():
        found = load(model, folder)(*(torch.from_numpy(array) for array in fed.values())).numpy()
    wanted = wanted.numpy() if isinstance(wanted, Tensor) else np.asarray(wanted)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    if ask:
        onnxruntime.set_default_logger_severity(4)
        session = onnxruntime.InferenceSession(model.SerializeToString())
        np.testing.assert_allclose(found, session.run(None, dict(fed))[0], rtol=1e-4, atol=1e-5)


def node(op: str, inputs: str, outputs: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def t(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array)


CAFFE2 = {
    "conv1_w": floats(4, 3, 3, 3),
    "conv1_b": floats(4),
    "bn_s": positive(4),
    "bn_b": floats(4),
    "bn_m": floats(4),
    "bn_v": positive(4),
    "fc_w": floats(5, 4 * 4 * 4),
    "fc_b": floats(5),
}


@pytest.mark.parametrize(("opset", "ir"), [(None, 1), (None, 2), (1, 3), (2, 3), (3, 3), (5, 3)])
def test_a_network_of_caffe2(opset: int | None, ir: int, tmp_path: Path) -> None:
    """Normalization in test mode, consumed inputs, a dropout that does nothing, a reshape by attribute."""
    version = opset or 1
    reshape = (
        [node("Reshape", "pool", "flat", shape=[0, -1])] if version < 5 else [node("Reshape", "pool shape", "flat")]
    )
    consumed = {"consumed_inputs": [0]} if version < 6 else {}
    nodes = [
        node("Conv", "data conv1_w conv1_b", "conv1", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1]),
        node(
            "BatchNormalization",
            "conv1 bn_s bn_b bn_m bn_v",
            "bn1",
            consumed_inputs=[0, 0, 0, 1, 1],
            epsilon=1e-5,
            is_test=1,
            spatial=1,
            momentum=0.9,
        ),
        node("Relu", "bn1", "relu1", **consumed),
        node("MaxPool", "relu1", "pool", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 0, 0]),
        node("Dropout", "pool", "drop mask", is_test=1, ratio=0.5, **consumed),
        *reshape,
        node("Gemm", "flat fc_w fc_b", "fc", transB=1, broadcast=1),
        node("Softmax", "fc", "prob", axis=1),
    ]
    weights = CAFFE2 if version < 5 else {**CAFFE2, "shape": np.array([0, -1])}
    x = floats(2, 3, 8, 8)
    y = F.conv2d(t(x), t(CAFFE2["conv1_w"]), t(CAFFE2["conv1_b"]), padding=1)
    y = F.batch_norm(y, *(t(CAFFE2[f"bn_{part}"]) for part in "mvsb"), eps=1e-5)
    y = F.max_pool2d(F.relu(y), 2).flatten(1)
    wanted = F.softmax(F.linear(y, t(CAFFE2["fc_w"]), t(CAFFE2["fc_b"])), 1)
    model = file(nodes, {"data": [2, 3, 8, 8]}, weights, "prob", opset=opset, ir=ir)
    check(model, tmp_path, {"data": x}, wanted)


def test_the_arguments_of_an_old_model_are_its_data_alone(tmp_path: Path) -> None:
    nodes = [node("Gemm", "data fc_w fc_b", "fc", transB=1, broadcast=1)]
    weights = {name: CAFFE2[name] for name in ("fc_w", "fc_b")}
    model = load(file(nodes, {"data": ["N", 64]}, weights, "fc", opset=3), tmp_path)
    assert {name: tuple(p.shape) for name, p in model.named_parameters()} == {
        "linear.weight": (5, 64),
        "linear.bias": (5,),
    }
    assert model(torch.zeros(3, 64)).shape == (3, 5)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow"])
@pytest.mark.parametrize("opset", [1, 6])
def test_operands_are_broadcast_from_an_axis(op: str, opset: int, tmp_path: Path) -> None:
    function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Pow": np.power}[op]
    x, scale = positive(2, 3, 4, 5), positive(3, 4)
    consumed = {"consumed_inputs": [0, 0]} if opset < 6 and op != "Pow" else {}
    nodes = [node(op, "x scale", "y", broadcast=1, axis=1, **consumed)]
    model = file(nodes, {"x": ["N", 3, 4, "W"]}, {"scale": scale}, "y", opset=opset)
    check(model, tmp_path, {"x": x}, function(x, scale[..., None]))


@pytest.mark.parametrize("opset", [1, 6])
def test_operands_are_broadcast_from_the_end_where_no_axis_is_said(opset: int, tmp_path: Path) -> None:
    x, y = floats(2, 3, 4), floats(3, 4)
    model = file([node("Add", "x y", "z", broadcast=1)], {"x": [2, 3, 4], "y": [3, 4]}, {}, "z", opset=opset)
    check(model, tmp_path, {"x": x, "y": y}, x + y)


@pytest.mark.parametrize("op", ["Greater", "Less", "And", "Or", "Xor", "Equal"])
def test_comparisons_are_broadcast_from_an_axis(op: str, tmp_path: Path) -> None:
    """Booleans and integers come by casts, which named their types at first."""
    logical = op in ("And", "Or", "Xor")
    kind = "BOOL" if logical else "FLOAT" if op != "Equal" else "INT32"
    nodes = [
        node("Cast", "x", "a", to=kind),
        node("Cast", "y", "b", to=kind),
        node(op, "a b", "c", broadcast=1, axis=1),
        node("Cast", "c", "z", to="FLOAT"),
    ]
    x, y = np.round(floats(2, 3, 4)), np.round(floats(3))
    function = {
        "Greater": np.greater,
        "Less": np.less,
        "Equal": lambda a, b: a.astype(np.int32) == b.astype(np.int32),
        "And": np.logical_and,
        "Or": np.logical_or,
        "Xor": np.logical_xor,
    }[op]
    model = file(nodes, {"x": [2, 3, 4], "y": [3]}, {}, "z", opset=5)
    check(model, tmp_path, {"x": x, "y": y}, function(x, y[:, None]).astype(np.float32))


CNTK = {
    "Parameter5": floats(4, 1, 5, 5),
    "Parameter6": floats(4, 1, 1),
    "Parameter193": floats(4, 4, 4, 6),
    "Pooling66_Output_0_reshape0_shape": np.array([1, 64]),
    "Parameter193_reshape1_shape": np.array([64, 6]),
    "Parameter194": floats(1, 6),
}


@pytest.mark.parametrize("opset", [7, 8])
def test_a_network_of_cntk(opset: int, tmp_path: Path) -> None:
    """Weights of four dimensions that a reshape makes matrices, padding of equal size, names of the toolkit."""
    nodes = [
        node("Reshape", "Parameter193 Parameter193_reshape1_shape", "Parameter193_reshape1"),
        node(
            "Conv",
            "Input3 Parameter5",
            "Convolution28_Output_0",
            kernel_shape=[5, 5],
            auto_pad="SAME_UPPER",
            strides=[1, 1],
            dilations=[1, 1],
            group=1,
        ),
        node("Add", "Convolution28_Output_0 Parameter6", "Plus30_Output_0"),
        node("Relu", "Plus30_Output_0", "ReLU32_Output_0"),
        node(
            "MaxPool",
            "ReLU32_Output_0",
            "Pooling66_Output_0",
            kernel_shape=[2, 2],
            strides=[2, 2],
            pads=[0, 0, 0, 0],
            auto_pad="NOTSET",
        ),
        node("Reshape", "Pooling66_Output_0 Pooling66_Output_0_reshape0_shape", "Pooling66_Output_0_reshape0"),
        node("MatMul", "Pooling66_Output_0_reshape0 Parameter193_reshape1", "Times212_Output_0"),
        node("Add", "Times212_Output_0 Parameter194", "Plus214_Output_0"),
    ]
    x = floats(1, 1, 8, 8)
    y = F.max_pool2d(F.relu(F.conv2d(t(x), t(CNTK["Parameter5"]), padding=2) + t(CNTK["Parameter6"])), 2)
    wanted = y.reshape(1, 64) @ t(CNTK["Parameter193"]).reshape(64, 6) + t(CNTK["Parameter194"])
    model = file(nodes, {"Input3": [1, 1, 8, 8]}, CNTK, "Plus214_Output_0", opset=opset)
    check(model, tmp_path, {"Input3": x}, wanted, ask=True)


@pytest.mark.parametrize("opset", [6, 7, 8])
def test_a_network_of_matlab(opset: int, tmp_path: Path) -> None:
    """The mean is subtracted first, local responses are normalized, and names are labels for people."""
    weights = {
        "data_Mean": floats(1, 3, 6, 6),
        "conv 1_W": floats(4, 3, 3, 3),
        "conv 1_B": floats(4),
        "fc_W": floats(2, 4 * 4 * 4),
        "fc_B": floats(2),
    }
    nodes = [
        helper.make_node(
            "Sub", ["input data", "data_Mean"], ["data"], "data", **({"broadcast": 1, "axis": 1} if opset < 7 else {})
        ),
        helper.make_node(
            "Conv",
            ["data", "conv 1_W", "conv 1_B"],
            ["conv 1"],
            "conv 1",
            kernel_shape=[3, 3],
            pads=[0, 0, 0, 0],
            group=1,
        ),
        helper.make_node("Relu", ["conv 1"], ["relu (1)"], "relu (1)"),
        helper.make_node("LRN", ["relu (1)"], ["norm"], "norm", size=3, alpha=1e-2, beta=0.75, bias=1.0),
        helper.make_node("Flatten", ["norm"], ["flat"], "flat", axis=1),
        helper.make_node(
            "Gemm", ["flat", "fc_W", "fc_B"], ["fc"], "fc", transB=1, **({"broadcast": 1} if opset < 7 else {})
        ),
    ]
    x = floats(2, 3, 6, 6)
    if opset < 7:
        weights["data_Mean"] = weights["data_Mean"][0]
    y = F.relu(F.conv2d(t(x - weights["data_Mean"]), t(weights["conv 1_W"]), t(weights["conv 1_B"])))
    y = F.local_response_norm(y, 3, 1e-2, 0.75, 1.0).flatten(1)
    wanted = F.linear(y, t(weights["fc_W"]), t(weights["fc_B"]))
    model = file(nodes, {"input data": [2, 3, 6, 6]}, weights, "fc", opset=opset)
    check(model, tmp_path, {"input data": x}, wanted, ask=opset >= 7)


@pytest.mark.parametrize("opset", [7, 8])
def test_a_network_of_keras2onnx(opset: int, tmp_path: Path) -> None:
    """Channels come last and are moved, relu6 is a Clip by attributes, pads and scales are attributes."""
    weights = {
        "kernel": floats(4, 2, 3, 3),
        "bias": floats(4),
        "dense/kernel:0": floats(4, 3),
        "dense/bias:0": floats(3),
    }
    nodes = [
        node("Transpose", "input_1", "moved", perm=[0, 3, 1, 2]),
        node("Pad", "moved", "padded", mode="constant", pads=[0, 0, 0, 1, 0, 0, 1, 0], value=0.5),
        node("Conv", "padded kernel bias", "conv", kernel_shape=[3, 3], strides=[2, 2], auto_pad="VALID"),
        node("Clip", "conv", "relu6", min=0.0, max=6.0),
        node("Upsample", "relu6", "up", mode="nearest", scales=[1.0, 1.0, 2.0, 2.0]),
        node("Slice", "up", "cut", axes=[2, 3], starts=[0, 1], ends=[5, 9223372036854775807]),
        node("ReduceMean", "cut", "pooled", axes=[2, 3], keepdims=1),
        node("Squeeze", "pooled", "flat", axes=[2, 3]),
        node("Dropout", "flat", "kept mask", ratio=0.3),
        node("MatMul", "kept dense/kernel:0", "dense"),
        node("Add", "dense dense/bias:0", "logits"),
        node("Softmax", "logits", "probabilities"),
    ]
    x = floats(2, 7, 8, 2)
    y = F.pad(t(x).permute(0, 3, 1, 2), (1, 0, 0, 1), value=0.5)
    y = F.conv2d(y, t(weights["kernel"]), t(weights["bias"]), stride=2).clamp(0, 6)
    y = F.interpolate(y, scale_factor=2)[:, :, :5, 1:].mean((2, 3))
    wanted = F.softmax(y @ t(weights["dense/kernel:0"]) + t(weights["dense/bias:0"]), 1)
    model = file(nodes, {"input_1": [2, 7, 8, 2]}, weights, "probabilities", opset=opset)
    check(model, tmp_path, {"input_1": x}, wanted, ask=True)


def test_embeddings_of_keras2onnx(tmp_path: Path) -> None:
    """Positions come as floats and are cast; axes are attributes; a mask is made of comparisons."""
    table = floats(9, 4)
    nodes = [
        node("Cast", "ids", "positions", to=TensorProto.INT32),
        node("Gather", "table positions", "rows"),
        node("Unsqueeze", "ids", "column", axes=[2]),
        node("Greater", "column zero", "used"),
        node("Cast", "used", "mask", to=TensorProto.FLOAT),
        node("Mul", "rows mask", "masked"),
        node("ReduceSum", "masked", "sum", axes=[1], keepdims=0),
    ]
    ids = np.float32([[1, 3, 0, 8], [0, 2, 2, 5]])
    model = file(nodes, {"ids": ["N", 4]}, {"table": table, "zero": np.float32([0])}, "sum", opset=8)
    wanted = (table[ids.astype(int)] * (ids > 0)[..., None]).sum(1)
    check(model, tmp_path, {"ids": ids}, wanted, ask=True)


@pytest.mark.parametrize(
    ("op", "opset", "attributes", "wanted"),
    [
        ("Upsample", 1, {"height_scale": 2.0, "width_scale": 3.0}, lambda x: x.repeat(2, 2).repeat(3, 3)),
        ("Upsample", 7, {"scales": [1.0, 1.0, 2.0, 3.0]}, lambda x: x.repeat(2, 2).repeat(3, 3)),
        ("Pad", 1, {"paddings": [0, 0, 1, 0, 0, 0, 0, 2], "mode": "edge"}, lambda x: np.pad(x, _WIDTHS, "edge")),
        ("Pad", 2, {"pads": [0, 0, 1, 0, 0, 0, 0, 2], "mode": "reflect"}, lambda x: np.pad(x, _WIDTHS, "reflect")),
        ("Slice", 1, {"starts": [1, -2], "ends": [5, 9]}, lambda x: x[1:5, -2:9]),
        ("Squeeze", 1, {"axes": [0]}, lambda x: x[0]),
        ("Unsqueeze", 1, {"axes": [0, 5]}, lambda x: x[None, ..., None]),
        ("Concat", 1, {}, lambda x: x),
        ("Flatten", 1, {"axis": 2}, lambda x: x.reshape(2, 30)),
        ("Transpose", 1, {}, lambda x: x.T),
        ("Reshape", 1, {"shape": [0, 6, -1], "consumed_inputs": [0]}, lambda x: x.reshape(1, 6, 10)),
        ("Cast", 1, {"to": "FLOAT"}, lambda x: x),
        ("Clip", 1, {"min": -0.5, "max": 0.5, "consumed_inputs": [0]}, lambda x: x.clip(-0.5, 0.5)),
        ("Clip", 6, {"min": -0.5}, lambda x: x.clip(-0.5)),
        ("ReduceMax", 1, {"axes": [1, 3], "keepdims": 0}, lambda x: x.max((1, 3))),
        ("ReduceLogSumExp", 1, {"axes": [-1]}, lambda x: np.log(np.exp(x).sum(-1, keepdims=True))),
        ("ArgMax", 1, {"axis": 3}, lambda x: x.argmax(3)[..., None]),
        ("Exp", 1, {"consumed_inputs": [0]}, np.exp),
        ("Elu", 1, {"alpha": 2.0, "consumed_inputs": [0]}, lambda x: np.where(x < 0, 2 * np.expm1(x), x)),
        ("LeakyRelu", 1, {"consumed_inputs": [0]}, lambda x: np.where(x < 0, np.float32(0.01) * x, x)),
        ("HardSigmoid", 1, {"consumed_inputs": [0]}, lambda x: np.clip(np.float32(0.2) * x + np.float32(0.5), 0, 1)),
        ("Selu", 1, {"alpha": 1.5, "gamma": 2.0}, lambda x: 2 * np.where(x < 0, 1.5 * np.expm1(x), x)),
        ("InstanceNormalization", 1, {"consumed_inputs": [0]}, None),
        ("GlobalAveragePool", 1, {}, lambda x: x.mean((2, 3), keepdims=True)),
        ("GlobalLpPool", 1, {"p": 2.0}, lambda x: np.sqrt((x * x).sum((2, 3), keepdims=True))),
        ("LpPool", 1, {"kernel_shape": [2, 2], "p": 2.0}, None),
        ("LpNormalization", 1, {"axis": 1, "p": 1}, lambda x: x / abs(x).sum(1, keepdims=True)),
        ("AveragePool", 1, {"kernel_shape": [2, 2], "strides": [1, 1]}, None),
        ("Hardmax", 1, {"axis": 2}, None),
        ("DepthToSpace", 1, {"blocksize": 1}, lambda x: x),
        ("Sum", 1, {"consumed_inputs": [0]}, lambda x: x),
        ("Mean", 1, {"consumed_inputs": [0]}, lambda x: x),
        ("Tanh", 1, {"consumed_inputs": [0]}, np.tanh),
        ("TopK", 1, {"k": 2, "axis": 3}, lambda x: -np.sort(-x, -1)[..., :2]),
    ],
    ids=lambda value: value if isinstance(value, str | int) else "",
)
def test_operators_of_old(op: str, opset: int, attributes: dict[str, Any], wanted: Any, tmp_path: Path) -> None:
    x = floats(1, 2, 5, 6)
    weights: dict[str, np.ndarray] = {}
    inputs, outputs = "x", "y"
    if op == "InstanceNormalization":
        weights, inputs = {"s": positive(2), "b": floats(2)}, "x s b"
        expected = F.instance_norm(t(x), weight=t(weights["s"]), bias=t(weights["b"]), eps=1e-5)
    elif op == "LpPool":
        expected = F.lp_pool2d(t(abs(x)), 2, 2, stride=1)
    elif op == "AveragePool":
        expected = F.avg_pool2d(t(x), 2, 1)
    elif op == "Hardmax":
        rows = x.reshape(2, 30)
        expected = (np.arange(30) == rows.argmax(1)[:, None]).astype(np.float32).reshape(x.shape)
    else:
        expected = wanted(x)
    if op == "TopK":
        outputs = "y places"
    model = file([node(op, inputs, outputs, **attributes)], {"x": [1, 2, 5, 6]}, weights, "y", opset=opset)
    if op == "ArgMax":
        model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    check(model, tmp_path, {"x": x}, expected)


_WIDTHS = ((0, 0), (0, 0), (1, 0), (0, 2))


@pytest.mark.parametrize("opset", [1, 6, 7])
def test_normalization_of_every_element(opset: int, tmp_path: Path) -> None:
    """Without ``spatial`` there is a scale for each element, not for each channel."""
    x = floats(3, 2, 4, 5)
    weights = {"s": positive(2, 4, 5), "b": floats(2, 4, 5), "m": floats(2, 4, 5), "v": positive(2, 4, 5)}
    attributes = {"spatial": 0, "epsilon": 1e-3}
    attributes |= {"is_test": 1} if opset < 7 else {}
    attributes |= {"consumed_inputs": [0, 0, 0, 1, 1]} if opset < 6 else {}
    nodes = [node("BatchNormalization", "x s b m v", "y", **attributes)]
    wanted = (x - weights["m"]) / np.sqrt(weights["v"] + np.float32(1e-3)) * weights["s"] + weights["b"]
    check(file(nodes, {"x": [3, 2, 4, 5]}, weights, "y", opset=opset), tmp_path, {"x": x}, wanted)


@pytest.mark.parametrize("opset", [1, 6, 7, 8])
def test_a_dropout_whose_mask_is_used(opset: int, tmp_path: Path) -> None:
    """In test mode nothing is dropped, and the mask says so; opset 10 was the first where its type is bool."""
    attributes = {"is_test": 1} if opset < 7 else {}
    nodes = [node("Dropout", "x", "kept mask", **attributes), node("Mul", "kept mask", "y")]
    x = floats(2, 3)
    check(file(nodes, {"x": [2, 3]}, {}, "y", opset=opset), tmp_path, {"x": x}, x)


def test_an_input_with_a_default_is_a_weight(tmp_path: Path) -> None:
    """A file of IR 3 cannot tell the two apart; one of IR 4 lists as inputs what may be replaced."""
    scale = floats(3)
    for ir in (3, 4):
        model = load(
            file([node("Mul", "x scale", "y")], {"x": ["N", 3]}, {"scale": scale}, "y", opset=8, ir=ir), tmp_path
        )
        assert list(dict(model.named_parameters())) == ["scale"]


def test_a_weight_that_is_no_input_is_one_too(tmp_path: Path) -> None:
    model = file([node("Mul", "x s", "y")], {"x": [2, 3]}, {"s": floats(3)}, "y", opset=7, ir=4, listed=False)
    x = floats(2, 3)
    check(model, tmp_path, {"x": x}, x * numpy_helper.to_array(model.graph.initializer[0]), ask=True)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (node("Cast", "x", "y", to="FLOAT_OF_OLD"), "there is no element type"),
        (node("Upsample", "x", "y", height_scale=2.0, width_scale=2.0, mode="cubic"), "mode 'cubic' is not supported"),
    ],
    ids=["type", "mode"],
)
def test_what_never_was_is_refused(made: onnx.NodeProto, reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        load(file([made], {"x": [1, 1, 2, 2]}, {}, "y", opset=1), tmp_path)
