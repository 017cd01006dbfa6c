"""Reductions and positions of extremes against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(3)
A = (rng.random((2, 3, 4, 5)) + 0.5).astype(np.float32)
INTS = rng.integers(-4, 5, (2, 3, 4))
REDUCTIONS = {
    "ReduceL1": lambda a, axis, keepdims: abs(a).sum(axis, a.dtype, keepdims=keepdims),
    "ReduceL2": lambda a, axis, keepdims: np.sqrt((a * a).sum(axis, keepdims=keepdims)),
    "ReduceLogSum": lambda a, axis, keepdims: np.log(a.sum(axis, keepdims=keepdims)),
    "ReduceLogSumExp": lambda a, axis, keepdims: np.log(np.exp(a).sum(axis, keepdims=keepdims)),
    "ReduceMax": lambda a, axis, keepdims: a.max(axis, keepdims=keepdims),
    "ReduceMean": lambda a, axis, keepdims: a.mean(axis, keepdims=keepdims).astype(a.dtype),
    "ReduceMin": lambda a, axis, keepdims: a.min(axis, keepdims=keepdims),
    "ReduceProd": lambda a, axis, keepdims: a.prod(axis, a.dtype, keepdims=keepdims),
    "ReduceSum": lambda a, axis, keepdims: a.sum(axis, a.dtype, keepdims=keepdims),
    "ReduceSumSquare": lambda a, axis, keepdims: (a * a).sum(axis, a.dtype, keepdims=keepdims),
}
INTEGERS = ("ReduceL1", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare")
AXES = (None, (1,), (-1,), (2, 3), (0, 2), (-2, 0), (0, 1, 2, 3))


def reduced(op: str, axes: tuple[int, ...] | None, keepdims: int, opset: int, x: np.ndarray) -> Row:
    axes = None if axes is None else tuple(axis for axis in axes if axis < x.ndim)

    def expected(a: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return REDUCTIONS[op](a, axes, bool(keepdims))

    if opset >= (13 if op == "ReduceSum" else 18):
        inputs = (x,) if axes is None else (x, np.array(axes))
        return Row(op, opset, inputs, {"keepdims": keepdims}, baked=(1,), expected=expected)
    attributes = {"keepdims": keepdims} if axes is None else {"keepdims": keepdims, "axes": list(axes)}
    return Row(op, opset, (x,), attributes, expected=expected)


ROWS = [
    reduced(op, axes, keepdims, opset, x)
    for op in REDUCTIONS
    for opset in (1, 13, 18, 28)
    for keepdims in (0, 1)
    for x in (A, *((INTS, INTS.astype(np.int32)) if op in INTEGERS else ()))
    for axes in AXES
]
NOTHING = [
    Row(
        op,
        opset,
        (x, np.array([], np.int64)),
        {"noop_with_empty_axes": noop, "keepdims": 1},
        baked=(1,),
        expected=expected,
    )
    for op in REDUCTIONS
    for opset in (18, 28)
    for noop in (0, 1)
    for x in (A,)
    for expected in [
        lambda a, *_, op=op, noop=noop: REDUCTIONS[op](a[None], 0, False) if noop else REDUCTIONS[op](a, None, True)
    ]
]
SCALARS = [
    Row(
        op, opset, (np.float32(0.75),), {"keepdims": keepdims}, expected=lambda a, op=op: REDUCTIONS[op](a, None, False)
    )
    for op in REDUCTIONS
    for opset in (13, 28)
    for keepdims in (0, 1)
]
TIES = np.float32([[3, 1, 3], [1, 2, 2], [3, 2, 1]])
POSITIONS = [
    Row(op, opset, (x,), {"axis": axis, "keepdims": keepdims, **({"select_last_index": last} if opset >= 12 else {})})
    for op in ("ArgMax", "ArgMin")
    for opset in (1, 11, 12, 13, 28)
    for x in (A, TIES, TIES.astype(np.int32))
    for axis in (0, 1, -1)
    for keepdims in (0, 1)
    for last in ((0, 1) if opset >= 12 else (0,))
]


@pytest.mark.parametrize(**table(ROWS + NOTHING + SCALARS + POSITIONS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_the_axes_are_written_as_people_write_them(keepdims: int) -> None:
    for axes, dim in (((2, 3), (2, 3)), ((3,), -1), ((-1,), -1), ((-3,), 1), ((-1, -2), (2, 3))):
        outputs = check(reduced("ReduceMean", axes, keepdims, 28, A), symbolic=True)
        assert symbols_of(outputs) == ["Tensor.mean"]
        assert outputs["y0"].attrs["dim"] == dim


def test_axes_that_come_at_run_time_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="'axes' is only known when the model runs"):
        lower_proto(model_of(Row("ReduceMean", 18, (A, np.array([1]))), symbolic=False))


def test_the_extreme_of_nothing_is_refused() -> None:
    row = Row("ReduceMax", 20, (np.zeros((2, 0), np.float32), np.array([1])), baked=(1,))
    with pytest.raises(UnsupportedError, match="no elements"):
        lower_proto(model_of(row, symbolic=False))
