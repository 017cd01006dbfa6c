"""Names of layers that a file has no names for."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx_proto.build import node
from samples import converted, made, weights


def names(tmp_path: Path, lines: str, **shapes: tuple[int, ...]) -> list[str]:
    """The paths of the layers of a model that is written ``result = Op operand operand`` line by line."""
    nodes = []
    for line in lines.strip().splitlines():
        output, _, op, *inputs = line.split()
        nodes.append(node(op, inputs, [output]))
    _, report = converted(tmp_path, made(nodes, weights(**shapes)))
    return sorted({key.rpartition(".")[0] for key in report.keys})


GATED = """
    gate = MatMul x a
    up = MatMul x b
    sigmoid = Sigmoid gate
    silu = Mul gate sigmoid
    product = Mul silu up
    y = MatMul product c
"""


def test_a_gated_network(tmp_path: Path) -> None:
    assert names(tmp_path, GATED, a=(4, 8), b=(4, 8), c=(8, 4)) == ["down_proj", "gate_proj", "up_proj"]


WIDENING = """
    wide = MatMul x a
    active = Relu wide
    y = MatMul active b
"""


@pytest.mark.parametrize(
    ("shapes", "wanted"),
    [({"a": (4, 8), "b": (8, 4)}, ["fc1", "fc2"]), ({"a": (4, 8), "b": (8, 3)}, ["linear1", "linear2"])],
    ids=["widens and narrows", "only narrows"],
)
def test_a_feed_forward_network_returns_to_its_width(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], wanted: list[str]
) -> None:
    assert names(tmp_path, WIDENING, **shapes) == wanted


TWICE = """
    wide = MatMul x a
    active = Relu wide
    narrow = MatMul active b
    wide2 = MatMul narrow c
    active2 = Relu wide2
    y = MatMul active2 d
"""


def test_what_two_layers_could_be_called_neither_is(tmp_path: Path) -> None:
    found = names(tmp_path, TWICE, a=(4, 8), b=(8, 4), c=(4, 16), d=(16, 4))
    assert found == ["linear1", "linear2", "linear3", "linear4"]


def test_one_layer_needs_no_number(tmp_path: Path) -> None:
    assert names(tmp_path, "y = MatMul x a", a=(4, 3)) == ["linear"]
