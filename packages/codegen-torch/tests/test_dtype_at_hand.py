"""A cast to the model's float type names no type: it follows a tensor that is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import graph, model, node, tensor, value
from samples import body, converted

from codegen_torch.modules.scopes import metadata_of

INSIDE = metadata_of(["norm"], ["WideNorm"])


@pytest.mark.parametrize("kind", ["float16", "float64"])
def test_a_module_without_such_parameters_asks_its_argument(tmp_path: Path, kind: str) -> None:
    code = int(getattr(onnx_proto.DataType, kind.upper().replace("FLOAT64", "DOUBLE")))
    nodes = [
        node("Cast", ["x"], ["wide"], to=1, metadata=INSIDE),
        node("LayerNormalization", ["wide", "scale"], ["even"], metadata=INSIDE),
        node("Cast", ["even"], ["narrow"], to=code, metadata=INSIDE),
        node("MatMul", ["narrow", "w"], ["y"]),
    ]
    stored = [tensor("scale", np.ones(4, np.float32)), tensor("w", np.zeros((4, 40), kind))]
    text, _ = converted(tmp_path, model(graph(nodes, [value("x", kind, ["n", 4])], ["y"], stored)))
    assert "return self.norm(x.to(torch.float32)).to(x.dtype)\n" in body(text)
