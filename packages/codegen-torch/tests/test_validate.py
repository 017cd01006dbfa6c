"""Each rule of ONNX that a model breaks is told, with its place."""

from __future__ import annotations

import dataclasses

import pytest
from onnx_proto import Model, OperatorSet
from onnx_proto.build import graph, model, node, tensor, value

from codegen_torch.errors import InvalidModelError
from codegen_torch.validate import validate

X = value("x", "float32", [2])


def of(*nodes: tuple[str, str, str]) -> Model:
    made = [node(op, inputs.split(), outputs.split(), name=f"n{i}") for i, (op, inputs, outputs) in enumerate(nodes)]
    return model(graph(made, [X], ["y"], [tensor("w", [1.0, 2.0])]), opset_imports=20)


def test_a_sound_model_passes() -> None:
    validate(of(("Add", "x w", "a"), ("Neg", "a", "y")), "m.onnx")


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (of(("Neg", "q", "y")), r"graph.node\[0\] 'n0' reads 'q', which nothing computes"),
        (of(("Neg", "y", "y")), "which it computes itself: a cycle"),
        (of(("Neg", "b", "a"), ("Neg", "a", "b"), ("Neg", "a", "y")), r"which node\[1\] computes after it: a cycle"),
        (of(("Neg", "x", "w"), ("Neg", "w", "y")), "'n0' computes 'w', which graph.initializer gives a value too"),
        (of(("Neg", "x", "z")), "graph.output 'y' is computed by no node"),
        (of(("Neg", "x x", "y")), r"'n0' \(Neg\) has 2 inputs, of which there are at most 1"),
        (of(("Neg", "x", "y z")), "has 2 outputs, of which there are at most 1"),
        (of(("Cast", "x", "y")), "lacks the attribute 'to'"),
        (
            dataclasses.replace(of(("Neg", "x", "y")), opset_imports=(OperatorSet("", 20), OperatorSet("", 9))),
            "domain '' has two versions, 20 and 9",
        ),
    ],
)
def test_what_is_broken_is_told(broken: Model, words: str) -> None:
    with pytest.raises(InvalidModelError, match=words):
        validate(broken, "m.onnx")
