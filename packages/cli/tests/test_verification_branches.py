"""Branches that ran, in the place of their Ifs."""

from __future__ import annotations

import numpy as np
import onnx_proto
from onnx_proto.build import graph, model, node, tensor, value

from onnxgen.verification.branches import asked, placed_nodes, values_in_loops, with_taken


def source() -> onnx_proto.Model:
    """A choice in a choice. A loop in it sees one value of the branch, and hides another."""
    body = graph(
        [node("Add", ["m", "s"], ["t"]), node("Identity", ["go"], ["on"])],
        [value("i", "int64", []), value("go", "bool", []), value("m", "float32", [2])],
        ["on", "t"],
    )
    inner = {
        "then_branch": graph([node("Loop", ["k", "", "m"], ["r"], attributes={"body": body})], [], ["r"]),
        "else_branch": graph([node("Neg", ["m"], ["r"])], [], ["r"]),
    }
    then = graph(
        [
            node("Add", ["x", "w"], ["m"]),
            node("Sin", ["m"], ["s"]),
            node("If", ["d"], ["q"], attributes=inner),
        ],
        [],
        ["q"],
        [tensor("w", np.ones(2, np.float32))],
    )
    orelse = graph([], [], ["x"])
    nodes = [
        node("If", ["c"], ["z"], attributes={"then_branch": then, "else_branch": orelse}),
        node("Neg", ["z"], ["y"]),
    ]
    inputs = [value("x", "float32", [2]), value("c", "bool", []), value("d", "bool", []), value("k", "int64", [])]
    return model(graph(nodes, inputs, ["y"]), opset_imports=20)


def written(graph: onnx_proto.Graph) -> list[str]:
    return [f"{', '.join(each.outputs)} = {each.op_type}({', '.join(each.inputs)})" for each in graph.nodes]


def test_every_value_of_a_branch_has_a_name_in_the_model() -> None:
    found = [(each.outputs[0], each.outer.outputs[0]) for each in placed_nodes(source().graph)]
    assert found == [
        ("m in then_branch of z", "z"),
        ("s in then_branch of z", "z"),
        ("r in then_branch of q in then_branch of z", "z"),
        ("r in else_branch of q in then_branch of z", "z"),
        ("q in then_branch of z", "z"),
        ("z", "z"),
        ("y", "y"),
    ]


def test_a_branch_stands_in_the_place_of_its_if() -> None:
    asking, names = asked(source())
    assert written(asking.graph)[-1] == "condition of z = Identity(c)"
    assert [each.name for each in asking.graph.outputs] == names == ["condition of z"]
    first = with_taken(source(), {"condition of z": True})
    assert written(first.graph) == [
        "m in then_branch of z = Add(x, w in then_branch of z)",
        "s in then_branch of z = Sin(m in then_branch of z)",
        "q in then_branch of z = If(d)",
        "z = Identity(q in then_branch of z)",
        "y = Neg(z)",
    ]
    assert [each.name for each in first.graph.initializers] == ["w in then_branch of z"]
    second = with_taken(first, {"condition of q in then_branch of z": True})
    loop = second.graph.nodes[2]
    assert loop.inputs == ("k", "", "m in then_branch of z")
    body = loop.attributes["body"].value
    assert isinstance(body, onnx_proto.Graph)
    assert written(body) == ["t = Add(m, s in then_branch of z)", "on = Identity(go)"]
    assert asked(second)[1] == []


def test_a_branch_may_give_what_is_outside() -> None:
    assert written(with_taken(source(), {"condition of z": False}).graph) == ["z = Identity(x)", "y = Neg(z)"]


def test_what_loops_compute_is_counted() -> None:
    assert values_in_loops(source().graph) == 2
