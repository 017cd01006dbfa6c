"""Models of one operator of ONNX Runtime's own, converted, written, imported and compared with ONNX Runtime."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from arrays import narrowed, to_numpy, to_torch
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Node:
    """One line of an operator's test table.

    Attributes:
        op: The operator.
        inputs: The input arrays; None where one is absent.
        attributes: Its attributes.
        baked: The positions of the inputs that are initializers.
        outputs: How many outputs the node has; those named "" are absent.
        expected: What must come out, where ONNX Runtime has no kernel; else it tells.
        domain: The operator's domain.
        fixed: The inputs whose sizes are not made symbolic.
        compared: How many outputs are compared, where ONNX Runtime leaves parts of the others unwritten.
    """

    op: str
    inputs: Sequence[Array | None]
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    baked: Sequence[int] = ()
    outputs: Sequence[str] = ("y",)
    expected: Callable[..., Any] | None = None
    domain: str = "com.microsoft"
    fixed: Sequence[int] = ()
    compared: int | None = None

    def __str__(self) -> str:
        inputs = " ".join("none" if a is None else f"{a.dtype}{list(a.shape)}" for a in self.inputs)
        return f"{self.op} {inputs} {self.attributes} baked {list(self.baked)} gives {list(self.outputs)}"


def model_of(node: Node, *, symbolic: bool = False) -> onnx.ModelProto:
    """The model of one node; with `symbolic`, every size of its inputs but those of 1 has a name of its own."""
    names = ["" if array is None else f"x{i}" for i, array in enumerate(node.inputs)]
    inputs, initializers = [], []
    for position, array in enumerate(node.inputs):
        if array is None:
            continue
        if position in node.baked:
            initializers.append(numpy_helper.from_array(np.asarray(array), names[position]))
            continue
        dtype, named = helper.np_dtype_to_tensor_dtype(array.dtype), symbolic and position not in node.fixed
        dims = [f"x{position}_{axis}" if named and size != 1 else size for axis, size in enumerate(array.shape)]
        inputs.append(helper.make_tensor_value_info(names[position], dtype, dims))
    made = helper.make_node(node.op, names, list(node.outputs), domain=node.domain, **node.attributes)
    results = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.outputs if name]
    graph = helper.make_graph([made], node.op, inputs, results, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def by_onnx_runtime(node: Node) -> list[Array]:
    """The outputs of ONNX Runtime's CPU kernel."""
    model = model_of(dataclasses.replace(node, baked=node.baked))
    for output in model.graph.output:
        output.ClearField("type")
        if output.name == "qk":  # whose type ONNX Runtime does not infer
            output.type.tensor_type.elem_type = TensorProto.FLOAT
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, _fed(node))


def check(node: Node, folder: Path, *, rtol: float = 1e-4, atol: float = 1e-5) -> str:
    """Compare a line with ONNX Runtime, at fixed and at symbolic sizes.

    Returns:
        The source of the model.
    """
    if node.expected is None:
        wanted = by_onnx_runtime(node)
    else:
        made = node.expected(*(array for array in node.inputs if array is not None))
        wanted = list(made) if isinstance(made, tuple) else [made]
    for symbolic, number in zip((True, False), itertools.count()):
        source, found = run(model_of(node, symbolic=symbolic), folder / str(number), _fed(node))
        assert len(found) == len(wanted)
        for value, want in zip(found[: node.compared], wanted[: node.compared], strict=True):
            array = narrowed(to_numpy(value), want.dtype)
            assert (array.dtype, array.shape) == (want.dtype, want.shape)
            np.testing.assert_allclose(array.astype(np.float64), want.astype(np.float64), rtol=rtol, atol=atol)
    return source


def run(model: onnx.ModelProto, folder: Path, fed: dict[str, Array]) -> tuple[str, list[torch.Tensor]]:
    """The source of a converted model, and what it makes of its inputs."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    convert(folder / "model.onnx", folder / "out")
    loaded = import_model(folder / "out").load_model()
    with torch.no_grad():
        found = loaded(*map(to_torch, fed.values()))
    source = (folder / "out" / "model.py").read_text("utf-8")
    return source, list(found) if isinstance(found, tuple) else [found]


def _fed(node: Node) -> dict[str, Array]:
    return {
        f"x{i}": np.asarray(array) for i, array in enumerate(node.inputs) if array is not None and i not in node.baked
    }
