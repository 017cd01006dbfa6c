"""Operations on the types that torch stores but has few kernels for, against numpy."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from one_node import Row, check, table

FLOAT8 = ("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu")
MOVED = (
    *(np.arange(1, 7).reshape(2, 3).astype(dtype) << 9 for dtype in (np.uint16, np.uint32, np.uint64)),
    *((2.0 ** np.arange(-2, 4).reshape(2, 3)).astype(getattr(ml_dtypes, name)) for name in (*FLOAT8, "float4_e2m1fn")),
    *(np.arange(6).reshape(2, 3).astype(getattr(ml_dtypes, name)) for name in ("int4", "uint4")),
    (np.arange(6).reshape(2, 3) + 1j).astype(np.complex64),
)
INDICES = np.array([[1, 0, 1]])


def taken(x: np.ndarray, indices: np.ndarray) -> np.ndarray:
    return np.take_along_axis(x, indices, 0)


def put(x: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    result = x.copy()
    np.put_along_axis(result, indices, updates, 0)
    return result


MOVEMENT = [
    row
    for x in MOVED
    for row in (
        Row("GatherElements", 13, (x, INDICES), {"axis": 0}, expected=taken),
        Row("ScatterElements", 18, (x, INDICES, x[1:]), {"axis": 0}, expected=put),
        Row("Gather", 13, (x, np.array([1, 0])), {"axis": 1}, expected=lambda x, i: x[:, i]),
        Row("Concat", 13, (x, x), {"axis": 1}, expected=lambda *xs: np.concatenate(xs, 1)),
        Row("Transpose", 25, (x,), {"perm": [1, 0]}, expected=np.transpose),
        Row("Reshape", 25, (x, np.array([3, 2])), {}, (1,), lambda x, _: x.reshape(3, 2)),
        Row("Unsqueeze", 25, (x, np.array([0])), {}, (1,), lambda x, _: x[None]),
        Row("Slice", 13, (x, np.array([1]), np.array([3]), np.array([1])), {}, (1, 2, 3), lambda x, *_: x[:, 1:3]),
        Row("Where", 16, (np.array([True, False, True]), x, x[::-1]), expected=np.where),
        Row("Identity", 25, (x,), expected=np.copy),
    )
]
TRIANGLES = [
    Row("Trilu", 14, (x,), {"upper": upper}, expected=np.triu if upper else np.tril)
    for x in MOVED[:3]
    for upper in (0, 1)
]

COUNTS = np.arange(12).reshape(1, 4, 3)
UNSIGNED = [
    *(
        Row(
            "ReduceMean",
            13,
            (x,),
            {"axes": [1]},
            expected=lambda a: a.sum(1, keepdims=True, dtype=a.dtype) // a.dtype.type(3),
        )
        for x in MOVED[:3]
    ),
    *(Row("Gemm", 13, (x, x.T.copy()), expected=lambda a, b: a @ b) for x in MOVED[1:3]),
    *(Row("PRelu", 16, (x, x[:1]), expected=lambda a, _: a) for x in MOVED[1:3]),
]
FOLDED = [
    Row("Col2Im", 18, (COUNTS.astype(dtype), np.array([2, 4]), np.array([2, 2])), {}, (1, 2))
    for dtype in (np.uint8, np.int8, np.uint16, np.int32, np.uint32)
]

PATTERNS = np.array([0, 1, 0x5A, 0x80, 0xFF, 0xC3], np.uint64) * np.uint64(0x0101010101010101)
INTEGERS = [PATTERNS.astype(f"{sign}{width}") for sign in "iu" for width in (1, 2, 4, 8)]
SHIFTS = [0, 1, 3, 7, 8, 15]
BITWISE = [
    *(
        Row(op, 18, (x, x[::-1].copy()), baked=baked)
        for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")
        for x in INTEGERS
        for baked in ((), (1,))
    ),
    *(Row("BitwiseNot", 18, (x,), baked=baked) for x in INTEGERS for baked in ((), (0,))),
    *(
        Row("BitShift", opset, (x, np.array(counts, x.dtype)), {"direction": direction}, baked)
        for opset in (11, 28)
        for x in INTEGERS
        if opset == 28 or x.dtype.kind == "u"
        for counts in (SHIFTS, [31, 32, 63, 64, 65, 100])
        for direction in ("LEFT", "RIGHT")
        for baked in ((), (1,))
    ),
    *(
        Row("BitShift", 28, (x, np.array([-1, -8, -64, 0, -2, 1], x.dtype)), {"direction": direction})
        for x in INTEGERS[:4]
        for direction in ("LEFT", "RIGHT")
    ),
]
INFINITE = [
    Row("IsInf", 20, (np.array([1, np.inf, -np.inf, np.nan], np.float32).astype(getattr(ml_dtypes, name)),))
    for name in FLOAT8[:4]
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(**table(MOVEMENT + TRIANGLES + UNSIGNED + FOLDED + BITWISE + INFINITE))
def test_against_numpy(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=0, atol=0)
