"""Shapes, types, joining, splitting and padding against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from one_node import Row, check, symbols_of, table

rng = np.random.default_rng(4)
A = rng.standard_normal((2, 6, 5)).astype(np.float32)
INTS = rng.integers(-9, 9, (2, 6, 5))

SHAPES = [
    *(Row("Shape", opset, (x,)) for opset in (1, 13, 15, 28) for x in (A, np.float32(1))),
    *(
        Row("Shape", opset, (A,), {"start": start, **({} if end is None else {"end": end})})
        for opset in (15, 28)
        for start, end in ((1, None), (-1, None), (0, 2), (-2, -1), (2, 1), (0, 9), (-9, 2))
    ),
    *(Row("Size", opset, (x,)) for opset in (1, 13, 28) for x in (A, np.float32(1))),
    *(Row("Identity", opset, (x,)) for opset in (1, 13, 28) for x in (A, INTS)),
]
JOINS = [
    *(
        Row("Concat", opset, xs, {"axis": axis})
        for opset in (4, 11, 13, 28)
        for xs, axis in (((A, A), 0), ((A, A[:, :2]), 1), ((A, A[:, :, :1], A), -1), ((A,), 1), ((INTS, INTS[:1]), 0))
        if axis >= 0 or opset >= 11
    ),
    *(
        Row("Concat", 1, (A, A), attributes, expected=lambda *xs: np.concatenate(xs, 1))
        for attributes in ({}, {"axis": 1})
    ),
]


def parts(axis: int, *sizes: int):
    return lambda a, *_: tuple(np.split(a, np.cumsum(sizes)[:-1], axis))


SPLITS = [
    Row("Split", 1, (A,), {"axis": 1, "split": [1, 2, 3]}, expected=parts(1, 1, 2, 3), outputs=3),
    Row("Split", 1, (A, np.array([1, 2, 3])), {"axis": 1}, baked=(1,), expected=parts(1, 1, 2, 3), outputs=3),
    *(Row("Split", opset, (A,), {"axis": 1}, expected=parts(1, 2, 2, 2), outputs=3) for opset in (2, 11, 13)),
    *(Row("Split", opset, (A,), {}, expected=parts(0, 1, 1), outputs=2) for opset in (2, 11, 13)),
    *(
        Row("Split", opset, (A,), {"axis": 1, "split": list(sizes)}, expected=parts(1, *sizes), outputs=len(sizes))
        for opset in (2, 11)
        for sizes in ((2, 2, 2), (1, 5), (6,), (0, 6))
    ),
    *(
        Row("Split", opset, (x, np.array(sizes)), {"axis": axis}, baked, parts(axis, *sizes), len(sizes))
        for opset in (13, 18, 28)
        for x in (A, INTS)
        for axis, sizes in ((1, (2, 2, 2)), (-2, (1, 5)), (2, (2, 3)), (2, (5,)), (0, (0, 2)))
        for baked in ((), (1,), (0, 1))
    ),
    *(
        Row("Split", opset, (A,), {"axis": axis, "num_outputs": len(sizes)}, (), parts(axis, *sizes), len(sizes))
        for opset in (18, 28)
        for axis, sizes in ((1, (3, 3)), (2, (3, 2)), (2, (2, 2, 1)), (1, (6,)))
    ),
    Row("Split", 18, (np.arange(7),), {"axis": 0, "num_outputs": 3}, (0,), parts(0, 3, 3, 1), 3),
]

IMAGE = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)


def surrounded(pads, mode="constant", value=0.0):
    """numpy's padding; ONNX's negative pads cut first."""

    def expected(a: np.ndarray, *_: np.ndarray) -> np.ndarray:
        rank = a.ndim
        cut = [slice(max(-pads[i], 0), a.shape[i] - max(-pads[i + rank], 0)) for i in range(rank)]
        widths = [(max(pads[i], 0), max(pads[i + rank], 0)) for i in range(rank)]
        options = {"constant_values": value} if mode == "constant" else {}
        return np.pad(a[tuple(cut)], widths, mode, **options)

    return expected


SIDES = [
    (0, 0, 1, 2, 0, 0, 3, 1),
    (0, 0, 0, 0, 0, 0, 0, 0),
    (0, 0, 0, 2, 0, 0, 0, 1),
    (0, 1, 1, 0, 0, 1, 0, 0),
    (1, 0, 2, 1, 0, 1, 1, 3),
    (0, 0, -1, 2, 0, 0, 1, -2),
]
MODES = [
    (mode, value, pads)
    for mode, value in (("constant", 0.0), ("constant", 1.5), ("reflect", 0.0), ("edge", 0.0))
    for pads in SIDES
    if mode != "reflect" or all(pads[axis] < IMAGE.shape[axis % 4] for axis in range(8))
]
PADS = [
    *(
        Row("Pad", 1, (IMAGE,), {"paddings": pads, "mode": mode, "value": value}, (), surrounded(pads, mode, value))
        for mode, value, pads in MODES
    ),
    *(
        Row("Pad", opset, (IMAGE,), {"pads": pads, "mode": mode, "value": value}, (), surrounded(pads, mode, value))
        for opset in (2, 10)
        for mode, value, pads in MODES
    ),
    *(
        Row(
            "Pad",
            opset,
            (IMAGE, np.array(pads), np.float32(value)),
            {"mode": mode},
            baked,
            surrounded(pads, mode, value),
        )
        for opset in (11, 13, 18, 19, 28)
        for mode, value, pads in MODES
        for baked in ((1, 2), *(((), (1,)) if opset == 13 else ()))
    ),
    *(
        Row("Pad", opset, (IMAGE, np.array(pads)), {"mode": "wrap"}, (1,), surrounded(pads, "wrap"))
        for opset in (19, 28)
        for pads in SIDES
    ),
    *(
        Row("Pad", opset, (IMAGE, np.array([1, 2, 0, 3]), None, np.array([3, -2])), {"mode": mode}, (1, 3), expected)
        for opset in (18, 28)
        for mode in ("constant", "edge", "reflect")
        for expected in [surrounded((0, 0, 2, 1, 0, 0, 3, 0), mode)]
    ),
    *(
        Row("Pad", 13, (x, np.array([0, 1, 1, 0, 2, 0]), x.dtype.type(1)), {"mode": mode}, (1, 2), expected)
        for x in (INTS, INTS > 0)
        for mode in ("constant", "edge", "reflect")
        for expected in [surrounded((0, 1, 1, 0, 2, 0), mode, 1)]
    ),
    Row("Pad", 13, (A[0], np.array([0, 2, 0, 1])), {"mode": "reflect"}, (1,)),
]


@pytest.mark.parametrize(**table(SHAPES + JOINS + SPLITS + PADS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (Row("Pad", 13, (IMAGE, np.array([0, 0, 1, 1, 0, 0, 1, 1])), {"mode": "reflect"}, (1,)), ["F.pad"]),
        (Row("Pad", 13, (IMAGE, np.array([0] * 8)), {}, (1,)), []),
        (Row("Concat", 13, (A,), {"axis": 0}), []),
    ],
    ids=["pad", "nothing", "one"],
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(check(row, symbolic=True)) == symbols


def test_a_shape_of_numbers_is_a_constant() -> None:
    assert symbols_of(check(Row("Shape", 28, (A,)), symbolic=False)) == []
