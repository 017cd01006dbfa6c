"""Lowering: what expressions know of their origin, and everything that is refused, all at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import onnx_proto
import pytest
from onnx_proto import TensorType
from onnx_proto.build import graph, model, node, tensor, value
from onnx_proto.types import SequenceType, SparseTensorType
from samples import call, made, weights

from codegen_torch.clean import clean
from codegen_torch.clean.functions import inline_functions
from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.errors import InvalidModelError, UnsupportedError
from codegen_torch.expr import Expr
from codegen_torch.lower.attributes import attribute_values
from codegen_torch.lower.graph import Lowered, lower


def lowered(source: onnx_proto.Model) -> Lowered:
    return lower(source, "net.onnx")


def obstacles(source: onnx_proto.Model) -> list[tuple[str, str, str]]:
    with pytest.raises(UnsupportedError) as caught:
        lowered(source)
    return [(each.op, each.node, each.reason) for each in caught.value.obstacles]


def test_every_obstacle_is_told_at_once() -> None:
    nodes = [
        call("Frobnicate", "x", "a"),
        call("Relu", "a", "b"),
        node("Unheard", ["b"], ["c"], name="second"),
        call("Softmax", "x", "d", temperature=2.0),
        call("Add", "c d", "y"),
    ]
    assert obstacles(made(nodes)) == [
        ("Frobnicate", "a", "the operator is not supported"),
        ("Unheard", "second", "the operator is not supported"),
        ("Softmax", "d", "attribute 'temperature' is not supported"),
    ]


def test_the_message_groups_obstacles_of_one_kind() -> None:
    nodes = [node("Odd", ["x"], [f"y{i}"], name=f"odd{i}") for i in range(5)]
    with pytest.raises(UnsupportedError) as caught:
        lowered(made(nodes, outputs="y0"))
    assert str(caught.value).splitlines() == [
        "net.onnx uses what cannot be converted yet:",
        "  Odd (opset 20), 5×: the operator is not supported [odd0, odd1, odd2, …]",
        "    hint: define it in a Python file and give that with --ops",
    ]


def test_opsets_outside_of_every_range_are_refused() -> None:
    assert obstacles(made([call("Softmax", "x", "y")], opset=99)) == [
        ("Softmax", "y", "only opsets 1 to 12, 13 to 28 are supported")
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (call("Softmax", "x", "y", axis="last"), "attribute 'axis' is no int"),
        (call("Softmax", "x", "y", axis=1.0), "attribute 'axis' is no int"),
        (call("Transpose", "x", "y", perm=1), "attribute 'perm' is no tuple[int, ...]"),
        (call("LeakyRelu", "x", "y", alpha=[0.1]), "attribute 'alpha' is no float"),
        (call("Cast", "x", "y"), "attribute 'to' is missing"),
        (call("MatMul", "x", "y"), "is missing"),
        (call("Relu", "x x", "y"), "it has 2 inputs, not at most 1"),
        (node("Reshape", ["x", ""], ["y"]), "input 'shape' is missing"),
        (call("Reshape", "", "y"), "is missing"),
    ],
)
def test_nodes_that_are_no_calls_of_their_operator(bad: onnx_proto.Node, reason: str) -> None:
    ((op, name, told),) = obstacles(made([bad]))
    assert (op, name) == (bad.op_type, "y")
    assert reason in told


def test_operators_of_other_domains_carry_their_domain() -> None:
    source = made([node("Relu", ["x"], ["y"], domain="com.example")])
    source = dataclasses.replace(
        source, opset_imports=(*source.opset_imports, onnx_proto.OperatorSet("com.example", 3))
    )
    assert obstacles(source) == [("com.example.Relu", "y", "the operator is not supported")]


def test_inputs_of_unsupported_types_stand_among_the_obstacles() -> None:
    sparse = value("s", SparseTensorType(onnx_proto.DataType.FLOAT, None))
    inputs = [sparse, value("q", "undefined", [2]), value("x", "float32", [2])]
    nodes = [call("Relu", "s", "a"), call("Odd", "x", "y")]
    assert obstacles(model(graph(nodes, inputs, ["y"]), opset_imports=20)) == [
        ("graph input", "s", "only tensors, sequences, optionals and maps are supported"),
        ("graph input", "q", "the element type UNDEFINED is not supported"),
        ("Odd", "y", "the operator is not supported"),
    ]


def test_a_sequence_is_no_tensor() -> None:
    inputs = [value("s", SequenceType(TensorType(onnx_proto.DataType.FLOAT, (2,))))]
    sequences = model(graph([call("Relu", "s", "y")], inputs, ["y"]), opset_imports=20)
    assert obstacles(sequences) == [("Relu", "y", "input 'x' is list[float32[2]], which is no tensor")]
    with pytest.raises(InvalidModelError, match=r"node 'y' \(Relu\) takes no list\[float32\[2\]\] as input 0"):
        lower(sequences, "net.onnx", typed=True)


def test_unsupported_initializers_stand_among_the_obstacles() -> None:
    unknown = dataclasses.replace(tensor("w", np.array([1, 2], np.uint8)), dtype=onnx_proto.DataType.UNDEFINED)
    assert obstacles(made([call("Add", "x w", "y"), call("Odd", "y", "z")], [unknown], outputs="z")) == [
        ("initializer", "w", "tensors of UNDEFINED are not supported"),
        ("Odd", "z", "the operator is not supported"),
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (made([call("Relu", "nothing", "y")]), "node 'y' reads 'nothing', which nothing computes before it"),
        (made([call("Relu", "a", "y"), call("Relu", "x", "a")]), "node 'y' reads 'a'"),
        (made([call("Relu", "x", "a")]), "output 'y' is computed by no node"),
        (made([node("Relu", ["x"], ["y"], domain="com.example")]), "domain 'com.example', which is not imported"),
        (made([call("Relu", "x", "y"), call("Neg", "x", "y")]), "'y' is defined more than once"),
        (made([call("Relu", "x", "x")], outputs="x"), "'x' is defined more than once"),
        (made([call("Relu", "x", "w")], weights(w=[2]), outputs="w"), "'w' is defined more than once"),
        (made([call("Relu", "x", "y")], outputs="y y"), "output 'y' is listed more than once"),
        (made([call("Relu", "x", "y")], outputs=""), "the graph has no outputs"),
        (made([call("Concat", "x x", "y", axis=7)]), "node 'y' (Concat) is axis 7 of a tensor of rank 2"),
    ],
)
def test_models_that_contradict_themselves(source: onnx_proto.Model, reason: str) -> None:
    with pytest.raises(InvalidModelError) as caught:
        lowered(source)
    assert str(caught.value).startswith("net.onnx: ")
    assert reason in str(caught.value)


def input_sizes(**shapes: Sequence[int | str | None]) -> list[tuple[object, ...]]:
    source = made([call("Relu", "x", "y")], inputs={"x": [1], **shapes})
    return [expr.dims or () for expr in lowered(source).inputs[1:]]


def test_sizes_of_one_name_are_equal() -> None:
    first, second = input_sizes(a=["batch", 3], b=["batch", "odd name"])
    assert first == (Dim.symbol("batch"), 3)
    assert first[0] == second[0]
    first, second = input_sizes(a=["2 * n"], b=["2 * n"])
    assert first == second


def test_sizes_without_a_name_are_like_no_other() -> None:
    every: list[dict[str, list[int | str | None]]] = [
        {"a": [None, None], "b": [None, ""]},
        {"a": [None, "b_dim0"], "b": [None, "a_dim0"]},
        {"a/b": [None], "a_b": [None], "a b": ["a_b_dim0", "a_b_dim0_"]},
        {"a": [-1, -1]},
        {"a": ["n n", "n_n"]},
    ]
    for shapes in every:
        sizes = [size for dims in input_sizes(**shapes) for size in dims]
        assert len(set(sizes)) == len(sizes)
        assert all(isinstance(size, Dim) and size.is_bound() for size in sizes)


def test_an_input_without_a_shape_has_no_rank() -> None:
    source = model(graph([call("Relu", "x", "y")], [value("x", "float16")], ["y"]), opset_imports=20)
    (expr,) = lowered(source).inputs
    assert (expr.dtype, expr.dims) == (DType.FLOAT16, None)


def test_initializers_that_are_listed_as_inputs_are_weights() -> None:
    source = made([call("MatMul", "x w", "y")], weights(w=[4, 4]), inputs={"w": [4, 4], "x": [2, 4]})
    result = lowered(source)
    assert [expr.attrs["name"] for expr in result.inputs] == ["x"]
    assert result.outputs["y"].inputs[1].op == "weight"


def test_unused_inputs_stay_inputs() -> None:
    result = lowered(made([call("Relu", "x", "y")], inputs={"a": [1], "x": [2], "b": [3]}))
    assert [expr.attrs["name"] for expr in result.inputs] == ["a", "x", "b"]


def test_expressions_know_their_nodes_by_their_place_in_the_file() -> None:
    source = made(
        [
            node("Constant", [], ["c"], value=tensor("", np.float32(2))),
            call("Identity", "x", "a"),
            call("Mul", "a c", "y"),
        ]
    )
    inlined, positions = inline_functions(source, "net.onnx")
    result: Expr = lower(clean(inlined), "net.onnx", positions).outputs["y"]
    assert result.origin.nodes == (2,)
    assert result.origin.order == 0


def test_one_value_may_be_several_outputs() -> None:
    result = lowered(made([call("Relu", "x", "y"), call("Identity", "y", "z")], outputs="y z"))
    assert result.outputs["y"] is result.outputs["z"]


def test_attributes_are_the_shortest_decimals() -> None:
    values = attribute_values(node("Op", [], [], alpha=0.1, betas=[0.2, 1e-5], n=3, text="a", ints=[1, 2]))
    assert values == {"alpha": 0.1, "betas": (0.2, 1e-5), "n": 3, "text": "a", "ints": (1, 2)}
