"""Arithmetic, elementwise functions and matrix products against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_torch.ops.math import FLOAT32_MAX
from one_node import Row, check, symbols_of, table

rng = np.random.default_rng(1)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def ints(*shape: int, low: int = -9, high: int = 9) -> np.ndarray:
    return rng.integers(low, high, shape)


A, B = floats(2, 3, 4), floats(2, 3, 4)
NONZERO = ints(3, 4, low=1)
OPSETS = (7, 13, 14, 28)

BROADCAST = [
    Row(op, opset, (x, y), baked=baked)
    for op in ("Add", "Sub", "Mul", "Div")
    for opset in OPSETS
    for x, y in ((A, B), (A, floats(4)), (floats(3, 1), A), (A, np.float32(2.5)))
    for baked in ((), (1,))
]

# Before opset 7 the second operand was aligned where `axis` said, if `broadcast` said so.
ALIGNED = [
    Row(op, opset, (A, y), {"broadcast": 1, **({} if axis is None else {"axis": axis})}, baked, expected=expected)
    for op, function in (("Add", np.add), ("Sub", np.subtract), ("Mul", np.multiply), ("Div", np.divide))
    for opset in (1, 6)
    for baked in ((), (1,))
    for y, axis, shape in (
        (floats(3), 1, (3, 1)),
        (floats(2, 3), 0, (2, 3, 1)),
        (floats(3, 4), None, (3, 4)),
        (floats(2), -3, (2, 1, 1)),
    )
    for expected in [lambda a, b, function=function, shape=shape: function(a, b.reshape(shape))]
] + [
    Row("Add", 6, (A, B), expected=np.add),
    Row("Add", 1, (A, B), {"consumed_inputs": [0, 0]}, expected=np.add),
    Row("Pow", 1, (abs(A), floats(3)), {"broadcast": 1, "axis": 1}, expected=lambda a, b: a ** b.reshape(3, 1)),
]

INTEGERS = [
    Row(op, opset, (ints(3, 4), y), baked=baked)
    for op in ("Add", "Sub", "Mul")
    for opset in OPSETS
    for y in (NONZERO, np.array(3))
    for baked in ((), (1,))
] + [
    # Integers are divided towards zero: the reference of the `onnx` package floors them.
    Row("Div", opset, (x, y), baked=baked, expected=lambda a, b: np.trunc(a / b).astype(a.dtype))
    for opset in OPSETS
    for x, y in ((ints(3, 4), NONZERO), (ints(3, 4), -NONZERO), (ints(3, 4).astype(np.int32), np.int32(-2)))
    for baked in ((), (0, 1))
]

MOD = [
    Row("Mod", opset, (x, y), attributes, baked=baked)
    for opset in (10, 13, 28)
    for x, y, attributes in (
        (ints(3, 4), NONZERO, {}),
        (ints(3, 4), -NONZERO, {}),
        (ints(3, 4), -NONZERO, {"fmod": 1}),
        (A, B, {"fmod": 1}),
    )
    for baked in ((), (0, 1))
]

POW = [
    Row("Pow", opset, (x, y), baked=baked)
    for opset in (7, 12, 13, 15, 28)
    for x, y in (
        (abs(A), B),
        (A, np.float32(2)),
        *(
            (
                (A, np.array(2)),
                (ints(3, low=0), np.float32([0.5, 2, 1])),
                (ints(3).astype(np.int32), np.array([2, 0, 3])),
            )
            if opset >= 12
            else ()
        ),
    )
    for baked in ((), (1,))
]

POSITIVE, WITHIN = abs(A) + 1.5, np.tanh(A)
UNARY = [
    Row(op, opset, (x,))
    for op, x, opsets in (
        ("Abs", A, (1, 6, 13)),
        ("Acos", WITHIN, (7, 22)),
        ("Acosh", POSITIVE, (9, 22)),
        ("Asin", WITHIN, (7, 22)),
        ("Asinh", A, (9, 22)),
        ("Atan", A, (7, 22)),
        ("Atanh", WITHIN, (9, 22)),
        ("Ceil", A * 3, (1, 6, 13)),
        ("Cos", A, (7, 22)),
        ("Cosh", A, (9, 22)),
        ("Erf", A, (9, 13)),
        ("Exp", A, (1, 6, 13)),
        ("Floor", A * 3, (1, 6, 13)),
        ("Log", POSITIVE, (1, 6, 13)),
        ("Neg", A, (1, 6, 13)),
        ("Neg", ints(3), (6, 13)),
        ("Reciprocal", POSITIVE, (1, 6, 13)),
        ("Round", np.float32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.4, 2.6]), (11, 22)),
        ("Sign", np.float32([-2, 0, 3]), (9, 13)),
        ("Sign", ints(5), (9, 13)),
        ("Sin", A, (7, 22)),
        ("Sinh", A, (9, 22)),
        ("Sqrt", POSITIVE, (1, 6, 13)),
        ("Tan", A, (7, 22)),
    )
    for opset in (*opsets, 28)
]

VARIADIC = [
    Row(op, opset, xs, expected=expected)
    for op, expected in (
        ("Max", lambda *xs: np.stack(np.broadcast_arrays(*xs)).max(0)),
        ("Min", lambda *xs: np.stack(np.broadcast_arrays(*xs)).min(0)),
        ("Sum", lambda *xs: np.stack(np.broadcast_arrays(*xs)).sum(0)),
        ("Mean", lambda *xs: np.stack(np.broadcast_arrays(*xs)).mean(0, dtype=np.float32)),
    )
    for opset in (1, 6, 8, 12, 13, 28)
    for xs in ((A,), (A, B), (A, B, A * B), *(((A, floats(4), floats(3, 1)),) if opset >= 8 else ()))
]

CLIP = [
    *(
        Row("Clip", opset, (A,), attributes, expected=lambda a, low=low, high=high: np.clip(a, low, high))
        for opset in (1, 6)
        for attributes, low, high in (
            ({"min": -0.5, "max": 0.5}, -0.5, 0.5),
            ({"min": 0.0}, 0.0, None),
            ({"max": 0.25}, None, 0.25),
        )
    ),
    *(
        Row("Clip", opset, (A, low, high), baked=baked)
        for opset in (11, 12, 13, 28)
        for low, high in (
            (np.float32(-0.5), np.float32(0.5)),
            (None, np.float32(0.5)),
            (np.float32(0.5), None),
            (np.float32(1), np.float32(-1)),
        )
        for baked in ((), (1, 2), (1,))
    ),
    Row("Clip", 13, (ints(5), np.array(-2), np.array(3)), baked=(1, 2)),
    Row("Clip", 13, (ints(5).astype(np.int32), np.int32(-2), None), baked=(1,)),
]

PRODUCTS = [
    Row("MatMul", opset, (x, y), baked=baked)
    for opset in (1, 9, 13, 28)
    for x, y in (
        (floats(3, 4), floats(4, 2)),
        (floats(2, 3, 4), floats(4, 2)),
        (floats(2, 1, 3, 4), floats(5, 4, 2)),
        (floats(4), floats(4, 2)),
        (floats(3, 4), floats(4)),
    )
    for baked in ((), (1,))
]

GEMM = [
    Row(
        "Gemm",
        opset,
        (x.T if attributes.get("transA") else x, y.T if attributes.get("transB") else y, c),
        {**attributes, **({"broadcast": 1} if opset < 7 else {})},
        baked,
        expected=lambda a, b, c=None, attributes=attributes: gemm(a, b, c, **attributes),
    )
    for opset in (1, 6, 7, 9, 11, 13, 28)
    for x, y in ((floats(3, 4), floats(4, 5)),)
    for c in (floats(5), floats(1, 5), floats(3, 5), np.float32(2).reshape(1), *((None,) if opset >= 11 else ()))
    for attributes in ({}, {"transB": 1}, {"transA": 1, "transB": 1}, {"alpha": 0.5, "beta": 0.25}, {"beta": 0.0})
    for baked in ((), (1, 2))
]


def gemm(a, b, c, *, alpha=1.0, beta=1.0, **transposed):
    product = alpha * ((a.T if transposed.get("transA") else a) @ (b.T if transposed.get("transB") else b))
    return (product if c is None else product + beta * c).astype(np.float32)


CUMSUM = [
    Row("CumSum", opset, (x, np.array(axis, np.int32)), attributes, baked)
    for opset in (11, 14, 28)
    for x in (A, ints(2, 3), ints(2, 3).astype(np.int32), np.zeros((2, 0), np.float32), np.float64([[np.inf, 1]]))
    for axis in (0, -1)
    for attributes in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1})
    for baked in ((1,), ())
]


def cumprod(exclusive=0, reverse=0):
    def expected(a, axis):
        a = np.flip(a, axis) if reverse else a
        if exclusive:
            kept = np.take(a, range(max(a.shape[axis] - 1, 0)), axis)
            a = np.concatenate([np.ones_like(np.take(a, range(min(a.shape[axis], 1)), axis)), kept], axis)
        a = np.cumprod(a, axis, a.dtype)
        return np.flip(a, axis) if reverse else a

    return expected


CUMPROD = [
    Row("CumProd", opset, (x, np.array(axis, np.int32)), attributes, baked, cumprod(**attributes))
    for opset in (26, 28)
    for x in (A, ints(2, 3), ints(2, 3).astype(np.int32), np.zeros((2, 0), np.float32), np.uint64([[3, 2**63 + 1]]))
    for axis in (0, -1)
    for attributes in ({}, {"exclusive": 1}, {"reverse": 1}, {"exclusive": 1, "reverse": 1})
    for baked in ((1,), ())
]
LIMITS = [(-FLOAT32_MAX, 2.0, {"max": 2.0}), (0.0, FLOAT32_MAX, {"min": 0.0}), (-FLOAT32_MAX, FLOAT32_MAX, {})]
FAR = np.float64([np.inf, -np.inf, np.nan, 1e39, -1e39, 1])
CLIP_OF_FLOAT32 = [
    Row("Clip", opset, (x,), attributes, expected=lambda a, low=low, high=high: np.clip(a, low, high))
    for opset in (6, 10)
    for x in (FAR, np.float32([np.inf, -np.inf, np.nan, 1]))
    for low, high, attributes in LIMITS
]


@pytest.mark.parametrize(
    **table(
        BROADCAST
        + ALIGNED
        + INTEGERS
        + MOD
        + POW
        + UNARY
        + VARIADIC
        + CLIP
        + PRODUCTS
        + GEMM
        + CUMSUM
        + CUMPROD
        + CLIP_OF_FLOAT32
    )
)
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=2e-6)


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (Row("Add", 13, (A, B)), ["operator.add"]),
        (Row("Div", 13, (A, B)), ["operator.truediv"]),
        (Row("Gemm", 13, (floats(3, 4), floats(5, 4), floats(5)), {"transB": 1}, (1, 2)), ["F.linear"]),
        (Row("Clip", 13, (A, np.float32(0), np.float32(6)), {}, (1, 2)), ["torch.clamp"]),
        (Row("Sum", 13, (A,)), []),
    ],
    ids=lambda value: value.op if isinstance(value, Row) else "",
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(check(row, symbolic=True)) == symbols


def test_an_integer_is_not_clipped_by_a_float() -> None:
    outputs = check(Row("Clip", 13, (ints(5), np.array(-2), np.array(3)), baked=(1, 2)), symbolic=False)
    bounds = outputs["y0"].attrs
    assert (bounds["min"], bounds["max"]) == (-2, 3)
    assert all(isinstance(bound, int) for bound in bounds.values())


def test_division_of_large_integers_is_exact() -> None:
    big = np.array([3 * 2**61 + 1, -(3 * 2**61) - 1])
    check(Row("Div", 14, (big, np.array([3])), expected=lambda a, b: np.array([2**61, -(2**61)])), symbolic=False)
