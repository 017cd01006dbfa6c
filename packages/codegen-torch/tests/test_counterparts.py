"""Where the generated model computes what the ONNX graph computes."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import onnx_proto
from onnx_proto.build import graph, model, node, tensor, value
from samples import call, made, weights

from codegen_torch import generate
from codegen_torch.clean.subgraphs import BRANCHES
from codegen_torch.generated import Generated


def generated(folder: Path, *nodes: onnx_proto.Node, **shapes: list[int]) -> Generated:
    path = folder / "net.onnx"
    onnx_proto.save(made(nodes, weights(**shapes)), path)
    return generate(path)


def written(source: Generated) -> set[tuple[str, str, str]]:
    return {(each.value, each.path, each.text) for each in source.report.counterparts if each.text}


def called(source: Generated) -> list[tuple[str, str, int | None]]:
    return [(each.value, each.path, each.index) for each in source.report.counterparts if not each.text]


def test_layers_and_expressions_of_every_instance(tmp_path: Path) -> None:
    blocks = [
        (
            call("Gemm", f"{x} w{i} b{i}", f"h{i}", f"blocks.{i}/fc", "Block", "Linear"),
            call("Relu", f"h{i}", f"r{i}", f"blocks.{i}", "Block"),
            call("Add", f"r{i} {x}", f"s{i}", f"blocks.{i}", "Block"),
        )
        for i, x in enumerate(["x", "s0"])
    ]
    source = generated(tmp_path, *blocks[0], *blocks[1], call("Sin", "s1", "y"), w0=[4, 4], b0=[4], w1=[4, 4], b1=[4])
    assert called(source) == [
        ("s0", "blocks.0", None),
        ("h0", "blocks.0.fc", None),
        ("s1", "blocks.1", None),
        ("h1", "blocks.1.fc", None),
    ]
    assert written(source) == {
        ("r0", "blocks.0", "F.relu(self.fc(x))"),
        ("r1", "blocks.1", "F.relu(self.fc(x))"),
        ("s0", "blocks.0", "F.relu(self.fc(x)) + x"),
        ("s1", "blocks.1", "F.relu(self.fc(x)) + x"),
        ("y", "", "torch.sin(x)"),
    }


def test_an_expression_stands_on_its_line(tmp_path: Path) -> None:
    names = "abcdefgh"
    long = [
        call("Sum", f"{x} {x} {x} {x} {x} {x} {x} {x} {x} {x} {x} {x} {x} {x}", y)
        for x, y in zip(["x", *names], [*names, "y"], strict=True)
    ]
    source = generated(tmp_path, *long)
    statements = {
        statement.lineno: {ast.unparse(part) for part in ast.walk(statement) if isinstance(part, ast.expr)}
        for statement in ast.walk(ast.parse(source.text))
        if isinstance(statement, ast.Assign | ast.Return)
    }
    places = [(each.line, ast.unparse(ast.parse(each.text))) for each in source.report.counterparts if each.text]
    assert {each.value for each in source.report.counterparts} == {*names, "y"}
    assert all(text in statements[line] for line, text in places)


def test_steps_on_the_way_to_a_value_are_not_the_value(tmp_path: Path) -> None:
    # Before opset 13 it is a softmax of rows: the tensor is flattened, and gets its shape back afterwards.
    path = tmp_path / "net.onnx"
    softmax = node("Softmax", ["x"], ["y"], attributes={"axis": 1})
    onnx_proto.save(made([softmax], inputs={"x": ["n", 2, 3]}, opset=11), path)
    source = generate(path)
    assert "F.softmax(" in source.text
    assert [each.text for each in source.report.counterparts] == [
        line.strip().removeprefix("return ") for line in source.text.splitlines() if line.startswith("        return")
    ][:1]


def test_what_is_recovered_is_its_last_node(tmp_path: Path) -> None:
    # x * sigmoid(x) is one function; its product is in the file, and what the sigmoid gives is computed no more.
    source = generated(tmp_path, call("Sigmoid", "x", "s"), call("Mul", "x s", "y"))
    assert written(source) == {("y", "", "F.silu(x)")}


def test_pieces_are_not_taken_for_each_other(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    bounds = [tensor(f"i{i}", np.array([i], np.int64)) for i in (0, 1, 2, 4)]
    nodes = [
        call("Sin", "x", "s"),
        call("Slice", "s i0 i2 i1", "left"),
        call("Slice", "s i2 i4 i1", "right"),
        call("Mul", "left right", "y"),
    ]
    onnx_proto.save(made(nodes, bounds), path)
    source = generate(path)
    assert ".chunk(2, dim=-1)" in source.text
    assert {each.value for each in source.report.counterparts} == {"s", "y"}


def test_what_is_in_a_branch_says_in_which(tmp_path: Path) -> None:
    branches = {
        name: graph([node(op, ["h"], ["i"]), node("Neg", ["i"], [f"{name}_out"])], [], [f"{name}_out"])
        for name, op in (("then_branch", "Sin"), ("else_branch", "Cos"))
    }
    nodes = [call("Exp", "x", "h"), node("If", ["c"], ["z"], attributes=branches), call("Abs", "z", "y")]
    inputs = [value("x", "float32", ["batch", 4]), value("c", "bool", [])]
    path = tmp_path / "net.onnx"
    onnx_proto.save(model(graph(nodes, inputs, ["y"]), opset_imports=20), path)
    source = generate(path)
    found = {each.value: each for each in source.report.counterparts}
    assert {name for name, each in found.items() if each.conditional} == {
        f"{name} in {branch} of z" for branch in branches for name in ("i", f"{branch}_out")
    }
    assert {name for name, each in found.items() if not each.conditional} == {"h", "y"}
    lines = source.text.splitlines()
    for branch, function in (("then_branch", "torch.sin("), ("else_branch", "torch.cos(")):
        each = found[f"i in {branch} of z"]
        assert each.text.startswith(function)
        assert each.text in lines[each.line - 1]


def test_what_loops_compute_is_no_value_of_the_graph(tmp_path: Path) -> None:
    body = graph(
        [node("MatMul", ["a", "w"], ["m"]), node("Sin", ["m"], ["b"]), node("Identity", ["go"], ["on"])],
        [value("i", "int64", []), value("go", "bool", []), value("a", "float32", ["batch", 4])],
        ["on", "b"],
    )
    nodes = [node("Loop", ["n", "", "x"], ["z"], attributes={"body": body}), call("MatMul", "z w", "y")]
    inputs = [value("x", "float32", ["batch", 4]), value("n", "int64", [])]
    path = tmp_path / "net.onnx"
    onnx_proto.save(model(graph(nodes, inputs, ["y"], weights(w=[4, 4])), opset_imports=20), path)
    found = generate(path).report.counterparts
    assert {each.value for each in found if each.value} == {"y"}
    # The layer is called by the loop, too, so which call gives y is not known from the calls.
    assert [(each.value, each.conditional) for each in found if not each.text] == [("", True), ("y", False)]


def test_branches_in_branches(tmp_path: Path) -> None:
    inner = {
        name: graph([node(op, ["s"], ["v"])], [], ["v"]) for name, op in zip(BRANCHES, ("Exp", "Neg"), strict=True)
    }
    outer = {
        "then_branch": graph([node("Sin", ["x"], ["s"]), node("If", ["d"], ["r"], attributes=inner)], [], ["r"]),
        "else_branch": graph([node("Cos", ["x"], ["r"])], [], ["r"]),
    }
    nodes = [node("If", ["c"], ["z"], attributes=outer), call("Abs", "z", "y")]
    inputs = [value("x", "float32", [4]), value("c", "bool", []), value("d", "bool", [])]
    path = tmp_path / "net.onnx"
    onnx_proto.save(model(graph(nodes, inputs, ["y"]), opset_imports=20), path)
    assert {each.value for each in generate(path).report.counterparts} == {
        "v in then_branch of r in then_branch of z",
        "v in else_branch of r in then_branch of z",
        "s in then_branch of z",
        "r in else_branch of z",
        "y",
    }


def test_a_call_that_gives_several_values(tmp_path: Path) -> None:
    source = generated(
        tmp_path,
        call("MatMul", "x w", "l", "pair/left", "Pair", "Linear"),
        call("MatMul", "x v", "r", "pair/right", "Pair", "Linear"),
        call("Exp", "l", "e", "pair", "Pair"),
        call("Sin", "r", "s", "pair", "Pair"),
        call("Add", "e s", "t"),
        call("Mul", "t s", "y"),
        w=[4, 4],
        v=[4, 4],
    )
    assert called(source) == [("e", "pair", 0), ("s", "pair", 1), ("l", "pair.left", None), ("r", "pair.right", None)]
