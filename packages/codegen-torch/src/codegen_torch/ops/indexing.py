"""Picking and replacing elements: slices, gathers, scatters, triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank, call
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Const, Int, Ints, NotApplicable, op
from codegen_torch.ops.unsigned import through_int64, through_order
from codegen_torch.symbols.demands import demand_rank, demand_shape
from codegen_torch.symbols.indexing import check_positions
from codegen_torch.symbols.namespaces import F, host, index, runtime, torch
from codegen_torch.symbols.shape import normal

_FAR = 1 << 31
"""Exporters write the ends of int32 or int64 for "to the end"."""


@op("Slice", since=1, until=9)
def slice_by_attributes(
    x: Expr, *, starts: tuple[int, ...], ends: tuple[int, ...], axes: tuple[int, ...] | None = None
) -> Expr:
    return slice_(x, starts, ends, axes)  # type: ignore[no-any-return]


@op("Slice", since=10)
def slice_(
    x: Expr, starts: Ints, ends: Ints, axes: Const[Ints] | None = None, steps: Const[Ints] | None = None
) -> Expr:
    axes = range(len(starts)) if axes is None else axes
    steps = (1,) * len(starts) if steps is None else steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise FactError(f"a slice with {len(starts)} starts, {len(ends)} ends, {len(axes)} axes and {len(steps)} steps")
    if x.rank is not None and len({normal(axis, x.rank) for axis in axes}) < len(axes):  # type: ignore[arg-type]
        raise FactError(f"a slice of axes {list(axes)}, some of which are one")
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        if not isinstance(axis, int) or not isinstance(step, int) or step == 0:
            raise FactError(f"a slice with a step of {step} on axis {axis}")
        if step < 0:
            # Counted from the other side, position p is ~p: the last element, -1, comes first.
            x, start, end, step = x.flip(axis), -1 - _last_or_before(x, axis, start), -1 - end, -step
        step = min(step, _FAR)  # as far as any step, and torch counts no further
        x = _slice_axis(x, axis, start, end, step)
    return x


@op("Slice", since=10)
def slice_at_run_time(
    x: Expr, starts: Expr, ends: Expr, axes: Const[Ints] | None = None, steps: Const[Ints] | None = None
) -> Expr:
    """Not even the number of bounds is known."""
    return _sliced(x, starts, ends, axes, steps)


@op("Slice", since=10)
def slice_along_computed_axes(
    x: Expr, starts: Expr, ends: Expr, axes: Expr | None = None, steps: Expr | None = None
) -> Expr:
    axes, steps = (None if numbers is None else host.tolist(numbers) for numbers in (axes, steps))
    return _sliced(x, starts, ends, axes, steps)


def _sliced(x: Expr, starts: Expr, ends: Expr, axes: Any, steps: Any) -> Expr:
    return runtime.sliced(x, host.tolist(starts), host.tolist(ends), axes, steps)  # type: ignore[no-any-return]


def _last_or_before(x: Expr, axis: int, start: Int) -> Int:
    """Where a slice that goes backwards begins: with the first element, at least, unlike numpy's."""
    size = None if x.dims is None else x.dims[normal(axis, len(x.dims))]
    if isinstance(start, int) and start >= -1:
        return start
    if isinstance(start, int) and isinstance(size, int):
        return max(start, -size)
    raise NotApplicable("where the slice begins that goes backwards is only known when the model runs")


def _slice_axis(x: Expr, axis: int, start: Int, end: Int, step: int) -> Expr:
    size = None if x.dims is None else x.dims[normal(axis, len(x.dims))]
    stop: Int | None = end
    if isinstance(end, int) and (end >= _FAR - 1 or (isinstance(size, int) and end >= size)):
        stop = None
    elif isinstance(end, int) and end <= -_FAR:
        stop = 0
    elif isinstance(end, Dim) and end == size:
        stop = None
    if isinstance(start, int):
        if start < -_FAR + 1 or (isinstance(size, int) and start <= -size):
            start = 0
        elif start >= _FAR - 1:
            start, stop = 0, 0
    if isinstance(start, int) and start == 0 and stop is None and step == 1:
        return x
    return index.slice(x, axis, start, stop, step)  # type: ignore[no-any-return]


_VIEWS = frozenset(
    {"index.slice", "index.select", "Tensor.expand", "Tensor.reshape", "Tensor.flatten", "Tensor.transpose"}
    | {"Tensor.unsqueeze", "Tensor.squeeze", "Tensor.permute", "Tensor.unflatten"}
)
"""These only rearrange or pick elements."""


@op("Gather", since=1)
def gather(x: Expr, indices: Expr, *, axis: int = 0) -> Expr:
    """Rows of a trained table are an embedding; negative positions count from the end elsewhere."""
    check_positions(x.fact, axis, indices.fact)
    known = indices.fact.value
    if x.op == "weight" and x.rank == 2 and axis in (0, -2) and not _is_line(indices):
        return F.embedding(indices, x)  # type: ignore[no-any-return]
    if known is not None and known.ndim == 0:
        return index.select(x, axis, known.item())  # type: ignore[no-any-return]
    if known is not None and known.ndim == 1 and indices.fact.is_constant and known.size:
        first, size = int(known[0]), known.size
        if (known == np.arange(first, first + size)).all() and (first >= 0 or first + size <= 0):
            return index.slice(x, axis, first, first + size or None)  # type: ignore[no-any-return]
    return index.take(x, indices, axis)  # type: ignore[no-any-return]


def _is_line(indices: Expr) -> bool:
    """Whether these are known positions that may be a slice, or some of which count from the end."""
    known = indices.fact.value
    if known is None or not indices.fact.is_constant:
        return False
    return known.ndim < 2 or bool((known < 0).any())  # a table of positions is looked up


def _from_the_front(indices: Expr, x: Expr, axis: int) -> Expr:
    """Positions that torch takes: 64-bit, and none negative, which ONNX counts from the end."""
    if indices.dtype is not DType.INT64:
        indices = indices.to(DType.INT64)
    return indices if _never_negative(indices) else indices % x.shape[axis]


def _never_negative(indices: Expr) -> bool:
    """Whether these are positions that were counted from the front, perhaps rearranged."""
    while indices.op in _VIEWS:
        indices = indices.inputs[0]
    if indices.op in ("Tensor.argmax", "Tensor.argmin"):
        return True
    if indices.op == "torch.arange":
        start, step = indices.attrs.get("start"), indices.attrs.get("step", 1)
        return start == 0 and isinstance(step, int) and step > 0
    return indices.fact.is_constant and indices.fact.value is not None and bool((indices.fact.value >= 0).all())


@op("GatherElements", since=11)
def gather_elements(x: Expr, indices: Expr, *, axis: int = 0) -> Expr:
    return torch.gather(x, _from_the_front(indices, x, axis), axis)  # type: ignore[no-any-return]


@op("GatherND", since=11)
def gather_nd(x: Expr, indices: Expr, *, batch_dims: int = 0) -> Expr:
    """The last dimension of the indices holds one position for each leading dimension of ``x``."""
    if batch_dims < 0:
        raise FactError(f"of {batch_dims} batch dimensions")
    if indices.rank is None:
        raise UnknownRank(indices)
    if batch_dims == 0 and indices.dims is not None and indices.dims[-1] == 1:
        return gather(x, *_columns(indices))  # type: ignore[no-any-return]
    own = [_count_along(x.shape[axis], axis, indices.rank - 1) for axis in range(batch_dims)]
    return index.tuple([x, *own, *_columns(indices)])  # type: ignore[no-any-return]


@op("GatherND", since=11)
def gather_nd_at_run_time(x: Expr, indices: Expr, *, batch_dims: int = 0) -> Expr:
    """It is not known how many positions there are to a place."""
    return runtime.gather_nd(x, indices, batch_dims)  # type: ignore[no-any-return]


def _columns(indices: Expr) -> list[Expr]:
    count = None if indices.dims is None else indices.dims[-1]
    if count == 0:
        raise FactError(f"positions {indices.fact} of no coordinates")
    if not isinstance(count, int):
        raise NotApplicable("the length of the last dimension of the indices is not known")
    return [index.select(indices, -1, position) for position in range(count)]


def _count_along(size: Any, axis: int, rank: int) -> Expr:
    """0, 1, 2, … along one of several dimensions, the others of size 1."""
    counted = torch.arange(0, size, dtype=DType.INT64)
    for _ in range(rank - 1 - axis):
        counted = counted.unsqueeze(-1)
    return counted  # type: ignore[no-any-return]


_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


@op("ScatterND", since=11)
def scatter_nd(x: Expr, indices: Expr, updates: Expr, *, reduction: str = "none") -> Expr:
    if reduction not in ("none", *_REDUCTIONS):
        raise NotApplicable(f"there is no reduction {reduction!r}")
    return (_ordered_scatter_nd if reduction in ("max", "min") else _scatter_nd)(x, updates, indices, reduction)  # type: ignore[no-any-return]


def _scattered_nd(x: Expr, updates: Expr, indices: Expr, reduction: str) -> Expr:
    if x.dims is not None and indices.dims and isinstance(indices.dims[-1], int):
        demand_rank(f"{indices.dims[-1]} positions", x.fact, indices.dims[-1])
        demand_shape("a scatter", "update", updates.fact, *indices.dims[:-1], *x.dims[indices.dims[-1] :])
    known = indices.dims is not None and isinstance(indices.dims[-1], int)
    if known and reduction in ("none", "add"):
        return call("Tensor.index_put", [x, updates, *_columns(indices)], accumulate=reduction == "add")
    reduce = _REDUCTIONS.get(reduction)
    return runtime.scatter_nd(x, indices, updates, reduce)  # type: ignore[no-any-return]


_scatter_nd, _ordered_scatter_nd = through_int64(_scattered_nd), through_order(_scattered_nd)


@op("Scatter", since=9, until=10)
@op("ScatterElements", since=11)
def scatter_elements(x: Expr, indices: Expr, updates: Expr, *, axis: int = 0, reduction: str = "none") -> Expr:
    if reduction not in ("none", *_REDUCTIONS):
        raise NotApplicable(f"there is no reduction {reduction!r}")
    positions = _from_the_front(indices, x, axis)
    return (_ordered_scatter if reduction in ("max", "min") else _scatter)(x, updates, positions, axis, reduction)  # type: ignore[no-any-return]


def _scattered(x: Expr, updates: Expr, positions: Expr, axis: int, reduction: str) -> Expr:
    if reduction == "none":
        return x.scatter(positions, updates, axis)  # type: ignore[no-any-return]
    return x.scatter_reduce(positions, updates, axis, reduce=_REDUCTIONS[reduction])  # type: ignore[no-any-return]


_scatter, _ordered_scatter = through_int64(_scattered), through_order(_scattered)


@op("Trilu", since=14)
def trilu(x: Expr, k: Int | None = None, *, upper: int = 1) -> Expr:
    k = 0 if k is None else k
    return x.triu(k) if upper else x.tril(k)  # type: ignore[no-any-return]


@op("OneHot", since=9)
def one_hot(indices: Expr, depth: Expr, values: Expr, *, axis: int = -1) -> Expr:
    """``values[1]`` at the positions given, counted from the end if negative, and ``values[0]`` elsewhere."""
    if indices.rank is None:
        raise UnknownRank(indices)
    axis = normal(axis, indices.rank + 1)
    known = depth.fact.value
    if known is not None and known.size != 1:
        raise FactError(f"of {known.size} depths")
    if known is not None and known.dtype != object and known.item() < 0:
        raise FactError(f"of depth {known.item()}")
    demand_shape("a choice", "values", values.fact, 2)
    count = host.item(depth.to(DType.INT64)) if known is None else known.reshape(()).item()
    count = int(count) if isinstance(count, float) else count
    places = _count_along(count, axis, indices.rank + 1)
    positions = indices.to(DType.INT64) if indices.dtype is not DType.INT64 else indices
    positions = positions.unsqueeze(axis)
    hit = torch.eq(positions, places) | torch.eq(positions + count, places)
    return torch.where(hit, index.select(values, 0, 1), index.select(values, 0, 0))  # type: ignore[no-any-return]


@op("ReverseSequence", since=10)
@through_int64
def reverse_sequence(x: Expr, sequence_lens: Expr, *, batch_axis: int = 1, time_axis: int = 0) -> Expr:
    """The first so many elements of each sequence backwards, the others as they are."""
    if sorted((batch_axis, time_axis)) != [0, 1]:
        raise NotApplicable(f"batch_axis {batch_axis} and time_axis {time_axis} are not 0 and 1")
    return runtime.reverse_sequence(x, sequence_lens, time_axis)  # type: ignore[no-any-return]
