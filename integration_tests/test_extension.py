"""Operators from a file of the user's own, converted and run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from onnx_proto.build import graph, model, node, tensor, value

OPERATORS = '''
"""Operators of com.example."""

from __future__ import annotations

import math

from codegen_torch.extension import Expr, F, helper, op, runtime


@helper
def wave(x: Tensor, amount: float) -> Tensor:
    """Bend a tensor."""
    return x + torch.sin(math.tau * amount * x)


@op("BentLinear", domain="com.example", since=1)
def bent_linear(x: Expr, weight: Expr, *, amount: float = 1.0) -> Expr:
    return F.linear(runtime.wave(x, amount), weight)
'''


def test_an_operator_with_a_weight_and_a_helper(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    nodes = [node("BentLinear", ["x", "w"], ["y"], domain="com.example", amount=0.5)]
    source = model(
        graph(nodes, [value("x", "float32", ["batch", 4])], ["y"], [tensor("w", weight)]),
        opset_imports={"": 20, "com.example": 1},
    )
    onnx_proto.save(source, tmp_path / "net.onnx")
    (tmp_path / "my_ops.py").write_text(OPERATORS, "utf-8")
    convert(tmp_path / "net.onnx", tmp_path / "out", ops=[tmp_path / "my_ops.py"])
    loaded = import_model(tmp_path / "out").load_model()
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found = loaded(x)
    expected = (x + torch.sin(np.pi * x)) @ torch.from_numpy(weight).T
    torch.testing.assert_close(found, expected)
