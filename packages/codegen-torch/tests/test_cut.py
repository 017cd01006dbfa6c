"""Parts of models, and models with more outputs."""

from __future__ import annotations

import dataclasses

import onnx_proto
import pytest
from onnx_proto import TensorType, ValueInfo
from samples import call, made, weights

from codegen_torch.changes import Changes
from codegen_torch.clean.cut import CutError, UnknownNameError, add_outputs, extract

TENSORS = weights(fc__weight=[4, 4], head__weight=[4, 4])
NODES = [
    call("MatMul", "x fc.weight", "a", "body/fc"),
    call("Relu", "a", "b", "body"),
    call("Add", "b m", "c"),
    call("MatMul", "c head.weight", "y", "head"),
    call("Tanh", "b", "z", "other"),
]
NET = made(NODES, TENSORS, inputs={"x": ["batch", 4], "m": ["batch", 4]}, outputs="y z")


def names(values: tuple[ValueInfo, ...]) -> list[str]:
    return [value.name for value in values]


def part(inputs: str = "", outputs: str = "") -> onnx_proto.Graph:
    return Changes(tuple(inputs.split()), tuple(outputs.split())).apply(NET, "net.onnx").graph


def test_a_part_between_two_values() -> None:
    graph = part("b m", "y")
    assert [node.op_type for node in graph.nodes] == ["Add", "MatMul"]
    assert names(graph.inputs) == ["b", "m"]
    assert names(graph.outputs) == ["y"]
    assert [tensor.name for tensor in graph.initializers] == ["head.weight"]


def test_types_of_inputs_are_inferred() -> None:
    assert part("b m", "y").inputs[0].type == TensorType(onnx_proto.DataType.FLOAT, ("batch", 4))


def test_what_the_file_states_counts_only_where_nothing_can_be_inferred() -> None:
    wrong = ValueInfo("b", TensorType(onnx_proto.DataType.FLOAT, (7,)))
    graph = dataclasses.replace(NET.graph, value_infos=(wrong,))
    net = dataclasses.replace(NET, graph=graph)
    assert Changes(("b", "m"), ("y",)).apply(net, "net").graph.inputs[0].type != wrong.type
    assert extract(net, ["b", "m"], ["y"], {}).graph.inputs[0].type == wrong.type
    with pytest.raises(CutError, match="type of 'b' is not known"):
        extract(NET, ["b", "m"], ["y"], {})


@pytest.mark.parametrize(
    ("inputs", "outputs", "given", "wanted"),
    [
        ("body m", "head", ["b", "m"], ["y"]),
        ("", "body", ["x"], ["b"]),
        ("body", "other", ["b"], ["z"]),
        ("b m", "", ["b", "m"], ["y", "z"]),
        ("body.fc", "body", ["a"], ["b"]),
    ],
)
def test_modules_stand_for_what_they_return(inputs: str, outputs: str, given: list[str], wanted: list[str]) -> None:
    graph = part(inputs, outputs)
    assert names(graph.inputs) == given
    assert names(graph.outputs) == wanted


def test_what_a_module_computes_for_others_without_its_weights_is_no_result_of_it() -> None:
    nodes = [
        call("Relu", "m", "mask", "body"),
        call("MatMul", "x fc.weight", "a", "body"),
        call("Add", "a mask", "b", "body"),
        call("Add", "b mask", "y"),
    ]
    net = made(nodes, TENSORS[:1], inputs={"x": ["batch", 4], "m": ["batch", 4]})
    assert names(add_outputs(net, ["body"]).graph.outputs) == ["y", "b"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ("b", "y", "'y' depends on 'm', too: name it among the inputs"),
        ("b m z", "y", "'y' does not depend on 'z'"),
        ("fc.weight", "y", "'fc.weight' is a weight"),
    ],
)
def test_cuts_that_are_none(inputs: str, outputs: str, message: str) -> None:
    with pytest.raises(CutError, match=message):
        part(inputs, outputs)


@pytest.mark.parametrize(("name", "near"), [("boddy", "'body'"), ("head.weigth", "'head.weight'")])
def test_near_names_are_suggested(name: str, near: str) -> None:
    with pytest.raises(UnknownNameError, match=f"is no value and no module of the model; there is {near}"):
        add_outputs(NET, [name])


def test_outputs_are_added_once_after_the_models_own() -> None:
    graph = add_outputs(NET, ["body", "b", "z", "x"]).graph
    assert names(graph.outputs) == ["y", "z", "b", "x"]
