"""Outlining never changes what is computed: with any scopes a model computes what it computes with none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
import torch
from codegen_torch import convert
from converted import import_model
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_proto.build import graph, model, node, tensor, value

PATHS = ["", "a", "a.b", "a.b.0", "a.b.1", "a.c", "d", "d.0", "d.1", "d.1.0", "e.0", "e.1", "values.keys", "a.b.0.b"]
CLASSES = ["Block", "Layer", "torch.nn.modules.container.Sequential"]
UNARY = ["Relu", "Sigmoid", "Neg", "Identity", "Softmax"]
BINARY = ["Add", "Sub", "Mul", "Where", "Concat"]
LEARNED = ["MatMul", "Gemm", "Scale", "LayerNormalization"]
CHOOSING = ["Split", "Gather", "Slice", "Reshape"]


@st.composite
def recipes(draw: st.DrawFn) -> list[tuple[str, int, int, int, str, int]]:
    """Operators with the positions of two operands, a small number, a scope and a weight."""
    count = draw(st.integers(2, 14))
    scopes = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=5))
    kinds = st.sampled_from(UNARY + BINARY + LEARNED * 2 + CHOOSING)
    return [
        (draw(kinds), draw(st.integers(0, 3)), draw(st.integers(0, 9)), draw(st.integers(0, 2)), draw(scope), weight)
        for scope in [st.sampled_from(scopes)]
        for weight in draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    ]


def built(recipe: list[tuple[str, int, int, int, str, int]], scoped: bool) -> onnx_proto.Model:  # noqa: C901, PLR0912  # a branch per operator
    """The model of a recipe; every value in it is float32[batch, 4]."""
    rng = np.random.default_rng(0)
    tensors = [tensor("half", np.float32(0.5)), tensor("one", np.int64([1])), tensor("shape", np.int64([-1, 4]))]
    tensors += [tensor(f"at{i}", np.int64(i)) for i in range(3)]
    tensors += [tensor(f"from{i}", np.int64([i])) for i in range(4)]
    tensors += [tensor(f"m{i}", rng.normal(size=(4, 4)).astype(np.float32)) for i in range(5)]
    tensors += [tensor(f"v{i}", rng.normal(size=4).astype(np.float32)) for i in range(5)]
    values, nodes = ["x", "y"], []
    for position, (kind, near, far, number, scope, weight) in enumerate(recipe):
        left, right, out = values[-1 - near % len(values)], values[far % len(values)], f"t{position}"
        metadata = scope_metadata(scope) if scoped else {}

        def add(
            op: str, inputs: list[str], outputs: list[str], metadata: dict = metadata, **attributes: object
        ) -> None:
            nodes.append(node(op, inputs, outputs, metadata=metadata, **attributes))

        if kind in UNARY:
            add(kind, [left], [out])
        elif kind == "Where":
            add("Greater", [left, "half"], [f"{out}c"])
            add("Where", [f"{out}c", ["half", f"v{weight}", right][number], left], [out])
        elif kind == "Concat":
            add("Concat", [left, right], [f"{out}c"], axis=1)
            add("Slice", [f"{out}c", f"from{number}", f"from{number}e", "one"], [out])
        elif kind in BINARY:
            add(kind, [left, right], [out])
        elif kind == "MatMul":
            add(kind, [left, f"m{weight}"], [out])
        elif kind == "Gemm":
            add(kind, [left, f"m{weight}", f"v{number}"], [out], transB=1)
        elif kind == "Scale":
            add("Mul", [left, f"v{weight}"], [out])
        elif kind == "LayerNormalization":
            add(kind, [left, f"v{weight}", f"v{number}"], [out])
        elif kind == "Split":
            add("Split", [left], [f"{out}s{i}" for i in range(2)], axis=1, num_outputs=2)
            add("Concat", [f"{out}s{number % 2}", f"{out}s{(number + 1) % 2}"], [out], axis=1)
        elif kind == "Gather":
            add("Gather", [left, f"at{number}"], [f"{out}g"], axis=1)
            add("Unsqueeze", [f"{out}g", "one"], [f"{out}u"])
            add("Add", [f"{out}u", left], [out])
        elif kind == "Slice":
            add("Slice", [left, f"from{number}", f"from{number + 1}", "one"], [f"{out}s"])
            add("Mul", [left, f"{out}s"], [out])
        else:
            add("Shape", [right], [f"{out}s"])
            add("Reshape", [left, f"{out}s"], [out])
        values.append(out)
    tensors += [tensor(f"from{i}e", np.int64([i + 4])) for i in range(3)]
    shape = ["batch", 4]
    outputs = [value(name, "float32", shape) for name in dict.fromkeys([values[-1], values[len(values) // 2]])]
    inputs = [value("x", "float32", shape), value("y", "float32", shape)]
    return model(graph(nodes, inputs, outputs, tensors), opset_imports=20)


def scope_metadata(scope: str) -> dict[str, str]:
    """What torch's exporter writes into a node's metadata."""
    parts = scope.split(".") if scope else []
    paths = ["", *(".".join(parts[: depth + 1]) for depth in range(len(parts))), "op"]
    classes = ["main.Net", *(CLASSES[len(path) % len(CLASSES)] for path in paths[1:-1]), "aten.op"]
    return {"pkg.torch.onnx.name_scopes": repr(paths), "pkg.torch.onnx.class_hierarchy": repr(classes)}


def computed(folder: Path, source: onnx_proto.Model) -> tuple[torch.Tensor, ...]:
    folder.mkdir(exist_ok=True)
    onnx_proto.save(source, folder / "model.onnx")
    convert(folder / "model.onnx", folder, force=True)
    generated = import_model(folder).load_model()
    numbers = torch.Generator().manual_seed(0)
    with torch.no_grad():
        result = generated(torch.randn(3, 4, generator=numbers), torch.randn(3, 4, generator=numbers))
    return result if isinstance(result, tuple) else (result,)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(recipes())
def test_scopes_change_no_number(tmp_path: Path, recipe: list[tuple[str, int, int, int, str, int]]) -> None:
    flat, nested = (computed(tmp_path / name, built(recipe, name == "nested")) for name in ("flat", "nested"))
    assert len(flat) == len(nested)
    for left, right in zip(flat, nested, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5, equal_nan=True)
