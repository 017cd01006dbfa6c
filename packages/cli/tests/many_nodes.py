"""A model of many nodes, in the scopes that torch's exporter would have written: blocks in stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
from onnx_proto.build import graph, model, node, tensor, value

OPERATORS = ("Sin", "Tanh", "Relu", "Abs", "Sigmoid", "Cos", "Neg", "Exp")


def save_model(path: Path, nodes: int) -> Path:
    """Writes a model of about so many nodes, fifty a block: a product, branches that meet again, a skip over all."""
    made, weights, current = [], [], "x"
    for block in range(nodes // 50):
        scope = f"stages.{block // 10}.blocks.{block % 10}"
        weights.append(tensor(f"{scope}.fc.weight", np.full((4, 4), block / 100, np.float32)))
        skip = current
        for step in range(50):
            name = f"v{block}_{step}"
            inputs, op, inner = [current], OPERATORS[(block + step) % len(OPERATORS)], f"part.{step // 12}"
            if step == 0:
                inputs, op, inner = [current, weights[-1].name], "MatMul", "fc"
            elif step == 49:
                inputs, op, inner = [current, skip], "Add", ""
            elif step % 6 == 5:
                inputs, op = [current, f"v{block}_{step - 3}"], "Mul"
            made.append(node(op, inputs, [name], name=f"n{block}_{step}", metadata=_metadata(scope, inner)))
            current = name
    x = value("x", "float32", ["batch", 4])
    source = model(graph(made, [x], [current], weights), opset_imports=20)
    onnx_proto.save(source, path)
    return path


def _metadata(scope: str, inner: str) -> dict[str, str]:
    stage, block = scope.split(".blocks.")
    paths = ["", stage, f"{stage}.blocks.{block}", *([f"{stage}.blocks.{block}.{inner}"] if inner else []), "op"]
    classes = [
        "main.Net",
        "main.Stage",
        "main.Block",
        *(["torch.Linear" if inner == "fc" else "main.Part"] if inner else []),
        "op",
    ]
    return {"pkg.torch.onnx.name_scopes": repr(paths), "pkg.torch.onnx.class_hierarchy": repr(classes)}
