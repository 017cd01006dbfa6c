"""Slices, gathers, scatters and triangles against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from interpret import interpret
from one_node import Row, chain, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(5)
A = rng.standard_normal((4, 5, 6)).astype(np.float32)
MOST, LEAST = 2**63 - 1, -(2**63)

SLICES = [
    # starts, ends, axes, steps
    ((1,), (3,), (0,), None),
    ((0, 1), (9, -1), (0, 2), None),
    ((-2,), (MOST,), (1,), None),
    ((0,), (MOST,), (-1,), None),
    ((LEAST,), (2,), (1,), None),
    ((3,), (1,), (1,), None),
    ((7,), (9,), (1,), None),
    ((-9,), (-1,), (1,), None),
    ((1,), (2**31 - 1,), (2,), None),
    ((1, 0, 2), (3, 2, 4), None, None),
    ((0,), (MOST,), (2,), (2,)),
    ((1, 0), (5, 4), (2, 0), (3, 2)),
    ((-1,), (LEAST,), (1,), (-1,)),
    ((MOST,), (LEAST,), (1,), (-1,)),
    ((3,), (0,), (1,), (-1,)),
    ((-1,), (-9,), (2,), (-2,)),
    ((-2,), (1,), (2,), (-2,)),
    ((9,), (-4,), (2,), (-1,)),
    ((4,), (MOST,), (2,), (-1,)),
]


def arrays(*vectors):
    return tuple(None if vector is None else np.array(vector) for vector in vectors)


def sliced(starts, ends, axes, steps):
    def expected(a: np.ndarray, *_: np.ndarray) -> np.ndarray:
        index = [slice(None)] * a.ndim
        for i, axis in enumerate(range(len(starts)) if axes is None else axes):
            step = 1 if steps is None else steps[i]
            # numpy's slices cannot end before the first element, other than by saying nothing.
            end = None if step < 0 and ends[i] < -a.shape[axis] else ends[i]
            index[axis] = slice(starts[i], end, step)
        return a[tuple(index)]

    return expected


SLICE = [
    *(
        Row(
            "Slice", opset, (A,), {"starts": s, "ends": e, **({} if a is None else {"axes": a})}, (), sliced(s, e, a, t)
        )
        for opset in (1, 9)
        for s, e, a, t in SLICES
        if t is None
    ),
    *(
        Row("Slice", opset, (A, *arrays(s, e, a, t)), {}, baked, sliced(s, e, a, t))
        for opset in (10, 11, 13, 28)
        for s, e, a, t in SLICES
        for baked in ((1, 2, 3, 4), (3, 4), (2, 3, 4))
        if a is not None or baked == (1, 2, 3, 4)
    ),
]
GATHER = [
    Row("Gather", opset, (A, np.array(indices)), {"axis": axis}, baked)
    for opset in (1, 11, 13, 28)
    for axis in (0, 1, -1)
    for indices in (0, 3, -1, [1], [-1], [1, 2, 3], [0, 1, 2, 3], [3, 0], [-2, -1], [-1, 0], [[0, 1], [3, -2]])
    for baked in ((), (1,))
    if axis >= 0 or opset >= 11
] + [Row("Gather", 13, (A, np.array([1, 3], np.int32)), {"axis": 1}, baked) for baked in ((), (1,))]
ELEMENTS = [
    Row("GatherElements", opset, (A, rng.integers(-4, 4, shape).astype(dtype)), {"axis": axis}, baked, expected)
    for opset in (11, 13, 28)
    for axis, shape in ((0, (2, 5, 6)), (1, (4, 7, 6)), (-1, (4, 5, 2)))
    for dtype in (np.int64, np.int32)
    for baked in ((), (1,))
    for expected in [lambda a, indices, axis=axis: np.take_along_axis(a, indices.astype(np.int64), axis)]
]
ND = [
    Row("GatherND", opset, (A, np.array(indices)), {"batch_dims": dims} if dims else {}, baked)
    for opset in (11, 12, 13, 28)
    for indices, dims in (
        ([[0, 1], [-1, 2]], 0),
        ([[[1]], [[3]]], 0),
        ([[0, 1, 2]], 0),
        ([[1], [2], [0], [-1]], 1),
        ([[[1, 0], [2, 2]], [[0, 1], [1, -1]], [[0, 0], [1, 1]], [[3, 3], [2, 2]]], 1),
    )
    if opset >= 12 or not dims
    for baked in ((), (1,))
]


def put(axis: int):
    def expected(a: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        result = a.copy()
        for place in np.ndindex(indices.shape):
            result[(*place[:axis], indices[place], *place[axis + 1 :])] = updates[place]
        return result

    return expected


COMBINE = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def put_all(reduction: str):
    """Every update counts, also where several go to one place."""

    def expected(a: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
        result = a.copy()
        for row, column in np.ndindex(indices.shape):
            place = row, indices[row, column]
            result[place] = COMBINE[reduction](result[place], updates[row, column])
        return result

    return expected


UPDATES = rng.standard_normal((2, 5, 6)).astype(np.float32)
SCATTER = [
    *(
        Row("ScatterND", opset, (A, np.array([[1], [3]]), UPDATES), {"reduction": r} if r else {}, baked)
        for opset in (11, 13, 16, 18, 28)
        for r in (None, *(("none", "add") if opset >= 16 else ()))
        for baked in ((), (1,))
    ),
    *(
        Row("ScatterND", 18, (x, np.array(indices), u), {"reduction": r}, open_lists=open_lists)
        for r in ("add", "mul", "max", "min")
        for x, u in (
            (A, UPDATES[0, 0, :3]),
            ((A * 9).astype(np.int64), np.array([3, -40, 40])),
            ((A * 9).astype(np.float64), np.float64([3, -40, 40])),
            (rng.integers(0, 2**64, A.shape, np.uint64), np.uint64([2**63, 2**64 - 1, 0])),
        )
        for indices in ([[0, 1, 2], [0, 1, 2], [-1, 0, -1]],)
        for open_lists in (False, True)
    ),
    *(
        Row("ScatterND", 18, (A, np.array([[1], [-1], [1]]), np.stack([*UPDATES, UPDATES[0]])), {"reduction": r})
        for r in ("add", "mul", "max", "min")
    ),
    *(
        Row("ScatterElements", 18, (x, np.array([[1, -1, 1]]), u), {"axis": 1, "reduction": r}, expected=put_all(r))
        for r in ("add", "mul", "max", "min")
        for x, u in (
            (np.float32([[1, 2, 3]]), np.float32([[5, -7, 9]])),
            (np.array([[1, 2, 3]]), np.array([[5, -7, 9]])),
            (np.uint64([[1, 2**63, 3]]), np.uint64([[5, 2**64 - 1, 2**63 + 2]])),
            (np.uint32([[1, 2**31, 3]]), np.uint32([[5, 7, 2**31 + 2]])),
            (np.float16([[1, 2, 3]]), np.float16([[5, -7, 9]])),
        )
    ),
    *(
        Row(
            op,
            opset,
            (A, np.array(indices), UPDATES[:1, :2, :2]),
            {"axis": axis, **({"reduction": r} if r else {})},
            baked,
            put(axis) if op == "Scatter" else None,
        )
        for op, opsets in (("Scatter", (9,)), ("ScatterElements", (11, 13, 16, 18, 28)))
        for opset in opsets
        for r in (None, *(("none", "add", "mul", *(("max", "min") if opset >= 18 else ())) if opset >= 16 else ()))
        for indices in ([[[0, 3], [2, 1]]], [[[-1, 2], [1, -3]]])
        for axis in (1, 2)
        for baked in ((), (1,))
        if op == "ScatterElements" or min(indices[0][0]) >= 0
    ),
]
TRIANGLES = [
    Row("Trilu", opset, (x, *k), {"upper": upper}, baked)
    for opset in (14, 28)
    for x in (A, A[0] > 0, np.arange(12).reshape(3, 4), np.arange(12, dtype=np.uint32).reshape(3, 4), A[:, :0])
    for k in ((), (np.array(1),), (np.array(-2),))
    for upper in (0, 1)
    for baked in ((1,), *(((),) if k else ()), (0, 1))
]
ONE_HOT = [
    Row("OneHot", opset, (indices, np.asarray(depth), values), {"axis": axis}, baked)
    for opset in (9, 11, 28)
    for indices in (np.array([0, 2, 4]), np.array([[1, -2], [3, 0]]))
    for depth in (5, 6.0)
    for values in (np.float32([0, 1]), np.array([2, 7]))
    for axis in (-1, 0, 1)
    for baked in ((), (1,), (1, 2), (2,))
]
REVERSED = [
    Row("ReverseSequence", opset, (x, np.array(lengths)), {"time_axis": time, "batch_axis": 1 - time}, baked)
    for opset in (10, 28)
    for x in (A, np.arange(20).reshape(4, 5), np.arange(20, dtype=np.uint16).reshape(4, 5), A[..., None])
    for time, lengths in ((0, [1, 4, 2, 0, 3]), (1, [5, 1, 0, 3]))
    for baked in ((), (1,))
] + [Row("ReverseSequence", 10, (A, np.array([2, 1, 4, 3, 2])))]


@pytest.mark.filterwarnings("ignore:Truncating the start")  # torch's, of the smallest int64 at run time
@pytest.mark.filterwarnings("ignore:overflow")  # the reference adds numbers of numpy
@pytest.mark.parametrize(**table(SLICE + GATHER + ELEMENTS + ND + SCATTER + TRIANGLES + ONE_HOT + REVERSED))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (Row("Gather", 13, (A, np.array(2)), {"axis": 1}, (1,)), ["index.select"]),
        (Row("Gather", 13, (A, np.array([1, 2])), {"axis": 1}, (1,)), ["index.slice"]),
        (Row("Gather", 13, (A, np.array([[1, 2]])), {"axis": 1}), ["index.take"]),
        (Row("Slice", 13, (A, *arrays([0], [MOST], [1])), {}, (1, 2, 3)), []),
        (Row("Slice", 13, (A, *arrays([-1], [LEAST], [1], [-1])), {}, (1, 2, 3, 4)), ["Tensor.flip"]),
        (Row("GatherElements", 13, (A, np.zeros((1, 5, 6), np.int64)), {}, (1,)), ["torch.gather"]),
    ],
    ids=["scalar", "run", "tensor", "all", "backwards", "elements"],
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(check(row, symbolic=True)) == symbols


def test_rows_of_a_trained_table_are_an_embedding() -> None:
    table = rng.standard_normal((9, 4)).astype(np.float32)
    model = chain([("Gather", ["table", "ids"], "y")], {"ids": (np.int64, ["batch", "seq"])}, {"table": table}, "y")
    outputs = lower_proto(model).outputs
    assert symbols_of(outputs) == ["F.embedding"]
    assert str(outputs["y"].fact) == "float32[batch, seq, 4]"


@pytest.mark.parametrize("seq", [3, 8, 12])
def test_a_slice_to_a_size_beyond_the_end_stays_right(seq: int) -> None:
    import torch

    positions = np.arange(8)[None]
    model = chain(
        [("Shape", ["x"], "s"), ("Slice", ["s", "one", "two"], "n"), ("Slice", ["ids", "zero", "n", "one"], "y")],
        {"x": (np.float32, ["batch", "seq"])},
        {"one": [1], "two": [2], "zero": [0], "ids": positions},
        "y",
    )
    lowered = lower_proto(model)
    assert str(lowered.outputs["y"].fact) == "int64[1, min(seq, 8)]"
    value = interpret(lowered.outputs, {"x": torch.zeros(2, seq)}, lowered.inputs)["y"]
    np.testing.assert_array_equal(value, positions[:, :seq])


@pytest.mark.parametrize("axes", [{"time_axis": 2, "batch_axis": 0}, {"time_axis": 1, "batch_axis": 1}])
def test_a_sequence_along_another_dimension_is_refused(axes: dict[str, int]) -> None:
    with pytest.raises(UnsupportedError, match="are not 0 and 1"):
        lower_proto(model_of(Row("ReverseSequence", 10, (A, np.array([1, 2])), axes), symbolic=False))


def test_an_unknown_reduction_is_refused() -> None:
    row = Row("ScatterND", 18, (A, np.array([[1]]), UPDATES[:1]), {"reduction": "mean"})
    with pytest.raises(UnsupportedError, match="there is no reduction 'mean'"):
        lower_proto(model_of(row, symbolic=False))
