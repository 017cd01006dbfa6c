"""Nodes that tell no scope between nodes that do."""

from __future__ import annotations

import dataclasses

import onnx_proto
import pytest
from onnx_proto.build import graph, model, node, value

from codegen_torch.exporters import tell_scopes
from codegen_torch.modules.scopes import metadata_of, root_class, scope_of


def told(kind: str, *modules: str | None, result: int = 2) -> list[str]:
    """The innermost module of every node of a chain, the one in the middle being of a kind."""
    nodes: list[onnx_proto.Node] = []
    for index, path in enumerate(modules):
        made = node(kind if path is None else "Relu", [f"y{index - 1}" if index else "x"], [f"y{index}"])
        metadata = {} if path is None else metadata_of([path], ["Norm"] if path else [""])
        nodes.append(dataclasses.replace(made, metadata=metadata))
    source = model(graph(nodes, [value("x", "float32", [1])], [f"y{result}"]))
    scopes = [scope_of(each) for each in tell_scopes(source).graph.nodes]
    return [scope[-1].path if scope else "" for scope in scopes]


@pytest.mark.parametrize(
    ("kind", "modules", "expected"),
    [
        ("Neg", ("norm", None, "norm"), "norm"),
        ("Cast", ("norm", None, "norm"), "norm"),
        ("Cast", ("norm", None, "fc"), "norm"),
        ("Neg", ("norm", None, "fc"), ""),
    ],
)
def test_a_node_between_others_is_in_their_module(kind: str, modules: tuple[str | None, ...], expected: str) -> None:
    assert told(kind, *modules)[1] == expected


def test_a_result_and_what_stands_first_tell_nothing() -> None:
    assert told("Cast", "norm", None, "norm", result=1)[1] == ""
    assert told("Cast", None, "norm", "norm")[0] == ""


def test_the_class_of_the_model_is_told_as_well() -> None:
    paths, classes = "['', 'norm', 'op']", "['a.Net', 'a.Norm', 'op']"
    metadata = {"pkg.torch.onnx.name_scopes": paths, "pkg.torch.onnx.class_hierarchy": classes}
    nodes = [node("Relu", [f"y{i}"], [f"y{i + 1}"]) for i in range(3)]
    nodes = [each if i == 1 else dataclasses.replace(each, metadata=metadata) for i, each in enumerate(nodes)]
    source = model(graph(nodes, [value("y0", "float32", [1])], ["y3"]))
    between = tell_scopes(source).graph.nodes[1]
    assert (root_class(between), [step.path for step in scope_of(between)]) == ("Net", ["norm"])
    assert root_class(between) == root_class(source.graph.nodes[0])
