"""Models for the page: one of many nodes in scopes as torch's exporter writes them, and one of branches."""

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


def save_branches(path: Path) -> Path:
    """Writes a model with a choice and a loop over a list."""
    branches = {
        name: graph([node(op, ["h"], ["t"])], [], ["t"])
        for name, op in (("then_branch", "Sin"), ("else_branch", "Cos"))
    }
    body = graph(
        [node("Add", ["a", "e"], ["b"]), node("Identity", ["b"], ["c"])],
        [value("a", "float32", [4]), value("e", "float32", [4])],
        ["b", "c"],
    )
    nodes = [
        node("Abs", ["w"], ["h"]),
        node("If", ["c"], ["z"], name="choice", attributes=branches),
        node("Scan", ["h", "x"], ["s", "l"], attributes={"body": body, "num_scan_inputs": 1}),
        node("Neg", ["z"], ["y"]),
    ]
    inputs = [value("w", "float32", [4]), value("c", "bool", []), value("x", "float32", ["n", 4])]
    onnx_proto.save(model(graph(nodes, inputs, ["y", "s", "l"]), opset_imports=20), path)
    return path
