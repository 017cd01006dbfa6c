"""Unsigned integers of 16, 32 and 64 bits, which torch does not compute with, against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from one_node import Row, check, table

PAIRS = {
    np.uint16: (np.uint16([0, 1, 65535, 7, 40000]), np.uint16([9, 3, 65535, 40000, 7])),
    np.uint32: (np.uint32([0, 1, 2**32 - 1, 7, 2**31]), np.uint32([9, 3, 2**32 - 1, 2**31, 7])),
    np.uint64: (np.uint64([0, 1, 2**64 - 1, 7, 2**63]), np.uint64([9, 3, 2**64 - 1, 2**63, 7])),
}
MORE = np.uint64([0, 5, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1])
EVERY_PAIR = (np.repeat(MORE, 6), np.tile(np.delete(MORE, 0), 7))

ROWS = [
    Row(op, opset, pair, baked=baked)
    for op, opsets in (
        *((op, (7, 14)) for op in ("Add", "Sub", "Mul", "Div")),
        ("Mod", (10, 13, 28)),
        *((op, (8, 12, 13)) for op in ("Max", "Min")),
        ("Equal", (11, 19)),
        *((op, (9, 13)) for op in ("Greater", "Less")),
        *((op, (12, 16)) for op in ("GreaterOrEqual", "LessOrEqual")),
    )
    for opset in opsets
    for pair in (*PAIRS.values(), EVERY_PAIR)
    for baked in ((), (1,))
]


def powers(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a ** b.astype(a.dtype)


ALONE = [
    *(
        Row(op, 13, (x,), expected=function)
        for op, function in (("Abs", np.abs), ("Sign", lambda a: (a > 0).astype(a.dtype)), ("Identity", np.copy))
        for x, _ in PAIRS.values()
    ),
    *(
        Row("Clip", 13, (x, x[1], x[4]), baked=baked, expected=np.clip)
        for x, _ in PAIRS.values()
        for baked in ((), (1, 2))
    ),
    *(Row("Where", 16, (x > y, x, y)) for x, y in PAIRS.values()),
    *(
        Row("CumSum", 14, (x, np.array(0)), baked=(1,), expected=lambda a, _: np.cumsum(a, dtype=a.dtype))
        for x, _ in list(PAIRS.values())[1:]
    ),
    *(Row("MatMul", 13, (x[None], y[:, None])) for x, y in list(PAIRS.values())[1:]),
    *(Row("Pow", 15, (x, np.array([2, 1, 2, 0, 3])), expected=powers) for x, _ in PAIRS.values()),
    *(Row("Pow", 15, (np.float32([0.5, 2, 3, 4, 5]), y % np.uint8(5))) for _, y in PAIRS.values()),
]


@pytest.mark.parametrize(**table(ROWS + ALONE))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)
