"""The greatest, the different and what is not zero, against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from one_node import Array, Row, check, symbols_of, table

rng = np.random.default_rng(9)
A = rng.standard_normal((3, 4, 5)).astype(np.float32)
TIES = rng.integers(0, 3, (3, 40)).astype(np.float32)


def best(k: int, axis: int = -1, largest: int = 1) -> Any:
    """The first so many of a stable order."""

    def expected(a: Array, *_: Array) -> tuple[Array, Array]:
        # In its own order a type's greatest number is the last; numpy's stable sort is ascending alone.
        keys = (
            np.argsort(np.argsort(np.unique(a)))
            if not a.size
            else np.unique(a, return_inverse=True)[1].reshape(a.shape)
        )
        order = np.argsort(-keys if largest else keys, axis=axis, kind="stable")
        places = np.take(order, np.arange(k), axis=axis)
        return np.take_along_axis(a, places, axis), places

    return expected


TOPK = [
    *(
        Row("TopK", 1, (x,), {"k": k, "axis": axis}, (), best(k, axis), 2)
        for x, axis in ((A, -1), (A, 1), (TIES, 1))
        for k in (1, 3)
    ),
    *(
        Row("TopK", 10, (x, np.array([k])), {"axis": axis}, baked, best(k, axis), 2)
        for x, axis in ((A, 0), (TIES, -1))
        for k in (1, 2)
        for baked in ((), (1,))
    ),
    *(
        Row(
            "TopK",
            opset,
            (x, np.array([k])),
            {"axis": axis, "largest": largest, "sorted": in_order},
            baked,
            expected,
            2,
        )
        for opset in (11, 24, 28)
        for x, axis in ((A, 2), (TIES, 1), ((A * 2).astype(np.int64), 1), (A.astype(np.float16), -1))
        for k in (2, 4)
        for largest in (0, 1)
        for in_order in (0, 1)
        for baked in ((), (1,))
        for expected in [best(k, axis, largest)]
    ),
    *(
        Row("TopK", 11, (x, np.array([2])), {"largest": largest}, (1,), best(2, -1, largest), 2)
        for x in (np.uint8([3, 255, 0, 255]), np.uint32([3, 2**31, 0]), np.uint64([3, 2**64 - 1, 2**63, 0]))
        for largest in (0, 1)
    ),
    Row("TopK", 11, (A, np.array([0])), {}, (), best(0), 2),
    Row("TopK", 11, (A, np.array([2])), {}, (), best(2), 2, open_lists=True),
]
ONLY_VALUES = [
    Row(
        "TopK",
        11,
        (A, np.array([2])),
        {"largest": largest},
        baked,
        lambda a, k, largest=largest: best(2, -1, largest)(a)[0],
    )
    for largest in (0, 1)
    for baked in ((), (1,))
]
NONZERO = [
    Row("NonZero", opset, (x,))
    for opset in (9, 13, 28)
    for x in (
        (A * 2).astype(np.int32),
        A > 0,
        np.float32([0, 1, -0.0, np.nan]),
        np.zeros((2, 3), np.float32),
        np.zeros((2, 0), np.float32),
        np.uint16([0, 7, 65535]),
        np.uint64([[0, 7], [2**63, 0]]),
    )
] + [Row("NonZero", 13, (np.float32(x),), expected=lambda a: np.zeros((0, int(a != 0)), np.int64)) for x in (3, 0)]
ROWS = np.float32([[1, 0, 0], [1, 0, 0], [2, 3, 4], [1, 0, 0], [0, 9, 9]])


def different(axis: int | None, in_order: int, outputs: int) -> Any:
    """numpy's unique, and by a plain walk what ONNX's reference gets wrong: the order in which values come."""

    def expected(a: Array) -> tuple[Array, ...]:
        parts = list(a.reshape(-1) if axis is None else np.moveaxis(a, axis, 0))
        keys = [tuple(np.asarray(part).reshape(-1).tolist()) for part in parts]
        order = sorted(set(keys)) if in_order else list(dict.fromkeys(keys))
        first = [keys.index(key) for key in order]
        values = a.reshape(-1)[first] if axis is None else np.take(a, first, axis)
        inverse, counts = [order.index(key) for key in keys], [keys.count(key) for key in order]
        return (values, np.array(first), np.array(inverse), np.array(counts))[:outputs]

    return expected


UNIQUE = [
    Row(
        "Unique",
        opset,
        (x,),
        {"sorted": in_order, **({} if axis is None else {"axis": axis})},
        expected=different(axis, in_order, outputs),
        outputs=outputs,
    )
    for opset in (11, 28)
    for x, axes in (
        (np.float32([2, 1, 1, 3, 4, 3]), (None, 0)),
        (ROWS, (None, 0, 1, -1)),
        (np.array([[5, 3], [3, 5]]), (None, 1)),
        (np.stack([ROWS, ROWS]), (None, 1, -2)),
        (np.uint8([7, 7, 1]), (None,)),
    )
    for axis in axes
    for in_order in (0, 1)
    for outputs in (1, 2, 4)
] + [
    Row("Unique", 11, (np.float32([]),), {}, expected=lambda a: a),
    Row("Unique", 28, (np.uint64([2**64 - 1, 3, 2**63, 3]),), {}, outputs=4),
]
COMPRESS = [
    Row("Compress", opset, (x, np.array(condition)), {} if axis is None else {"axis": axis}, baked)
    for opset in (9, 11, 28)
    for x, axis, condition in (
        (A, 0, [True, False, True]),
        (A, 1, [False, True]),
        (A, 2, [False, True, True, True, False]),
        (A, None, [False, True, False, False, True]),
        (A[0, 0], 0, [False] * 5),
        ((A > 0), 1, [True] * 4),
        ((A * 9).astype(np.int16), None, [True] * 60),
    )
    for baked in ((), (1,))
] + [Row("Compress", 11, (A, np.array([True, False, False, True])), {"axis": -2})]


@pytest.mark.parametrize(**table(TOPK + ONLY_VALUES + NONZERO + UNIQUE + COMPRESS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


def test_torch_does_where_nobody_asks_for_places() -> None:
    assert symbols_of(check(ONLY_VALUES[1], symbolic=True)) == ["Tensor.topk", "operator.getitem"]
    assert symbols_of(check(Row("Unique", 11, (A,)), symbolic=True)) == ["torch.unique"]
