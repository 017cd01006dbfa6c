"""A model whose layers are functions of its own, converted and run beside ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
import onnxruntime
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from onnx_proto import AttributeType
from onnx_proto.build import function, graph, model, node, ref, tensor, value

OURS = "com.example"


def perceptron() -> onnx_proto.Model:
    """Two calls of Dense, which calls Activation, which has an attribute with a default."""
    activation = function(
        "Activation",
        ["x"],
        ["y"],
        [node("LeakyRelu", ["x"], ["y"], attributes={"alpha": ref("slope", AttributeType.FLOAT)})],
        domain=OURS,
        attribute_defaults={"slope": 0.25},
    )
    dense = function(
        "Dense",
        ["x", "w", "b"],
        ["z"],
        [
            node("MatMul", ["x", "w"], ["y"]),
            node("Add", ["y", "b"], ["t"]),
            node("Activation", ["t"], ["z"], domain=OURS, attributes={"slope": ref("slope", AttributeType.FLOAT)}),
        ],
        domain=OURS,
        attributes=["slope"],
        opset_imports={"": 20, OURS: 1},
    )
    random = np.random.default_rng(0)
    weights = {"w1": (4, 8), "b1": (8,), "w2": (8, 3), "b2": (3,)}
    return model(
        graph(
            [
                node("Dense", ["x", "w1", "b1"], ["h"], domain=OURS, slope=0.5),
                node("Dense", ["h", "w2", "b2"], ["y"], domain=OURS),
            ],
            [value("x", "float32", ["batch", 4])],
            [value("y", "float32", ["batch", 3])],
            [tensor(name, random.normal(size=shape).astype(np.float32)) for name, shape in weights.items()],
        ),
        opset_imports={"": 20, OURS: 1},
        functions=[activation, dense],
    )


def test_functions_become_layers(tmp_path: Path) -> None:
    source = perceptron()
    onnx_proto.save(source, tmp_path / "net.onnx")
    convert(tmp_path / "net.onnx", tmp_path / "out")
    loaded = import_model(tmp_path / "out").load_model()
    assert [type(module).__name__ for module in loaded.children()] == ["Linear", "Linear"]
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    (expected,) = onnxruntime.InferenceSession(tmp_path / "net.onnx").run(None, {"x": x})
    with torch.no_grad():
        np.testing.assert_allclose(loaded(torch.from_numpy(x)).numpy(), expected, rtol=1e-5, atol=1e-6)
