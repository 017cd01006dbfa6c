"""Lists of sizes, axes and bounds that come at run time, also where nobody states how long they are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from one_node import Array, Row, check, table

rng = np.random.default_rng(11)
A = rng.standard_normal((4, 5, 6)).astype(np.float32)
ONES = rng.standard_normal((1, 4, 1, 5)).astype(np.float32)
IMAGE = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
MOST, LEAST = 2**63 - 1, -(2**63)


def row(op: str, opset: int, *inputs: Any, **options: Any) -> Row:
    """A row none of whose inputs is known at conversion."""
    arrays = [x if isinstance(x, np.ndarray) or x is None else np.array(x, np.int64) for x in inputs]
    return Row(op, opset, arrays, open_lists=True, **options)


BOUNDS = [
    ([1], [3], [0], [1]),
    ([0, 1], [9, -1], [0, 2], [1, 2]),
    ([-1], [LEAST], [1], [-1]),
    ([MOST, 3], [LEAST, 0], [1, -1], [-2, -1]),
    ([3], [1], [1], [1]),
    ([-9], [-1], [1], [1]),
]


def sliced(a: Array, starts: Array, ends: Array, axes: Array, steps: Array) -> Array:
    """numpy's slices, which cannot end before the first element, other than by saying nothing."""
    index = [slice(None)] * a.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, None if step < 0 and end < -a.shape[axis] else end, step)
    return a[tuple(index)]


SLICES = [
    *(row("Slice", opset, A, *bounds, expected=sliced) for opset in (10, 11, 13, 28) for bounds in BOUNDS),
    *(row("Slice", 13, A, [1, 0, 2], [3, 2, 4], *rest) for rest in ((), (None, [1, 1, 2]), ([2, 0, 1],))),
    *(
        Row("Slice", 13, (A, *map(np.array, ([3], [1], [2], [-1]))), {}, baked, sliced, open_lists=True)
        for baked in ((3,), (4,), (1, 2, 4), (1, 2, 3))
    ),
]


def backwards(a: Array, starts: Array, ends: Array, axes: Array, steps: Array) -> Array:
    """The specification's words for steps back: the start is clamped to the elements, the end to one before them."""
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = a.shape[axis]
        first = min(max(start + size if start < 0 else start, 0), size - 1)
        last = min(max(end + size if end < 0 else end, -1), size - 1)
        a = np.take(a, range(first, last, step), axis)
    return a


BACKWARDS = [
    Row("Slice", opset, (A, *(np.array([number]) for number in numbers)), {}, baked, backwards, open_lists=lists)
    for opset in (10, 11, 13)
    for numbers in (
        (-8, LEAST, 0, -1),
        (-9, -9, 1, -2),
        (-4, LEAST, 0, -1),
        (-3, LEAST, 2, -2),
        (-1, 1, 1, -1),
        (MOST, -6, 2, -2),
        (2, -9, 1, -1),
        (2, MOST, 1, -1),
    )
    for baked, lists in (((1, 2, 3, 4), False), ((2, 3, 4), False), ((3, 4), False), ((), True))
]
SHAPES = [
    *(row("Squeeze", opset, ONES, axes) for opset in (13, 21, 28) for axes in ([0], [-2], [0, 2], [2, 0])),
    *(row("Unsqueeze", opset, A, axes) for opset in (13, 21, 28) for axes in ([0], [-1], [1, 2], [3, -1, 0], [-2, 1])),
    *(row("Tile", opset, A, repeats) for opset in (6, 13, 28) for repeats in ([1, 2, 1], [2, 1, 3], [0, 1, 1])),
    *(row("Expand", opset, A[:, :1], shape) for opset in (8, 13, 28) for shape in ([4, 5, 6], [1, 1], [2, 1, 7, 1])),
    *(row("Reshape", opset, A, shape) for opset in (5, 13, 28) for shape in ([20, 6], [0, -1], [-1], [0, 0, 3, 2])),
    *(
        row("Reshape", 14, x, shape, attributes={"allowzero": 1})
        for x, shape in ((A, [20, 6]), (A, [-1, 6]), (A[:0], [0, 30]), (A[:0], [7, 0]))
    ),
    *(row("ConstantOfShape", opset, shape) for opset in (9, 20, 28) for shape in ([2, 3], [], [0])),
]
JOINS = [
    row("Split", opset, A, sizes, attributes={"axis": axis}, outputs=len(sizes), expected=expected)
    for opset in (13, 18, 28)
    for axis, sizes in ((0, [1, 3]), (-1, [2, 2, 2]), (1, [0, 5]), (1, [5]))
    for expected in [lambda a, sizes, axis=axis: tuple(np.split(a, np.cumsum(sizes)[:-1], axis))]
]


def padded(mode: str) -> Any:
    """numpy's padding after ONNX's negative pads have cut."""

    def expected(a: Array, pads: Array, value: Any = 0, axes: Array | None = None) -> Array:
        axes = np.arange(a.ndim) if axes is None else axes % a.ndim
        widths, cut = [(0, 0)] * a.ndim, [slice(None)] * a.ndim
        for position, axis in enumerate(axes):
            before, after = pads[position], pads[position + len(axes)]
            cut[axis] = slice(max(-before, 0), a.shape[axis] - max(-after, 0))
            widths[axis] = (max(before, 0), max(after, 0))
        return np.pad(a[tuple(cut)], widths, mode, **({"constant_values": value} if mode == "constant" else {}))

    return expected


PADS = [
    row("Pad", opset, x, pads, x.dtype.type(1), axes, attributes={"mode": mode}, expected=padded(mode))
    for opset in (18, 19, 21, 23, 28)
    for mode in ("constant", "reflect", "edge", *(("wrap",) if opset >= 19 else ()))
    for x in (IMAGE, (IMAGE > 0), (IMAGE * 9).astype(np.int32))
    for pads, axes in (([1, 2, 0, 3], [3, -2]), ([1, 0], [1]), ([-1, 2, 1, -2], [-1, 2]))
] + [
    row("Pad", opset, IMAGE, pads, np.float32(1.5), attributes={"mode": mode}, expected=padded(mode))
    for opset in (11, 13, 18)
    for mode in ("constant", "reflect", "edge")
    for pads in ([0, 0, 1, 2, 0, 1, 3, 0], [0, 0, -1, 1, 0, 0, 0, -2])
]
NOTHING = [
    row("Pad", 13, A, [0] * 6),
    row("ScatterND", 16, A, np.zeros((0, 1), np.int64), np.zeros((0, 5, 6), np.float32)),
]
PLACES = [
    *(
        row("GatherND", opset, A, indices, attributes={"batch_dims": dims})
        for opset in (12, 13, 28)
        for indices, dims in (
            ([[0, 1], [-1, 2]], 0),
            ([[[1]], [[3]]], 0),
            ([[0, 1, 2]], 0),
            ([[1], [2], [0], [-1]], 1),
            ([[[1, 0], [2, 2]], [[0, 1], [1, -1]], [[0, 0], [1, 1]], [[3, 3], [2, 2]]], 1),
        )
    ),
    *(
        row("GatherND", 13, A, np.zeros((4, 5, 1), np.int64) + 2, attributes={"batch_dims": 2}),
        row("GatherND", 13, A, np.zeros((4, 5, 3, 1), np.int64) + 2, attributes={"batch_dims": 2}),
    ),
]


@pytest.mark.filterwarnings("ignore:Truncating the start")  # torch's, of the smallest int64 at run time
@pytest.mark.parametrize(**table(SLICES + BACKWARDS + SHAPES + JOINS + PADS + NOTHING + PLACES))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


@pytest.mark.parametrize("baked", [(1,), ()])
def test_more_is_mirrored_than_there_is(baked: tuple[int, ...]) -> None:
    """torch's own padding does not go that far; the sizes tell where it would have to."""
    pads = np.array([0, 0, 9, 0, 6, 3])
    check(Row("Pad", 13, (A, pads), {"mode": "reflect"}, baked, padded("reflect")), symbolic=False)
