"""Single operators with random shapes, attributes and inputs, known or not, say the same in ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from by_runtime import check_by_runtime
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from one_node import Array, Row

FEW = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
MANY = settings(FEW, max_examples=10000)
MOST = 2**63 - 1
Draw = Callable[[st.SearchStrategy[Any]], Any]


def numbers(draw: Draw, *shape: int, least: int = -5, most: int = 5, dtype: Any = np.float32) -> Array:
    seed = draw(st.integers(0, 10**6))
    return np.random.default_rng(seed).integers(least, most, shape, endpoint=True).astype(dtype)


def reals(draw: Draw, *shape: int) -> Array:
    return np.random.default_rng(draw(st.integers(0, 10**6))).standard_normal(shape).astype(np.float32)


def some_axes(draw: Draw, rank: int = 3) -> list[int]:
    """Different axes, some counted from the end."""
    axes = draw(st.lists(st.integers(0, rank - 1), min_size=1, max_size=rank, unique=True))
    return [axis - rank if draw(st.booleans()) else axis for axis in axes]


def ints(draw: Draw, count: int, least: int, most: int) -> list[int]:
    return [draw(st.integers(least, most)) for _ in range(count)]


def row(draw: Draw, op: str, opset: int, inputs: Sequence[Array | None], outputs: int = 1, **attributes: Any) -> Row:
    """Any of the inputs but the first may be known, and the lengths of lists may be unknown."""
    baked = tuple(draw(st.sets(st.integers(1, len(inputs) - 1)))) if len(inputs) > 1 else ()
    return Row(op, opset, inputs, attributes, baked, outputs=outputs, open_lists=draw(st.booleans()))


def a_slice(draw: Draw) -> Row:
    axes = some_axes(draw)
    steps = [draw(st.sampled_from([1, 1, 2, 3, -1, -2])) for _ in axes]
    starts = ints(draw, len(axes), -8, 8)
    ends = [draw(st.one_of(st.integers(-8, 8), st.just(MOST if step > 0 else -MOST - 1))) for step in steps]
    x = numbers(draw, 4, 5, 6)
    return row(draw, "Slice", draw(st.sampled_from([10, 11, 13])), (x, *map(np.array, (starts, ends, axes, steps))))


def a_padding(draw: Draw) -> Row:
    mode, axes = draw(st.sampled_from(["constant", "reflect", "edge", "wrap"])), some_axes(draw)
    pads = ints(draw, 2 * len(axes), -1 if mode == "constant" else 0, 2)
    inputs = (numbers(draw, 3, 4, 5), np.array(pads), np.array(2, np.float32), np.array(axes))
    return row(draw, "Pad", 19, inputs, mode=mode)


def a_resampling(draw: Draw) -> Row:
    x = reals(draw, 1, 2, *ints(draw, 2, 1, 9))
    attributes: dict[str, Any] = {"mode": draw(st.sampled_from(["nearest", "linear", "cubic"]))}
    # ONNX Runtime aligns corners to sizes that are rounded, and the reference to those that are not.
    by_size = draw(st.booleans())
    places = ["half_pixel", "pytorch_half_pixel", "asymmetric", *(["align_corners"] if by_size else [])]
    attributes["coordinate_transformation_mode"] = draw(st.sampled_from(places))
    if attributes["mode"] == "nearest":
        roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
        attributes["nearest_mode"] = draw(st.sampled_from(roundings))
    if attributes["mode"] == "cubic":
        attributes["cubic_coeff_a"] = draw(st.sampled_from([-0.75, -0.5]))
        attributes["exclude_outside"] = int(draw(st.booleans()))
    if by_size:
        extent = (None, None, np.array([1, 2, *ints(draw, 2, 1, 14)]))
    else:
        factors = [
            draw(st.sampled_from([2.0, 2.5, 3.0] if size < 4 else [0.25, 0.5, 1.5, 2.0])) for size in x.shape[2:]
        ]
        extent = (None, np.float32([1, 1, *factors]))
    return row(draw, "Resize", draw(st.sampled_from([13, 18, 19])), (x, *extent), **attributes)


def the_best(draw: Draw) -> Row:
    axis = draw(st.integers(-3, 2))
    x = numbers(draw, 3, 4, 5, least=0, most=4, dtype=draw(st.sampled_from([np.float32, np.int64])))
    k = draw(st.integers(0, x.shape[axis]))
    return row(draw, "TopK", 11, (x, np.array([k])), 2, axis=axis, largest=int(draw(st.booleans())))


def a_scatter(draw: Draw) -> Row:
    axis, dtype = draw(st.integers(0, 2)), draw(st.sampled_from([np.float32, np.int64]))
    x = numbers(draw, 3, 4, 5, dtype=dtype)
    shape = [draw(st.integers(1, size)) for size in x.shape]
    places = numbers(draw, *shape, least=-x.shape[axis], most=x.shape[axis] - 1, dtype=np.int64)
    attributes = {"axis": axis, "reduction": draw(st.sampled_from(["add", "mul", "max", "min"]))}
    return row(draw, "ScatterElements", 18, (x, places, numbers(draw, *shape, dtype=dtype)), **attributes)


def a_gather(draw: Draw) -> Row:
    batches = draw(st.integers(0, 1))
    depth = draw(st.integers(1, 3 - batches))
    shape = [*[3] * batches, *ints(draw, draw(st.integers(1, 2)), 1, 3)]
    sizes = (3, 4, 5)[batches : batches + depth]
    places = np.stack([numbers(draw, *shape, least=-size, most=size - 1, dtype=np.int64) for size in sizes], -1)
    return row(draw, "GatherND", 13, (numbers(draw, 3, 4, 5), places), batch_dims=batches)


def a_reduction(draw: Draw) -> Row:
    names = ("Sum", "Mean", "Max", "Min", "L1", "L2", "LogSum", "LogSumExp", "SumSquare")
    op, keepdims = f"Reduce{draw(st.sampled_from(names))}", int(draw(st.booleans()))
    x, axes = abs(reals(draw, 3, 4, 5)) + 1, some_axes(draw) if draw(st.booleans()) else []
    if draw(st.booleans()):
        return row(draw, op, 11, (x,), keepdims=keepdims, **({"axes": axes} if axes else {}))
    noop = int(draw(st.booleans()))
    return row(draw, op, 18, (x, np.array(axes, np.int64)), keepdims=keepdims, noop_with_empty_axes=noop)


def a_sum(draw: Draw) -> Row:
    flags = {name: int(draw(st.booleans())) for name in ("exclusive", "reverse")}
    return row(draw, "CumSum", 14, (reals(draw, 3, 4, 5), np.array(draw(st.integers(-3, 2)))), **flags)


def the_different(draw: Draw) -> Row:
    axis = draw(st.sampled_from([None, 0, 1, -1]))
    attributes = {"sorted": int(draw(st.booleans())), **({} if axis is None else {"axis": axis})}
    return row(draw, "Unique", 11, (numbers(draw, 3, 4, least=0, most=2),), 4, **attributes)


def a_crop(draw: Draw) -> Row:
    axes = some_axes(draw)
    return row(draw, "CenterCropPad", 18, (reals(draw, 3, 4, 5), np.array(ints(draw, len(axes), 1, 7))), axes=axes)


def the_kept(draw: Draw) -> Row:
    axis, x = draw(st.sampled_from([None, 0, 1, -1])), reals(draw, 3, 4, 5)
    length = draw(st.integers(1, x.size if axis is None else x.shape[axis]))
    attributes = {} if axis is None else {"axis": axis}
    return row(draw, "Compress", 11, (x, numbers(draw, length, least=0, most=1, dtype=bool)), **attributes)


KINDS = [
    *(a_slice, a_padding, a_resampling, the_best, a_scatter, a_gather),
    *(a_reduction, a_sum, the_different, a_crop, the_kept),
]


@st.composite
def rows(draw: Draw) -> Row:
    return draw(st.sampled_from(KINDS))(draw)


@pytest.mark.filterwarnings("ignore:Truncating the start")
@FEW
@given(rows(), st.booleans())
def test_a_few(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic, rtol=1e-3, atol=1e-4)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Truncating the start")
@MANY
@given(rows(), st.booleans())
def test_many(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic, rtol=1e-3, atol=1e-4)
