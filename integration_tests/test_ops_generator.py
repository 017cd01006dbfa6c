"""Constants and tensors made from sizes against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from codegen_torch.errors import UnsupportedError
from interpret import interpret
from one_node import Row, chain, check, lower_proto, model_of, symbols_of, table
from onnx import helper, numpy_helper

VALUES = np.float32([[1, 2], [3, 4]])


def stored(value: object) -> object:
    return numpy_helper.from_array(np.asarray(value))


CONSTANTS = [
    *(
        Row("Constant", opset, (), {"value": stored(value)})
        for opset in (1, 9, 13, 28)
        for value in (VALUES, np.array(3))
    ),
    *(
        Row("Constant", opset, (), attributes)
        for opset in (12, 13, 28)
        for attributes in ({"value_float": 0.1}, {"value_floats": [0.1, 2.0]}, {"value_int": 3}, {"value_ints": [3, 4]})
    ),
    *(
        Row("Constant", 13, (), {"sparse_value": sparse}, expected=lambda: np.float32([[0, 5, 0], [0, 0, 6]]))
        for sparse in (
            helper.make_sparse_tensor(
                helper.make_tensor("v", 1, [2], [5.0, 6.0]), helper.make_tensor("i", 7, [2], [1, 5]), [2, 3]
            ),
            helper.make_sparse_tensor(
                helper.make_tensor("v", 1, [2], [5.0, 6.0]), helper.make_tensor("i", 7, [2, 2], [0, 1, 1, 2]), [2, 3]
            ),
        )
    ),
]
FILLED = [
    Row("ConstantOfShape", opset, (np.array(shape, np.int64),), attributes, baked)
    for opset in (9, 20, 28)
    for shape in ((2, 3), (), (0, 2), (40, 50))
    for attributes in (
        {},
        {"value": stored(np.float32([1]))},
        {"value": stored(np.float32([-0.0]))},
        {"value": stored(np.array([7]))},
        {"value": stored(np.array([True]))},
        {"value": stored(np.float16([0.1]))},
    )
    for baked in ((), (0,))
]


def exact_halves(start: np.float16, limit: np.float16, delta: np.float16) -> np.ndarray:
    """Counted in float32: half precision would stop at 2048."""
    return np.arange(np.float32(start), np.float32(limit), np.float32(delta)).astype(np.float16)


RANGES = [
    Row("Range", opset, tuple(np.asarray(bound, dtype) for bound in bounds), baked=baked)
    for opset in (11, 28)
    for dtype, bounds in (
        (np.int64, (0, 5, 1)),
        (np.int64, (2, 11, 3)),
        (np.int64, (10, 2, -3)),
        (np.int64, (5, 0, 1)),
        (np.int32, (1, 4, 1)),
        (np.int16, (1, 4, 2)),
        (np.float32, (0, 1, 0.1)),
        (np.float32, (3, -1, -0.7)),
        (np.float64, (1, 1, 0.5)),
    )
    for baked in ((), (0, 1, 2), (0, 2))
] + [
    Row("Range", 27, tuple(np.float16([first, last, 1])), attributes, baked, exact_halves)
    for first, last in ((1, 5), (0, 3000))
    for attributes in ({}, {"stash_type": 1})
    for baked in ((), (0, 1, 2))
]
EYES = [
    Row("EyeLike", opset, (np.zeros((3, 4), np.float32),), attributes)
    for opset in (9, 22, 28)
    for attributes in ({}, {"k": 1}, {"k": -2}, {"dtype": 7})
]


@pytest.mark.parametrize(**table(CONSTANTS + FILLED + RANGES + EYES))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


def test_a_minus_zero_stays_one() -> None:
    fill = {"value": stored(np.float32([-0.0]))}
    model = chain([("ConstantOfShape", ["n"], "y", fill)], {"n": (np.int64, [1])}, {}, "y")
    value = interpret(lower_proto(model).outputs, {"n": torch.tensor([2])})["y"]
    assert np.signbit(value.numpy()).all()


def test_a_range_of_a_size_is_written_with_it() -> None:
    model = chain(
        [("Shape", ["x"], "s"), ("Gather", ["s", "one"], "n"), ("Range", ["zero", "n", "step"], "y")],
        {"x": (np.float32, ["batch", "seq"])},
        {"one": 1, "zero": 0, "step": 1},
        "y",
    )
    outputs = lower_proto(model).outputs
    assert symbols_of(outputs) == ["torch.arange"]
    assert str(outputs["y"].attrs["stop"]) == "seq"


def test_a_large_constant_of_shape_takes_no_memory() -> None:
    model = chain([("ConstantOfShape", ["n"], "y")], {}, {"n": [1 << 20, 1 << 20]}, "y")
    (output,) = lower_proto(model).outputs.values()
    assert output.op == "constant"
    assert output.dims == (1 << 20, 1 << 20)
    assert output.fact.fill == 0


def test_a_range_that_stands_still_is_refused() -> None:
    row = Row("Range", 11, (np.array(0), np.array(3), np.array(0)), baked=(0, 1, 2))
    with pytest.raises(UnsupportedError, match="the numbers are 0 apart"):
        lower_proto(model_of(row, symbolic=False))


def test_a_long_range_is_computed_when_the_model_runs() -> None:
    bounds = tuple(np.float32([0, 1 << 17, 1]))
    assert symbols_of(check(Row("Range", 11, bounds, baked=(0, 1, 2)), symbolic=False)) == ["runtime.arange"]
