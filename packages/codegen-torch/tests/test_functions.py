"""Model-local functions: what a graph is before and after their bodies stand in place of their calls."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import onnx_proto
import pytest
from onnx_proto import AttributeType
from onnx_proto.build import function, graph, node, ref
from samples import call, made

from codegen_torch.clean import functions
from codegen_torch.clean.functions import MAX_DEPTH, inline_functions
from codegen_torch.errors import InvalidModelError, UnsupportedError

OURS = "com.example"


def local(op: str, inputs: str, outputs: str, **attributes: object) -> onnx_proto.Node:
    return node(op, inputs.split(), outputs.split(), domain=OURS, attributes=attributes)


def defined(name: str, inputs: str, outputs: str, *nodes: onnx_proto.Node, **options: object) -> onnx_proto.Function:
    return function(name, inputs.split(), outputs.split(), nodes, domain=OURS, **options)  # type: ignore[arg-type]


def model(nodes: Iterable[onnx_proto.Node], *functions: onnx_proto.Function) -> onnx_proto.Model:
    source = made(nodes)
    opsets = (*source.opset_imports, onnx_proto.OperatorSet(OURS, 1))
    return dataclasses.replace(source, functions=functions, opset_imports=opsets)


def lines(nodes: Iterable[onnx_proto.Node]) -> list[str]:
    """Nodes as text, with what is inside their subgraphs in brackets."""
    result = []
    for each in nodes:
        inner = [lines(a.value.nodes) for a in each.attributes.values() if isinstance(a.value, onnx_proto.Graph)]
        numbers = [f"{n}={a.value}" for n, a in each.attributes.items() if isinstance(a.value, int | float)]
        text = f"{','.join(each.outputs)} = {each.op_type}({','.join([*each.inputs, *numbers])})"
        result.append(f"{text} {inner}" if inner else text)
    return result


def inlined(nodes: Iterable[onnx_proto.Node], *functions: onnx_proto.Function) -> list[str]:
    return lines(inline_functions(model(nodes, *functions), "net.onnx")[0].graph.nodes)


def test_a_body_stands_in_place_of_each_call() -> None:
    scaled = defined("Scaled", "a b", "c", call("Mul", "a b", "t"), call("Neg", "t", "c"))
    assert inlined([local("Scaled", "x x", "t"), local("Scaled", "t x", "y")], scaled) == [
        "t_2 = Mul(x,x)",
        "t = Neg(t_2)",
        "t_3 = Mul(t,x)",
        "y = Neg(t_3)",
    ]


def test_functions_call_functions() -> None:
    inner = defined("Inner", "a", "b", call("Neg", "a", "b"))
    outer = defined("Outer", "a", "c", local("Inner", "a", "b"), local("Inner", "b", "c"))
    assert inlined([local("Outer", "x", "y")], outer, inner) == ["b = Neg(x)", "y = Neg(b)"]


def test_attributes_are_those_of_the_call_or_the_defaults() -> None:
    clip = defined(
        "Both",
        "a",
        "c",
        node("LeakyRelu", ["a"], ["b"], attributes={"alpha": ref("slope", AttributeType.FLOAT)}),
        node("Elu", ["b"], ["c"], attributes={"alpha": ref("other", AttributeType.FLOAT)}),
        attributes=["slope"],
        attribute_defaults={"other": 0.5},
    )
    assert inlined([local("Both", "x", "y", slope=0.25)], clip) == [
        "b = LeakyRelu(x,alpha=0.25)",
        "y = Elu(b,alpha=0.5)",
    ]
    assert inlined([local("Both", "x", "y", other=2.0)], clip) == ["b = LeakyRelu(x)", "y = Elu(b,alpha=2.0)"]


def test_inputs_that_a_call_leaves_out_are_left_out_inside() -> None:
    clip = defined("Between", "a low high", "b", call("Clip", "a low high", "b"))
    assert inlined([node("Between", ["x", "", "x"], ["y"], domain=OURS)], clip) == ["y = Clip(x,,x)"]
    assert inlined([local("Between", "x", "y")], clip) == ["y = Clip(x,,)"]


def test_outputs_that_nobody_asked_for_get_names() -> None:
    split = defined("Two", "a", "b c", call("Neg", "a", "b"), call("Abs", "a", "c"))
    assert inlined([node("Two", ["x"], ["", "y"], domain=OURS)], split) == ["b = Neg(x)", "y = Abs(x)"]


def test_an_output_that_is_an_input_is_an_identity() -> None:
    passing = defined("Pass", "a", "a b b", call("Neg", "a", "b"))
    assert inlined([local("Pass", "x", "y z u")], passing) == ["z = Neg(x)", "y = Identity(x)", "u = Identity(z)"]


def test_subgraphs_of_bodies_keep_to_themselves() -> None:
    branch = graph([call("Add", "a s", "t"), call("Neg", "t", "u")], [], ["u"])
    function_ = defined("Choose", "a c", "r", call("Abs", "a", "s"), call("If", "c", "r", then_branch=branch))
    nodes = [call("Neg", "x", "t"), local("Choose", "t x", "u"), local("Choose", "u x", "y")]
    assert inlined(nodes, function_) == [
        "t = Neg(x)",
        "s = Abs(t)",
        "u = If(x) [['t_2 = Add(t,s)', 'u_2 = Neg(t_2)']]",
        "s_2 = Abs(u)",
        "y = If(x) [['t_3 = Add(u,s_2)', 'u_3 = Neg(t_3)']]",
    ]


def test_calls_inside_subgraphs_are_replaced_too() -> None:
    twice = defined("Twice", "a", "b", call("Add", "a a", "b"))
    branch = graph([local("Twice", "x", "t")], [], ["t"])
    assert inlined([call("If", "x", "y", then_branch=branch)], twice) == ["y = If(x) [['t = Add(x,x)']]"]


def test_overloads_are_functions_of_their_own() -> None:
    one = defined("F", "a", "b", call("Neg", "a", "b"))
    other = defined("F", "a", "b", call("Abs", "a", "b"), overload="other")
    nodes = [local("F", "x", "t"), dataclasses.replace(local("F", "t", "y"), overload="other")]
    assert inlined(nodes, one, other) == ["t = Neg(x)", "y = Abs(t)"]


def test_a_function_of_a_known_operators_name_is_not_needed() -> None:
    softplus = function("Softplus", ["a"], ["b"], [call("Neg", "a", "b")], domain="")
    assert inlined([call("Softplus", "x", "y")], softplus) == ["y = Softplus(x)"]


def test_nodes_stand_where_their_call_does() -> None:
    scaled = defined("Scaled", "a", "c", call("Neg", "a", "b"), call("Neg", "b", "c"))
    nodes = [call("Abs", "x", "t"), local("Scaled", "t", "u"), call("Abs", "u", "y")]
    result, positions = inline_functions(model(nodes, scaled), "net.onnx")
    assert [positions[each.outputs] for each in result.graph.nodes] == [0, 1, 1, 2]


def test_the_scope_of_a_call_is_around_its_body() -> None:
    named = defined("N", "a", "b", node("Neg", ["a"], ["b"], name="/inner/Neg"))
    calling = node("N", ["x"], ["y"], domain=OURS, name="/layer.0/norm")
    result, _ = inline_functions(model([calling], named), "net.onnx")
    assert [each.name for each in result.graph.nodes] == ["/layer.0/norm/inner/Neg"]


def test_a_function_may_import_another_version_that_means_the_same() -> None:
    old = defined("F", "a", "b", call("Relu", "a", "b"), opset_imports=17)
    assert inlined([local("F", "x", "y")], old) == ["y = Relu(x)"]
    older = defined("F", "a", "b", call("Softmax", "a", "b"), opset_imports=11)
    with pytest.raises(UnsupportedError, match="it has Softmax of opset 11, which means something else"):
        inlined([local("F", "x", "y")], older)


def test_a_function_may_import_what_the_model_does_not() -> None:
    function_ = defined(
        "F", "a", "b", node("Scaler", ["a"], ["b"], domain="ai.onnx.ml"), opset_imports={"ai.onnx.ml": 3}
    )
    result, _ = inline_functions(model([local("F", "x", "y")], function_), "net.onnx")
    assert {o.domain: o.version for o in result.opset_imports} == {"": 20, OURS: 1, "ai.onnx.ml": 3}


@pytest.mark.parametrize(
    ("nodes", "function_", "reason"),
    [
        ([local("F", "x", "y")], defined("F", "a", "b", local("F", "a", "b")), "function 'F' calls itself"),
        ([local("F", "x x", "y")], defined("F", "a", "b", call("Neg", "a", "b")), "gives function 'F' 2 inputs, which"),
        ([local("F", "x", "y z")], defined("F", "a", "b", call("Neg", "a", "b")), "gives function 'F' 2 outputs, whi"),
        ([local("F", "x", "y")], defined("F", "a", "b", call("Neg", "x", "b")), "function 'F' does not compute 'x'"),
        ([local("F", "x", "y")], defined("F", "a", "b", call("Neg", "a", "c")), "function 'F' does not compute 'b'"),
    ],
)
def test_functions_that_make_no_sense(
    nodes: list[onnx_proto.Node], function_: onnx_proto.Function, reason: str
) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        inlined(nodes, function_)


def doubling(depth: int) -> list[onnx_proto.Function]:
    """Functions that each call the next one twice."""
    calls = [(local(f"F{i + 1}", "a", "t"), local(f"F{i + 1}", "t", "b")) for i in range(depth)]
    return [
        *(defined(f"F{i}", "a", "b", *both) for i, both in enumerate(calls)),
        defined(f"F{depth}", "a", "b", call("Neg", "a", "b")),
    ]


def test_functions_that_double_with_every_level_are_refused_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(functions, "MAX_NODES", 10_000)
    with pytest.raises(UnsupportedError, match="functions add up to more than 10,000 nodes"):
        inlined([local("F0", "x", "y")], *doubling(40))


def test_functions_that_nest_without_end_are_refused() -> None:
    chain = [defined(f"F{i}", "a", "b", local(f"F{i + 1}", "a", "b")) for i in range(MAX_DEPTH + 1)]
    with pytest.raises(UnsupportedError, match=f"functions call each other {MAX_DEPTH} deep"):
        inlined([local("F0", "x", "y")], *chain)
