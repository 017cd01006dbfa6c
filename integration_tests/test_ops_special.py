"""NaN, infinities, signed zeros, and the ends of integer types, against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from one_node import Array, Row, check, table

NUMBERS = np.float32([np.nan, np.inf, -np.inf, 0, -0.0, 1, -1, 2.5])
PAIRS = np.repeat(NUMBERS, 8), np.tile(NUMBERS, 8)
ROWS = NUMBERS.reshape(2, 4)
INTEGERS = (np.int8, np.int16, np.int32, np.int64)
FLOATS = (np.float16, np.float32, np.float64)

ARITHMETIC = [
    *(Row(op, 13, PAIRS) for op in ("Max", "Min", "Add", "Sub", "Mul", "Div", "Pow", "Greater", "Less", "Equal")),
    *(Row(op, 16, PAIRS) for op in ("GreaterOrEqual", "LessOrEqual")),
    Row("Mod", 28, PAIRS),
    Row("Mod", 13, PAIRS, {"fmod": 1}),
    *(
        Row(op, 13, (NUMBERS,))
        for op in ("Abs", "Neg", "Floor", "Ceil", "Round", "Sqrt", "Exp", "Log", "Reciprocal", "Tanh", "Sin", "IsNaN")
    ),
    *(Row(op, 8, (NUMBERS,)) for op in ("Sum", "Mean", "Max", "Min")),
    Row("Sum", 13, (NUMBERS, NUMBERS[:1], NUMBERS[:1, None])),
    Row("Round", 11, (np.float32([0.5, 1.5, 2.5, -0.5, -1.5]),)),
    *(Row("Clip", 13, (NUMBERS, np.float32(-1), np.float32(1)), {}, baked) for baked in ((1, 2), ())),
    *(
        Row("IsInf", opset, (NUMBERS,), {"detect_negative": below, "detect_positive": above})
        for opset in (10, 20)
        for below in (0, 1)
        for above in (0, 1)
    ),
]
REDUCED = [
    *(
        Row(op, 13, (ROWS,), {"axes": [1]})
        for op in ("ReduceMax", "ReduceMin", "ReduceL2", "ReduceLogSumExp", "ReduceProd", "ReduceMean")
    ),
    Row("ReduceSum", 13, (ROWS, np.array([1])), {}, (1,)),
    Row(
        "ReduceLogSumExp",
        13,
        (np.float32([[np.inf, 1], [-np.inf, -np.inf], [1000, 1000]]),),
        {"axes": [1]},
        expected=lambda _: np.float32([[np.inf], [-np.inf], [1000 + np.log(2)]]),
    ),
    *(Row(op, 13, (ROWS,), {"axis": 1}) for op in ("ArgMax", "ArgMin")),
    Row("CumSum", 14, (NUMBERS, np.array(0)), {}, (1,)),
]


def divided(a: Array, b: Array) -> Array:
    return np.trunc(a / b).astype(a.dtype)


def powers(a: Array, b: Array) -> Array:
    return np.array([8, 9]).astype(a.dtype)


ENDS = [
    *(
        Row(op, 14, (np.array([127, -128, 100], kind), np.array([1, -1, 100], kind)))
        for op in ("Add", "Sub", "Mul")
        for kind in (np.int8, np.int16)
    ),
    Row("Add", 14, (np.uint8([255]), np.uint8([1]))),
    Row("Sub", 14, (np.uint8([0]), np.uint8([1]))),
    *(
        Row("Div", 14, (np.array([-7, 7, -7, 7], kind), np.array([2, -2, -2, 2], kind)), expected=divided)
        for kind in INTEGERS
    ),
    *(
        Row("Mod", 13, (np.array([-7, 7, -7, 7], kind), np.array([2, -2, -2, 2], kind)), {"fmod": fmod})
        for fmod in (0, 1)
        for kind in INTEGERS
    ),
    *(
        Row("Pow", 15, (np.array([2, 3], base), np.array([3, 2], exponent)), expected=powers)
        for base in (*FLOATS, np.int32, np.int64)
        for exponent in (*FLOATS, *INTEGERS, np.uint8, np.uint64)
    ),
    *(
        Row(op, 13, (np.array([3, 1], kind), np.array([2, 2], kind), np.array([1, 5], kind)))
        for op in ("Max", "Min")
        for kind in (*INTEGERS, *FLOATS, np.uint8)
    ),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numpy's, of infinities
@pytest.mark.parametrize(**table(ARITHMETIC + REDUCED + ENDS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5)
