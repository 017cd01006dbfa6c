"""Gradient: derivatives within a graph, against derivatives that are written down here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from codegen_torch.errors import UnsupportedError
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper, numpy_helper
from torch import nn

DOMAIN = "ai.onnx.preview.training"
A, B = np.float32([[1, -2], [3, 0.5]]), np.float32([[0.5, 1], [-1, 2]])


def gradient(inputs: str, outputs: str, xs: str, y: str, zs: str = "") -> onnx.NodeProto:
    attributes = {"xs": xs.split(), "y": y} | ({"zs": zs.split()} if zs else {})
    return helper.make_node("Gradient", inputs.split(), outputs.split(" "), domain=DOMAIN, **attributes)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], **attributes)


def converted(
    folder: Path, nodes: Sequence[onnx.NodeProto], outputs: str, inputs: str = "a b", **stored: Any
) -> tuple[nn.Module, str]:
    """The model of some nodes over matrices of any size, and its source."""
    made = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", "m"]) for name in inputs.split()]
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs.split()]
    tensors = [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in stored.items()]
    graph = helper.make_graph(list(nodes), "derived", made, results, tensors)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    convert(folder / "model.onnx", folder / "out")
    return import_model(folder / "out").load_model(), (folder / "out" / "model.py").read_text("utf-8")


def close(found: Any, *wanted: Any) -> None:
    values = found if isinstance(found, tuple) else (found,)
    for value, want in zip(values, wanted, strict=True):
        np.testing.assert_allclose(value.detach().numpy(), np.asarray(want), rtol=1e-5, atol=1e-6)


@pytest.fixture(params=[True, False], ids=["grad", "no_grad"], autouse=True)
def recording(request: pytest.FixtureRequest) -> Any:
    with torch.set_grad_enabled(request.param):
        yield


INPUTS = torch.from_numpy(A), torch.from_numpy(B)


def test_by_inputs(tmp_path: Path) -> None:
    nodes = [node("Mul", "a b", "p"), node("Mul", "p a", "y"), gradient("a b", "da db", "a b", "y")]
    model, source = converted(tmp_path, nodes, "y da db")
    close(model(*INPUTS), A * A * B, 2 * A * B, A * A)
    assert "torch.func.vjp(function, a, b)" in source


def test_by_an_intermediate(tmp_path: Path) -> None:
    nodes = [
        node("Exp", "a", "h"),
        node("Mul", "h b", "p"),
        node("Mul", "p h", "y"),
        gradient("h b", "dh db", "h b", "y"),
    ]
    model, _ = converted(tmp_path, nodes, "dh db")
    close(model(*INPUTS), 2 * np.exp(A) * B, np.exp(2 * A))


def test_at_other_values_and_with_values_that_stay(tmp_path: Path) -> None:
    nodes = [
        node("Mul", "a b", "p"),
        node("Mul", "p a", "y"),
        node("Neg", "a", "c"),
        node("Abs", "b", "d"),
        gradient("c d", "dy", "a", "y", "b"),
    ]
    model, _ = converted(tmp_path, nodes, "dy")
    close(model(*INPUTS), -2 * A * np.abs(B))


def test_an_output_that_nobody_asks_for_and_one_that_y_does_not_depend_on(tmp_path: Path) -> None:
    nodes = [node("Mul", "a a", "y"), gradient("a b", " db", "a b", "y")]
    model, _ = converted(tmp_path, nodes, "y db")
    close(model(*INPUTS), A * A, np.zeros_like(B))


def test_a_second_derivative(tmp_path: Path) -> None:
    nodes = [
        node("Mul", "a a", "s"),
        node("Mul", "s a", "y"),
        gradient("a", "first", "a", "y"),
        gradient("a", "second", "a", "first"),
    ]
    model, _ = converted(tmp_path, nodes, "y first second", "a")
    close(model(INPUTS[0]), A**3, 3 * A * A, 6 * A)


def test_by_weights_and_through_layers(tmp_path: Path) -> None:
    """The names inside of the functions and outside do not mix."""
    v, w = np.float32([[1, 2, -1], [0.5, -2, 1]]), np.float32([[1], [2], [-1]])
    nodes = [
        node("MatMul", "a v", "h"),
        node("Relu", "h", "r"),
        node("MatMul", "r w", "o"),
        node("Relu", "o", "q"),
        node("ReduceSum", "q", "y", keepdims=0),
        gradient("w r", "dw dr", "w r", "y"),
        gradient("a", "da", "a", "y"),
    ]
    model, source = converted(tmp_path, nodes, "y dw dr da", "a", v=v, w=w)
    x, first, last = (torch.from_numpy(value).requires_grad_() for value in (A, v, w))
    with torch.enable_grad():
        hidden = torch.relu(x @ first)
        hidden.retain_grad()
        y = torch.relu(hidden @ last).sum()
        y.backward()
    close(model(INPUTS[0]), y.detach(), last.grad, hidden.grad, x.grad)
    assert source.count("def function(") == 2


def test_it_can_be_trained_through(tmp_path: Path) -> None:
    nodes = [node("Mul", "a w", "p"), node("Mul", "p a", "y"), gradient("a", "dy", "a", "y")]
    model, _ = converted(tmp_path, nodes, "dy", "a", w=[2.0, 3.0])
    with torch.enable_grad():
        model(INPUTS[0]).sum().backward()
    (w,) = model.parameters()
    close(w.grad, (2 * A).sum(0))


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([gradient("a b", "g", "a b", "nowhere")], "no value of the graph"),
        ([node("Add", "a b", "y"), gradient("a", "g", "a b", "y")], "1 inputs for 2"),
        (
            [node("Identity", "a", "c"), node("Mul", "a c", "y"), gradient("c", "g", "c", "y")],
            "another name stand for one value",
        ),
    ],
    ids=str,
)
def test_refusals(nodes: list[onnx.NodeProto], reason: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        converted(tmp_path, nodes, "g")
