"""Each clean-up: what a graph is before and after it, and which tensors count as trained."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import graph, node, tensor, value
from samples import call, made, weights

from codegen_torch.clean import clean
from codegen_torch.clean.constants import constants_to_initializers
from codegen_torch.clean.identities import eliminate_identities
from codegen_torch.clean.trained import trained_values
from codegen_torch.clean.unused import eliminate_unused


def lines(source: onnx_proto.Model) -> list[str]:
    """The nodes as text."""
    return [f"{','.join(n.outputs)} = {n.op_type}({','.join(n.inputs)})" for n in source.graph.nodes]


def stored(source: onnx_proto.Model) -> list[str]:
    return [each.name for each in source.graph.initializers]


def test_constants_become_initializers() -> None:
    constant = node("Constant", [], ["c"], value=tensor("named otherwise", np.array([1, 2], np.float32)))
    after = constants_to_initializers(made([constant, call("Add", "x c", "y")], weights(w=[4])))
    assert lines(after) == ["y = Add(x,c)"]
    assert stored(after) == ["w", "c"]
    assert after.graph.initializers[1].numpy().tolist() == [1, 2]


@pytest.mark.parametrize(
    "constant",
    [
        node("Constant", [], ["c"], value_float=1.0),
        node("Constant", [], ["c"], domain="com.example", value=tensor("", np.float32(1))),
        node("Constant", [], ["c"]),
        node("Constant", [], [], value=tensor("", np.float32(1))),
    ],
)
def test_other_constants_are_left_to_lowering(constant: onnx_proto.Node) -> None:
    source = made([constant, call("Add", "x c", "y")])
    assert constants_to_initializers(source) is source


def test_users_of_an_identity_read_what_it_copies() -> None:
    chain = [call("Identity", "x", "a"), call("Identity", "a", "b"), call("Relu", "b", "y")]
    assert lines(eliminate_identities(made(chain))) == ["y = Relu(x)"]


@pytest.mark.parametrize(
    "nodes",
    [
        [call("Relu", "x", "a"), call("Identity", "a", "y")],  # it names an output
        [node("Identity", ["x"], ["a"], domain="com.example"), call("Relu", "a", "y")],
        [node("Identity", ["x"], []), call("Relu", "x", "y")],
        [call("Identity", "x", "a"), call("If", "c", "y", then_branch=graph([call("Relu", "a", "t")], [], ["t"]))],
    ],
    ids=["output", "domain", "no output", "subgraph"],
)
def test_some_identities_stay(nodes: list[onnx_proto.Node]) -> None:
    source = made(nodes)
    assert lines(eliminate_identities(source)) == lines(source)


def test_what_no_output_needs_disappears() -> None:
    nodes = [
        call("Relu", "x", "a"),
        call("Mul", "a unused", "dead"),
        call("Neg", "dead", "deader"),
        call("Add", "a w", "y"),
        node("Print", ["y"], []),
    ]
    after = eliminate_unused(made(nodes, weights(w=[4], unused=[4])))
    assert lines(after) == ["a = Relu(x)", "y = Add(a,w)"]
    assert stored(after) == ["w"]


def test_what_subgraphs_read_is_needed() -> None:
    inner = graph([call("If", "c", "t", then_branch=graph([call("Relu", "deep", "u")], [], ["u"]))], [], ["t"])
    nodes = [call("Neg", "x", "deep"), call("If", "c", "y", then_branch=inner)]
    source = made(nodes, [tensor("c", np.array(True))])
    assert eliminate_unused(source) is source


def test_an_outer_value_that_a_branch_returns_is_needed() -> None:
    nodes = [call("Neg", "x", "a"), call("If", "x", "y", then_branch=graph([], [], ["a"]))]
    assert lines(eliminate_unused(made(nodes))) == lines(made(nodes))


def test_cleaning_twice_changes_nothing() -> None:
    constant = node("Constant", [], ["c"], value=tensor("", np.float32(1)))
    once = clean(made([constant, call("Identity", "c", "d"), call("Add", "x d", "y"), call("Neg", "d", "z")]))
    assert lines(once) == ["y = Add(x,c)"]
    assert clean(once) is once


def trained(nodes: list[onnx_proto.Node], *tensors: onnx_proto.Tensor) -> set[str]:
    return set(trained_values(made(nodes, tensors).graph))


W = weights(w=[4, 4])[0]


def called(name: str, like: onnx_proto.Tensor = W) -> onnx_proto.Tensor:
    return dataclasses.replace(like, name=name)


@pytest.mark.parametrize(
    "nodes",
    [
        [call("MatMul", "x w", "y")],
        [call("MatMul", "w x", "y")],
        [call("Conv", "x w", "y")],
        [call("Conv", "x x w", "y")],
        [call("Gather", "w x", "y")],
        [call("GatherND", "w x", "y")],
        [call("Tile", "w counts", "y")],
        [call("Transpose", "w", "t"), call("Reshape", "t shape", "r"), call("MatMul", "x r", "y")],
        [call("Mul", "x w", "y")],
        [call("Unsqueeze", "w axes", "t"), call("Concat", "t x", "y", axis=0)],
    ],
)
def test_a_float_tensor_in_a_weights_place_is_trained(nodes: list[onnx_proto.Node]) -> None:
    assert trained(nodes, W) == {"w"}


@pytest.mark.parametrize(
    ("nodes", "tensors"),
    [
        ([call("Conv", "w x", "y")], [W]),
        ([call("Gather", "x w", "y")], [W]),
        ([call("BatchNormalization", "x s s w s", "y")], [W]),
        ([call("MatMul", "x w", "y")], [tensor("w", np.array([[1, 2]], np.int64))]),
        ([call("Mul", "x w", "y")], [tensor("w", np.array([2], np.float32))]),
        ([node("MatMul", ["x", "w"], ["y"], domain="com.example")], [W]),
        ([call("Relu", "w", "r"), call("MatMul", "x r", "y")], [W]),
        ([node("Transpose", [], ["w"]), call("MatMul", "x w", "y")], []),
    ],
)
def test_other_tensors_are_not(nodes: list[onnx_proto.Node], tensors: list[onnx_proto.Tensor]) -> None:
    assert trained(nodes, *tensors) == set()


@pytest.mark.parametrize("name", ["val_3", "onnx::Add_12", "/encoder/Constant_output_0", "_to_copy_1", "mul_2"])
def test_names_that_exporters_make_are_no_parameters_in_arithmetic(name: str) -> None:
    assert trained([node("Add", ["x", name], ["y"])], called(name)) == set()
    assert trained([node("MatMul", ["x", name], ["y"])], called(name)) == {name}


@pytest.mark.parametrize("name", ["pow_1", "unsqueeze", "permute_3"])
def test_what_was_computed_before_the_export_is_a_parameter_only_in_a_sum(name: str) -> None:
    assert trained([node("Add", ["x", name], ["y"])], called(name)) == {name}
    assert trained([node("Div", ["x", name], ["y"])], called(name)) == set()
    assert trained([node("Expand", [name, "shape"], ["y"])], called(name)) == set()


@pytest.mark.parametrize("name", ["rotary.inv_freq", "position_ids", "bn.running_mean", "attn.masked_bias"])
def test_names_of_buffers_are_never_parameters(name: str) -> None:
    assert trained([node("MatMul", ["x", name], ["y"])], called(name)) == set()


@pytest.mark.parametrize("name", ["model.multiplier", "address", "mask_token", "layer.additive"])
def test_names_that_only_begin_like_those_are_parameters(name: str) -> None:
    assert trained([node("Add", ["x", name], ["y"])], called(name)) == {name}


SHAPE = tensor("shape", np.array([4, 4], np.int64))


def fill(of: str = "shape", **attributes: Any) -> onnx_proto.Node:
    return call("ConstantOfShape", of, "w", **attributes)


FREQUENCIES = tensor("w", np.array([1, 0.1, 0.01, 0.001], np.float32))
COUNTED = [call("Shape", "x", "s"), call("Cast", "s", "p", to=1)]


@pytest.mark.parametrize(
    ("nodes", "names"),
    [
        ([*COUNTED, call("Mul", "p w", "a"), call("Sin", "a", "y")], set()),
        ([*COUNTED, call("MatMul", "p w", "a"), call("Concat", "a a", "c", axis=0), call("Cos", "c", "y")], set()),
        ([call("Mul", "x w", "a"), call("Sin", "a", "y")], {"w"}),
        ([*COUNTED, call("Mul", "p w", "a"), call("Sin", "a", "h"), call("Mul", "h w", "y")], {"w"}),
        ([*COUNTED, call("Mul", "p w", "a"), call("Sin", "a", "h"), call("Mul", "h a", "y")], {"w"}),
        ([*COUNTED, call("Add", "p w", "a"), call("Sin", "a", "y")], {"w"}),
    ],
)
def test_what_only_turns_positions_is_not_trained(nodes: list[onnx_proto.Node], names: set[str]) -> None:
    assert trained(nodes, FREQUENCIES) == names


def test_a_constant_of_shape_in_a_weights_place_is_trained() -> None:
    assert trained([fill(), call("MatMul", "x w", "y")], SHAPE) == {"w"}
    assert trained(
        [fill(value=tensor("", np.array([0.5], np.float32))), call("Transpose", "w", "t"), call("Conv", "x t", "y")],
        SHAPE,
    ) == {"w"}


@pytest.mark.parametrize(
    "nodes",
    [
        [fill(value=tensor("", np.array([1], np.int64))), call("MatMul", "x w", "y")],
        [call("Shape", "x", "s"), fill("s"), call("MatMul", "x w", "y")],
        [fill(), call("Relu", "w", "y")],
    ],
    ids=["integers", "a shape of the run", "no weight"],
)
def test_other_constants_of_shape_are_not(nodes: list[onnx_proto.Node]) -> None:
    assert trained(nodes, SHAPE) == set()


def test_initializers_of_old_files_are_inputs_too() -> None:
    source = made([call("MatMul", "x w", "y")], [W])
    old = dataclasses.replace(
        source,
        ir_version=3,
        graph=dataclasses.replace(source.graph, inputs=(*source.graph.inputs, value("w", "float32", [4, 4]))),
    )
    assert trained_values(old.graph) == {"w"}
    assert stored(clean(old)) == ["w"]


def branching() -> onnx_proto.Model:
    """A branch with a weight of its own that is a Constant, one from outside, and a node that nobody needs."""
    own = node("Constant", [], ["own"], value=tensor("", np.ones((4, 4), np.float32)))
    products = [node("MatMul", ["x", "own"], ["t"]), node("MatMul", ["t", "w"], ["u"]), node("Odd", ["x"], ["unused"])]
    then = graph([own, *products], [], ["u"])
    return made(
        [node("If", ["c"], ["y"], then_branch=then, else_branch=graph([], [], ["x"]))], [W], inputs={"x": [4, 4]}
    )


def test_subgraphs_are_cleaned_as_well() -> None:
    (choice,) = clean(branching()).graph.nodes
    then = choice.attributes["then_branch"].value
    assert isinstance(then, onnx_proto.Graph)
    assert [each.op_type for each in then.nodes] == ["MatMul", "MatMul"]
    assert [each.name for each in then.initializers] == ["own"]


def test_what_only_a_subgraph_multiplies_with_is_trained() -> None:
    assert trained_values(clean(branching()).graph) == {"own", "w"}


def test_a_graph_without_anything_to_clean_stays_the_same() -> None:
    source = clean(branching())
    assert clean(source) is source
