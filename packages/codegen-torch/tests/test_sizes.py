"""Symbolic sizes: read off what a module is given or computes, or handed in by its caller."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
from onnx_proto.build import tensor
from samples import body, call, classes_of, converted, made, weights

TENSORS = [
    *weights(w=[4, 4]),
    tensor("first", np.int64(0)),
    tensor("at", np.array([0], np.int64)),
    tensor("rest", np.array([2, 2], np.int64)),
    tensor("flat", np.array([-1], np.int64)),
]


def reshaped(source: str, sized: str, target: str, path: str = "") -> list[onnx_proto.Node]:
    """``source`` with as many rows as ``sized`` has."""
    names = {name: f"{target}_{name}" for name in ("shape", "rows", "row", "all")}
    return [
        call("Shape", sized, names["shape"], path),
        call("Gather", f"{names['shape']} first", names["rows"], path),
        call("Unsqueeze", f"{names['rows']} at", names["row"], path),
        call("Concat", f"{names['row']} rest", names["all"], path, axis=0),
        call("Reshape", f"{source} {names['all']}", target, path),
    ]


def test_a_size_is_read_off_a_parameter() -> None:
    nodes = [
        call("MatMul", "x w", "h", "block"),
        call("Shape", "h", "s", "block"),
        call("Gather", "s first", "rows", "block"),
        call("Range", "first rows one", "r", "block"),
        call("Cast", "r", "f", "block", to=1),
        call("Unsqueeze", "f at1", "u", "block"),
        call("Mul", "h u", "y", "block"),
    ]
    root, sizes, _ = classes_of(
        made(nodes, [*TENSORS, tensor("one", np.int64(1)), tensor("at1", np.array([1], np.int64))])
    )
    (region,) = root.children
    ((name, (value, axis)),) = sizes[region].sources.items()
    assert (name, value, axis) == ("batch", region.params[0], 0)
    assert sizes[region].arguments == []


def test_a_size_that_nothing_at_hand_has_is_handed_in(tmp_path: Path) -> None:
    nodes = [
        call("Reshape", "x flat", "f"),
        call("Sin", "f", "s", "block"),
        *reshaped("s", "x", "r", "block")[4:],
        call("Cos", "r", "y", "block"),
    ]
    nodes = [*reshaped("s", "x", "r")[:4], *nodes]
    root, sizes, _ = classes_of(made(nodes, TENSORS))
    (region,) = root.children
    assert sizes[region].arguments == ["batch"]
    text, _ = converted(tmp_path, made(nodes, TENSORS))
    assert "def forward(self, x: Tensor, batch: int) -> Tensor:" in text
    assert "self.block(x.flatten(), batch)" in text


def test_inputs_keep_their_names_where_a_size_has_the_same(tmp_path: Path) -> None:
    nodes = [call("Reshape", "x flat", "f"), call("Add", "f batch", "g"), *reshaped("g", "x", "y")]
    source = made(nodes, TENSORS, inputs={"x": ["batch", 4], "batch": [1]})
    text, _ = converted(tmp_path, source)
    assert "def forward(self, x: Tensor, batch: Tensor) -> Tensor:" in text
    assert "batch2 = x.shape[0]" in body(text)
