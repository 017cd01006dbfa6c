"""Reductions and positions of extremes against ONNX's reference."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from interpret import interpret
from one_node import Row, chain, check, lower_proto, symbols_of, table
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(3)
A = (rng.random((2, 3, 4, 5)) + 0.5).astype(np.float32)
INTS = rng.integers(-4, 5, (2, 3, 4))
INTS[INTS == 0] = 3
COUNTS = abs(INTS)
REDUCTIONS = {
    "ReduceL1": lambda a, axis, keepdims: abs(a).sum(axis, a.dtype, keepdims=keepdims),
    "ReduceL2": lambda a, axis, keepdims: np.sqrt((a * a).sum(axis, keepdims=keepdims)).astype(a.dtype),
    "ReduceLogSum": lambda a, axis, keepdims: np.log(a.sum(axis, keepdims=keepdims)).astype(a.dtype),
    "ReduceLogSumExp": lambda a, axis, keepdims: np.log(np.exp(a).sum(axis, keepdims=keepdims)).astype(a.dtype),
    "ReduceMax": lambda a, axis, keepdims: a.max(axis, keepdims=keepdims),
    "ReduceMean": lambda a, axis, keepdims: a.mean(axis, keepdims=keepdims).astype(a.dtype),
    "ReduceMin": lambda a, axis, keepdims: a.min(axis, keepdims=keepdims),
    "ReduceProd": lambda a, axis, keepdims: a.prod(axis, a.dtype, keepdims=keepdims),
    "ReduceSum": lambda a, axis, keepdims: a.sum(axis, a.dtype, keepdims=keepdims),
    "ReduceSumSquare": lambda a, axis, keepdims: (a * a).sum(axis, a.dtype, keepdims=keepdims),
}
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
    for x in (A, COUNTS if op == "ReduceLogSum" else INTS, COUNTS.astype(np.int32))
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
    for x in (A, COUNTS)
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
AT_RUN_TIME = [
    dataclasses.replace(reduced(op, axes, keepdims, opset, x), baked=())
    for op in REDUCTIONS
    for opset in ((13, 18) if op == "ReduceSum" else (18, 20, 28))
    for keepdims in (0, 1)
    for x in (A, COUNTS if op == "ReduceLogSum" else INTS)
    for axes in ((1,), (-1, 0), (0, 1, 2))
] + [
    Row(op, 18, (COUNTS, np.array([], np.int64)), {"keepdims": keepdims}, expected=expected)
    for op in REDUCTIONS
    for keepdims in (0, 1)
    for expected in [lambda a, _, op=op, keepdims=keepdims: REDUCTIONS[op](a, None, bool(keepdims))]
]
TYPES = [
    Row(op, 20, (x, np.array([-1])), {}, baked, lambda a, _, op=op: REDUCTIONS[op](a, -1, True))
    for op in ("ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd", "ReduceSumSquare", "ReduceL1")
    for x in (
        np.uint8([[3, 200], [9, 1]]),
        np.int8([[-3, 100], [9, -128]]),
        np.uint32([[3, 2**32 - 1], [9, 1]]),
        np.uint64([[3, 2**64 - 1], [9, 1]]),
        np.float16([[3, 0.5], [np.inf, 1]]),
        np.float64([[3, 0.5], [np.nan, 1]]),
    )
    for baked in ((), (1,))
]
LIMITS = {
    np.float32: (-np.inf, np.inf),
    np.int32: (-(2**31), 2**31 - 1),
    np.int8: (-128, 127),
    np.uint8: (0, 255),
    np.bool_: (False, True),
}
OF_NONE = [
    Row(op, 20, (np.zeros((2, 0, 3), dtype), np.array([1])), {"keepdims": keepdims}, (1,), expected)
    for dtype, limits in LIMITS.items()
    for op, limit in zip(("ReduceMax", "ReduceMin"), limits, strict=True)
    for keepdims in (0, 1)
    for expected in [
        lambda a, _, limit=limit, keepdims=keepdims: np.full((2, 1, 3) if keepdims else (2, 3), limit, a.dtype)
    ]
] + [
    Row(op, 20, (np.zeros((2, 0, 3), np.float32), np.array([1])), {}, baked)
    for op in ("ReduceSum", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum")
    for baked in ((1,), ())
]
BOOLS = np.array([[True, True], [True, False], [False, False]])
OF_BOOLS = [
    Row(op, 20, (BOOLS, np.array([1])), {"keepdims": keepdims}, baked)
    for op in ("ReduceMax", "ReduceMin")
    for keepdims in (0, 1)
    for baked in ((1,), ())
]
UNSIGNED_POSITIONS = [
    Row(op, 13, (x,), {"axis": 1, "select_last_index": last})
    for op in ("ArgMax", "ArgMin")
    for x in (np.uint64([[3, 2**64 - 1, 3]]), np.uint32([[7, 2**31, 7]]))
    for last in (0, 1)
]


@pytest.mark.parametrize(
    **table(
        ROWS + NOTHING + SCALARS + POSITIONS + AT_RUN_TIME + TYPES + OF_NONE + OF_BOOLS + UNSIGNED_POSITIONS,
    )
)
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_the_axes_are_written_as_people_write_them(keepdims: int) -> None:
    for axes, dim in (((2, 3), (2, 3)), ((3,), -1), ((-1,), -1), ((-3,), 1), ((-1, -2), (2, 3))):
        outputs = check(reduced("ReduceMean", axes, keepdims, 28, A), symbolic=True)
        assert symbols_of(outputs) == ["Tensor.mean"]
        assert outputs["y0"].attrs["dim"] == dim


@pytest.mark.parametrize("noop", [0, 1])
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("op", REDUCTIONS)
def test_axes_of_which_not_even_the_number_is_known(op: str, keepdims: int, noop: int) -> None:
    attributes = {"keepdims": keepdims, "noop_with_empty_axes": noop}
    model = chain(
        [(op, ["x", "axes"], "y", attributes)],
        {"x": (np.float32, ["a", "b", "c", 5]), "axes": (np.int64, ["count"])},
        {},
        "y",
        20,
    )
    lowered = lower_proto(model)
    for axes in ((), (1,), (0, -1), (0, 1, 2, 3)):
        (wanted,) = ReferenceEvaluator(model).run(None, {"x": A, "axes": np.array(axes, np.int64)})
        fed = {"x": torch.from_numpy(A), "axes": torch.tensor(axes, dtype=torch.int64)}
        found = interpret(lowered.outputs, fed)["y"]
        assert tuple(found.shape) == wanted.shape
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-5)


def test_axes_that_come_at_run_time_are_a_list() -> None:
    outputs = check(Row("ReduceMean", 18, (A, np.array([1]))), symbolic=True)
    assert symbols_of(outputs) == ["host.tolist", "Tensor.mean"]
