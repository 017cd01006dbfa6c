"""Sequences and optionals, converted to files and run beside ONNX's reference implementation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

A, B, C = (np.arange(size * 3, dtype=np.float32).reshape(size, 3) + size for size in (2, 1, 4))
FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
LIST = helper.make_sequence_type_proto(FLOATS)


def model_of(nodes: str, inputs: dict[str, Any], constants: dict[str, Any], outputs: dict[str, Any], opset: int) -> Any:
    """A model of nodes written as ONNX's textual form, one a line: ``y = SequenceAt <axis = 1> (s, i)``."""
    body = onnx.parser.parse_graph("g () => () {\n" + nodes + "\n}")
    infos = [helper.make_value_info(name, _type(value)) for name, value in inputs.items()]
    stored = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    results = [helper.make_value_info(name, kind) for name, kind in outputs.items()]
    graph = helper.make_graph(list(body.node), "g", infos, results, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _type(value: Any) -> onnx.TypeProto:
    if isinstance(value, list):
        return helper.make_sequence_type_proto(_type(value[0]))
    dims = [f"d{axis}_{value.shape[axis]}" for axis in range(value.ndim)]
    return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(value.dtype), dims)


def generated(model: Any, folder: Path) -> torch.nn.Module:
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    convert(folder / "net.onnx", folder / "out")
    return import_model(folder / "out").load_model()


def to_torch(value: Any) -> Any:
    return [to_torch(item) for item in value] if isinstance(value, list) else torch.from_numpy(np.array(value))


def assert_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, list):
        assert isinstance(found, list)
        assert len(found) == len(wanted)
        for item, other in zip(found, wanted, strict=True):
            assert_same(item, other)
        return
    wanted = np.asarray(wanted)
    assert found.numpy().dtype == wanted.dtype
    assert tuple(found.shape) == wanted.shape
    np.testing.assert_array_equal(found.numpy(), wanted)


I64 = np.int64
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "at": ("s = SequenceConstruct (a, b)\ny = SequenceAt (s, i)", {"i": I64(-1)}, "tensor"),
    "insert at the end": ("s = SequenceConstruct (a, b)\ny = SequenceInsert (s, c)", {}, "list"),
    "insert": ("s = SequenceConstruct (a, b)\ny = SequenceInsert (s, c, i)", {"i": I64(-1)}, "list"),
    "insert first": ("s = SequenceConstruct (a, b)\ny = SequenceInsert (s, c, i)", {"i": I64(0)}, "list"),
    "insert into nothing": ("s = SequenceEmpty ()\ny = SequenceInsert (s, c)", {}, "list"),
    "erase": ("s = SequenceConstruct (a, b, c)\ny = SequenceErase (s, i)", {"i": I64(1)}, "list"),
    "erase from the end": ("s = SequenceConstruct (a, b, c)\ny = SequenceErase (s, i)", {"i": I64(-2)}, "list"),
    "erase the last": ("s = SequenceConstruct (a, b, c)\ny = SequenceErase (s)", {}, "list"),
    "length": ("s = SequenceConstruct (a, b, c)\ny = SequenceLength (s)", {}, "int"),
    "length of parts": ("s = SplitToSequence (a)\ny = SequenceLength (s)", {}, "int"),
    "split": ("y = SplitToSequence <axis = 1> (a)", {}, "list"),
    "split to rows": ("y = SplitToSequence <keepdims = 0> (c)", {}, "list"),
    "split to pairs": ("y = SplitToSequence <axis = 0> (c, n)", {"n": I64(3)}, "list"),
    "split to sizes": ("y = SplitToSequence <axis = -1, keepdims = 0> (c, n)", {"n": I64([1, 2])}, "list"),
    "concat": ("s = SequenceConstruct (a, b, c)\ny = ConcatFromSequence <axis = 0> (s)", {}, "tensor"),
    "stack": ("s = SequenceConstruct (a, a)\ny = ConcatFromSequence <axis = -1, new_axis = 1> (s)", {}, "tensor"),
    "concat parts": ("s = SplitToSequence (c)\ny = ConcatFromSequence <axis = 1> (s)", {}, "tensor"),
    "stack parts": ("s = SplitToSequence (c)\ny = ConcatFromSequence <axis = 1, new_axis = 1> (s)", {}, "tensor"),
    "one used twice": (
        "s = SplitToSequence (c)\nt = SequenceInsert (s, b)\ny = SequenceErase (t, i)",
        {"i": I64(1)},
        "list",
    ),
}
KINDS = {"tensor": FLOATS, "list": LIST, "int": helper.make_tensor_type_proto(TensorProto.INT64, [])}


@pytest.mark.parametrize("baked", [True, False], ids=["baked", "given"])
@pytest.mark.parametrize("name", CASES)
def test_sequences(name: str, baked: bool, tmp_path: Path) -> None:
    nodes, numbers, kind = CASES[name]
    given = {} if baked else {key: np.asarray(value) for key, value in numbers.items()}
    inputs = {"a": A, "b": B, "c": C, **given}
    model = model_of(nodes, inputs, numbers if baked else {}, {"y": KINDS[kind]}, 18)
    (wanted,) = ReferenceEvaluator(model).run(None, inputs)
    found = generated(model, tmp_path)(*map(to_torch, inputs.values()))
    assert_same(found, wanted)


def test_parts_of_nothing_are_none(tmp_path: Path) -> None:
    model = model_of(
        "y = SplitToSequence (a)\nz = SplitToSequence <keepdims = 0> (a)", {"a": A}, {}, {"y": LIST, "z": LIST}, 18
    )
    assert generated(model, tmp_path)(torch.empty(0, 3)) == ([], [])


SEQUENCES = [
    ("y = SequenceAt (s, i)", "tensor"),
    ("y = SequenceInsert (s, c, i)", "list"),
    ("y = SequenceErase (s, i)", "list"),
    ("y = ConcatFromSequence <axis = 0> (s)", "tensor"),
    ("y = SequenceLength (s)", "int"),
    ("t = Identity (s)\ny = SequenceInsert (t, c)", "list"),
    ("k = SequenceLength (s)\nf = Cast <to = 1> (k)\ny = Mul (c, f)", "tensor"),
]


@pytest.mark.parametrize("position", [0, 1, -1, -2])
@pytest.mark.parametrize(("nodes", "kind"), SEQUENCES, ids=[nodes for nodes, _ in SEQUENCES])
def test_a_sequence_as_input(nodes: str, kind: str, position: int, tmp_path: Path) -> None:
    inputs = {"s": [A, B, C], "c": C, "i": np.asarray(position)}
    model = model_of(nodes, inputs, {}, {"y": KINDS[kind]}, 18)
    (wanted,) = ReferenceEvaluator(model).run(None, inputs)
    assert_same(generated(model, tmp_path)(*map(to_torch, inputs.values())), wanted)


def optional_model(opset: int) -> Any:
    """``(x if x is there, else nothing; whether it is)`` of an optional tensor."""
    kind = helper.make_optional_type_proto(FLOATS)
    nodes = [helper.make_node("OptionalHasElement", ["x"], ["there"]), helper.make_node("Identity", ["x"], ["same"])]
    results = [helper.make_value_info("same", kind), helper.make_tensor_value_info("there", TensorProto.BOOL, [])]
    graph = helper.make_graph(nodes, "g", [helper.make_value_info("x", kind)], results)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


@pytest.mark.parametrize("opset", [16, 18, 21])
def test_an_optional_may_be_none(opset: int, tmp_path: Path) -> None:
    model = generated(optional_model(opset), tmp_path)
    same, there = model(None)
    assert same is None
    assert there.equal(torch.tensor(False))
    same, there = model(torch.ones(2))
    assert same.equal(torch.ones(2))
    assert there.equal(torch.tensor(True))


def test_optionals_that_are_known(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Optional", ["a"], ["o"]),
        helper.make_node("OptionalGetElement", ["o"], ["y"]),
        helper.make_node("OptionalHasElement", ["o"], ["yes"]),
        helper.make_node("Optional", [], ["e"], type=LIST),
        helper.make_node("OptionalHasElement", ["e"], ["no"]),
    ]
    truth = helper.make_tensor_type_proto(TensorProto.BOOL, [])
    nothing = helper.make_optional_type_proto(LIST)
    results = [helper.make_value_info(n, k) for n, k in {"y": FLOATS, "yes": truth, "no": truth, "e": nothing}.items()]
    graph = helper.make_graph(nodes, "g", [helper.make_value_info("a", FLOATS)], results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    y, yes, no, empty = generated(model, tmp_path)(torch.ones(2))
    assert y.equal(torch.ones(2))
    assert (yes.item(), no.item(), empty) == (True, False, None)
