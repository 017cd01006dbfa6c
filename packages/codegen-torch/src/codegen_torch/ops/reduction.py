"""Reductions of dimensions, and the positions of extremes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import Const, Ints, op
from codegen_torch.ops.unsigned import WIDE, from_int64, through_int64, to_int64
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.namespaces import host, runtime, torch
from codegen_torch.symbols.reduction import reduced
from codegen_torch.symbols.shape import normal

Axes = int | tuple[int, ...] | Expr | None
"""As torch takes them: one or several, all of them, or a host list that is only known when the model runs."""
Reduction = Callable[[Expr, Axes, bool], Expr]


def written(x: Expr, axes: tuple[int, ...], keepdim: bool) -> Axes:
    """The reduced axes as torch takes them: None for all, a number for one, -1 for the last of several."""
    if x.rank is None:
        if axes:
            return axes if len(axes) > 1 else axes[0]
        if keepdim:
            raise UnknownRank(x)
        return None
    positions = sorted({normal(axis, x.rank) for axis in axes})
    if not axes or len(positions) == x.rank:
        return tuple(range(x.rank)) if keepdim and x.rank > 1 else -1 if keepdim and x.rank else None
    if len(positions) == 1:
        return -1 if positions[0] == x.rank - 1 else positions[0]
    return tuple(positions)


def keywords(keepdim: bool, x: Expr) -> dict[str, Any]:
    """What tells torch to keep dimensions, and small integers their type."""
    dtype = None if x.dtype.is_float or x.dtype is DType.INT64 else x.dtype
    return {"keepdim": keepdim, "dtype": dtype}


def reduced_sizes(x: Expr, axes: Axes) -> list[Any]:
    """The sizes that a reduction over known axes gathers."""
    if x.rank is None:
        raise UnknownRank(x)
    assert not isinstance(axes, Expr)
    chosen = range(x.rank) if axes is None else (axes,) if isinstance(axes, int) else axes
    return [x.shape[axis] for axis in chosen]


def mean(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    if x.dtype.is_float:
        return x.mean(axes, keepdim=keepdim)  # type: ignore[no-any-return]
    if x.dtype is DType.UINT64:
        count = host.tensor(_count(x, axes), dtype=DType.UINT64)
        return runtime.divide_uint64(sum_(x, axes, keepdim), count)  # type: ignore[no-any-return]
    return _integer_mean(x, axes, keepdim)  # type: ignore[no-any-return]


@through_int64
def _integer_mean(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return torch.div(sum_(x, axes, keepdim), _count(x, axes), rounding_mode="trunc")  # type: ignore[no-any-return]


def _count(x: Expr, axes: Axes) -> Any:
    """How many elements one of the result stands for."""
    return runtime.count_along(x, axes) if isinstance(axes, Expr) else product(reduced_sizes(x, axes))


@through_int64
def sum_(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return x.sum(axes, **keywords(keepdim, x))  # type: ignore[no-any-return]


@through_int64
def prod(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    """torch multiplies over one dimension or over all."""
    if isinstance(axes, Expr):
        return runtime.prod(x, axes, **keywords(keepdim, x))  # type: ignore[no-any-return]
    if axes is None or isinstance(axes, int):
        return x.prod(axes, **keywords(keepdim, x))  # type: ignore[no-any-return]
    for axis in reversed(axes):
        x = x.prod(axis, **keywords(keepdim, x))
    return x


def amax(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    if _gathers(x, axes) == 0:
        return _filled(x, axes, keepdim, least=True)
    if x.dtype in WIDE:
        return from_int64(amax(to_int64(x, ordered=True), axes, keepdim), x.dtype, ordered=True)
    return runtime.amax(x, axes, keepdim=keepdim) if _gathers(x, axes) is None else x.amax(axes, keepdim=keepdim)  # type: ignore[no-any-return]


def amin(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    if _gathers(x, axes) == 0:
        return _filled(x, axes, keepdim, least=False)
    if x.dtype in WIDE:
        return from_int64(amin(to_int64(x, ordered=True), axes, keepdim), x.dtype, ordered=True)
    return runtime.amin(x, axes, keepdim=keepdim) if _gathers(x, axes) is None else x.amin(axes, keepdim=keepdim)  # type: ignore[no-any-return]


def _gathers(x: Expr, axes: Axes) -> int | None:
    """How many elements become one; None where it is not known whether there are any: torch has no extreme of none."""
    if x.dims is None:
        return None
    sizes = x.dims if isinstance(axes, Expr) else [size_of(size) for size in reduced_sizes(x, axes)]
    known = [size for size in sizes if isinstance(size, int)]
    if isinstance(axes, Expr):
        return math.prod(known) or None if len(known) == len(sizes) else None
    return math.prod(known) if len(known) == len(sizes) or 0 in known else None


def _filled(x: Expr, axes: Axes, keepdim: bool, *, least: bool) -> Expr:
    """The extreme of no elements: the least number of the type is their maximum, the greatest their minimum."""
    assert not isinstance(axes, Expr)
    sizes = reduced(x.fact, axes, keepdim).dims
    if x.dtype.is_float:
        return torch.full(sizes, -math.inf if least else math.inf, dtype=x.dtype)  # type: ignore[no-any-return]
    if x.dtype is DType.BOOL:
        return torch.full(sizes, not least, dtype=x.dtype)  # type: ignore[no-any-return]
    limits = np.iinfo(x.dtype.numpy)
    return torch.full(sizes, int(limits.min if least else limits.max), dtype=x.dtype)  # type: ignore[no-any-return]


def _in_float64(reduction: Reduction) -> Reduction:
    """Integers go through float64 where the function has no integer form; the result is truncated."""

    def through_float64(x: Expr, axes: Axes, keepdim: bool) -> Expr:
        if x.dtype.is_float:
            return reduction(x, axes, keepdim)
        return reduction(x.to(DType.FLOAT64), axes, keepdim).to(x.dtype)  # type: ignore[no-any-return]

    return through_float64


@_in_float64
def logsumexp(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    """torch has no short form here for all the axes there are."""
    if axes is None and x.rank is None:
        raise UnknownRank(x)
    if isinstance(axes, Expr) and not axes.fact.is_static:
        axes = runtime.axes_or_all(x, axes)
    axes = tuple(range(x.rank or 0)) if axes is None else axes
    return x.logsumexp(axes, keepdim=keepdim)  # type: ignore[no-any-return]


@_in_float64
def log_sum(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return torch.log(sum_(x, axes, keepdim))  # type: ignore[no-any-return]


def l1(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return sum_(magnitude(x), axes, keepdim)  # type: ignore[no-any-return]


def magnitude(x: Expr) -> Expr:
    return x if x.dtype in WIDE else torch.abs(x)


@_in_float64
def l2(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return x.norm(2, (axes,) if isinstance(axes, int) else axes, keepdim=keepdim)  # type: ignore[no-any-return]


@through_int64
def sum_square(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return sum_(x * x, axes, keepdim)  # type: ignore[no-any-return]


def _register(op_type: str, reduction: Reduction, of_one: Callable[[Expr], Expr], axes_are_an_input_since: int) -> None:
    """Define a reduction, and what it makes of every element where nothing is reduced."""

    @op(op_type, since=1, until=axes_are_an_input_since - 1)
    def with_attribute(x: Expr, *, axes: tuple[int, ...] = (), keepdims: int = 1) -> Expr:
        if x.rank == 0:
            return of_one(x)
        return reduction(x, written(x, axes, bool(keepdims)), bool(keepdims))

    @op(op_type, since=axes_are_an_input_since)
    def with_input(
        x: Expr, axes: Const[Ints] | None = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0
    ) -> Expr:
        if x.rank == 0 or (not axes and noop_with_empty_axes):
            return of_one(x)
        chosen = tuple(axis for axis in axes or () if isinstance(axis, int))
        return reduction(x, written(x, chosen, bool(keepdims)), bool(keepdims))

    @op(op_type, since=axes_are_an_input_since)
    def with_computed_axes(x: Expr, axes: Expr, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Expr:
        """torch, too, reduces all dimensions over an empty list of axes."""
        if axes.fact.size == 0 or x.rank == 0:
            return with_input(x, (), keepdims=keepdims, noop_with_empty_axes=noop_with_empty_axes)  # type: ignore[no-any-return]
        if not noop_with_empty_axes or axes.fact.is_static:
            return reduction(x, host.tolist(axes), bool(keepdims))
        # One more dimension, of size 1, is reduced in any case, so that the list is never empty.
        result = reduction(x.unsqueeze(-1), runtime.axes_and_last(x, host.tolist(axes)), bool(keepdims))
        return result.squeeze(-1) if keepdims else result


def _logarithm(x: Expr) -> Expr:
    return torch.log(x) if x.dtype.is_float else torch.log(x.to(DType.FLOAT64)).to(x.dtype)  # type: ignore[no-any-return]


def _itself(x: Expr) -> Expr:
    return x


@through_int64
def _square(x: Expr) -> Expr:
    return x * x


for _name, _reduction, _of_one, _since in (
    ("ReduceL1", l1, magnitude, 18),
    ("ReduceL2", l2, magnitude, 18),
    ("ReduceLogSum", log_sum, _logarithm, 18),
    ("ReduceLogSumExp", logsumexp, _itself, 18),
    ("ReduceMax", amax, _itself, 18),
    ("ReduceMean", mean, _itself, 18),
    ("ReduceMin", amin, _itself, 18),
    ("ReduceProd", prod, _itself, 18),
    ("ReduceSum", sum_, _itself, 13),
    ("ReduceSumSquare", sum_square, _square, 18),
):
    _register(_name, _reduction, _of_one, _since)


@op("ArgMax", since=1)
def argmax(x: Expr, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Expr:
    """Of equal extremes the first one counts, in torch too."""
    x = to_int64(x, ordered=True) if x.dtype in WIDE else x
    if select_last_index:
        return _last(x, axis, x.flip(axis).argmax(axis, keepdim=bool(keepdims)))
    return x.argmax(axis, keepdim=bool(keepdims))  # type: ignore[no-any-return]


@op("ArgMin", since=1)
def argmin(x: Expr, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Expr:
    x = to_int64(x, ordered=True) if x.dtype in WIDE else x
    if select_last_index:
        return _last(x, axis, x.flip(axis).argmin(axis, keepdim=bool(keepdims)))
    return x.argmin(axis, keepdim=bool(keepdims))  # type: ignore[no-any-return]


def _last(x: Expr, axis: int, from_the_end: Expr) -> Expr:
    """A position counted from the front, from one counted from the end."""
    return x.shape[axis] - 1 - from_the_end  # type: ignore[return-value]
