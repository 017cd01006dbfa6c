"""Comparisons, logic and selection against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from one_node import Row, check, table

rng = np.random.default_rng(2)
A = rng.standard_normal((2, 3, 4)).astype(np.float32)
B = np.where(rng.random((2, 3, 4)) < 0.5, A, -A)
P, Q = A > 0, B > 0
INTS = rng.integers(-5, 5, (3, 4))
INF = np.float32([[np.inf, -np.inf, np.nan], [0, -1, 1]])

COMPARED = [
    Row(op, opset, (x, y), baked=baked)
    for op, opsets in (
        ("Equal", (7, 11, 13, 19)),
        ("Greater", (7, 9, 13)),
        ("Less", (7, 9, 13)),
        ("GreaterOrEqual", (12, 16)),
        ("LessOrEqual", (12, 16)),
    )
    for opset in (*opsets, 28)
    for x, y in (
        *(((A, B), (A, B[0, 0])) if op != "Equal" or opset >= 11 else ()),
        *(((INTS, INTS[::-1]), (INTS, INTS[:, :1])) if op == "Equal" or opset >= 9 else ()),
    )
    for baked in ((), (1,), (0, 1))
]
COMPUTED = [
    Row(op, opset, (x, y), baked=baked)
    for op in ("And", "Or", "Xor")
    for opset in (7, 28)
    for x, y in ((P, Q), (P, Q[0, :, :1]), (Q[0, 0], P))
    for baked in ((), (1,))
]
ALIGNED = [
    Row(op, opset, (x, y), {"broadcast": 1, "axis": 1}, expected=lambda a, b, f=function: f(a, b[:, None]))
    for op, function, x, y in (
        ("And", np.logical_and, P, Q[0, :, 0]),
        ("Or", np.logical_or, P, Q[0, :, 0]),
        ("Xor", np.logical_xor, P, Q[0, :, 0]),
        ("Equal", np.equal, np.stack([INTS, INTS]), INTS[:, 0]),
        ("Greater", np.greater, A, B[0, :, 0]),
        ("Less", np.less, A, B[0, :, 0]),
    )
    for opset in (1, 6)
]
BITWISE = [
    Row(op, opset, (x, np.asarray(x[::-1])))
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
    for opset in (18, 28)
    for x in (INTS, INTS.astype(np.uint8))
]
OTHER = [
    *(Row("Not", opset, (P,)) for opset in (1, 28)),
    *(Row("BitwiseNot", opset, (x,)) for opset in (18, 28) for x in (INTS, INTS.astype(np.uint16))),
    *(Row("IsNaN", opset, (INF,)) for opset in (9, 13, 20, 28)),
    *(
        Row("IsInf", opset, (INF,), {"detect_negative": low, "detect_positive": high})
        for opset in (10, 20, 28)
        for low in (0, 1)
        for high in (0, 1)
    ),
    *(
        Row("Where", opset, (p, x, y), baked=baked)
        for opset in (9, 16, 28)
        for p, x, y in ((P, A, B), (P[0, 0], A, B[:, :1]), (P, np.float32(0), B), (P[0], INTS, INTS[:, :1]))
        for baked in ((), (1,), (0, 1, 2))
    ),
]


@pytest.mark.parametrize(**table(COMPARED + COMPUTED + ALIGNED + BITWISE + OTHER))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)
