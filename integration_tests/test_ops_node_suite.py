"""What is stated of every value beforehand, held against ONNX's own node tests.

Each case of the operators of arithmetic, logic, reductions, shapes, indexing and constants runs as it is, and with all
inputs but the first as initializers: types, ranks, sizes and numbers that lowering states must be those that come out.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from arrays import to_torch
from codegen_torch.lower.registry import registered
from interpret import interpret
from one_node import check_facts, lower_proto
from onnx import numpy_helper

FAMILIES = ("bitwise", "cast", "generator", "indexing", "logical", "math", "reduction", "reshape", "tensor")


@functools.cache
def cases() -> list[Any]:
    from onnx.backend.test.loader import load_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = load_model_tests(kind="node")
    known = {
        op_type
        for (domain, op_type), definitions in registered().items()
        if not domain
        and any(definition.meaning.__module__.rpartition(".")[2] in FAMILIES for definition in definitions)
    }
    return [case for case in loaded if {node.op_type for node in case.model.graph.node} <= known]


def array_of(value: Any) -> np.ndarray:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def tensor_of(value: Any) -> torch.Tensor | np.ndarray:
    array = np.array(array_of(value))
    return array if array.dtype == object else to_torch(array)


def baked(model: onnx.ModelProto, inputs: list[Any]) -> onnx.ModelProto:
    """The model with every input but the first as an initializer."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for info, value in list(zip(model.graph.input, inputs, strict=False))[1:]:
        stored = copy.graph.initializer.add()
        stored.CopyFrom(value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(array_of(value)))
        stored.name = info.name
        copy.graph.input.remove(info)
    return copy


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("bake", [False, True], ids=["inputs", "initializers"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name.removeprefix("test_"))
def test_node(case: Any, bake: bool) -> None:
    for inputs, outputs in case.data_sets:
        model = baked(case.model, inputs) if bake else case.model
        lowered = lower_proto(model)
        names = {info.name for info in model.graph.input}
        fed = {
            info.name: tensor_of(value)
            for info, value in zip(case.model.graph.input, inputs, strict=False)
            if info.name in names
        }
        found = interpret(lowered.outputs, fed, lowered.inputs)
        for (name, value), want in zip(found.items(), map(tensor_of, outputs), strict=True):
            check_facts(lowered.outputs[name], value)
            if isinstance(want, np.ndarray):
                assert value.tolist() == want.tolist()
                continue
            assert value.dtype is want.dtype
            if lowered.outputs[name].dtype.is_narrow_float:
                value, want = value.float(), want.float()
            torch.testing.assert_close(value, want, rtol=1e-4, atol=1e-6, equal_nan=True)


def test_the_suite_is_there() -> None:
    assert len(cases()) > 900
