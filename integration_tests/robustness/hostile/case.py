"""What a hostile file is, and the sound model that most of them are made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

REFUSED = "FormatError|InvalidModelError|UnsupportedError|LimitError|ExternalDataError|UnsupportedTypeError"
"""The errors of a model that is refused."""


@dataclass(frozen=True)
class Hostile:
    """A file and what it must give.

    Attributes:
        name: Its class and what is wrong with it.
        data: The model file.
        place: A pattern that the error's words match, which name the place; empty for a model that converts.
        beside: Further files by name; text that begins with ``->`` makes a link.
        inputs: For a model that converts, what to compute on; the reference or `expected` tells what must come out.
        expected: The outputs, where the reference is not asked.
        either: Whether it may also convert, as damage may leave a model that is one.
    """

    name: str
    data: bytes
    place: str = ""
    beside: Mapping[str, bytes | str] = field(default_factory=dict)
    inputs: Mapping[str, np.ndarray] | None = None
    expected: list[Any] | None = None
    either: bool = False


def info(name: str, dims: Any = ("n", 4), kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, dims)


def array(name: str, values: Any, dtype: Any = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, dtype), name)


def made(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto] | None = None,
    outputs: list[str] | None = None,
    initializers: list[TensorProto] | None = None,
    opset: int = 20,
    functions: list[onnx.FunctionProto] | None = None,
) -> onnx.ModelProto:
    """A model; outputs state no types."""
    results = [onnx.ValueInfoProto(name=name) for name in outputs or ["y"]]
    for each in results:
        each.type.tensor_type.elem_type = TensorProto.UNDEFINED
        each.ClearField("type")
    graph = helper.make_graph(nodes, "g", inputs or [info("x")], results, initializers or [])
    imports = [helper.make_opsetid("", opset)] + ([helper.make_opsetid("own", 1)] if functions else [])
    return helper.make_model(graph, opset_imports=imports, ir_version=9, functions=functions or [])


def sound() -> onnx.ModelProto:
    """A small network with nothing wrong in it."""
    numbers = np.random.default_rng(0)
    return made(
        [
            helper.make_node("Gemm", ["x", "w1", "b1"], ["h"], name="first", transB=1, alpha=1.0),
            helper.make_node("Relu", ["h"], ["r"], name="second"),
            helper.make_node("MatMul", ["r", "w2"], ["y"], name="third"),
        ],
        initializers=[
            array("w1", numbers.normal(size=(5, 4))),
            array("b1", numbers.normal(size=5)),
            array("w2", numbers.normal(size=(5, 3))),
        ],
    )


def changed(name: str, change: Callable[[onnx.ModelProto], object], place: str) -> Hostile:
    """The sound model with something wrong in it."""
    model = sound()
    change(model)
    return Hostile(name, model.SerializeToString(), place)
