"""Reductions of dimensions, and the positions of extremes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import Const, Ints, NotApplicable, op
from codegen_torch.symbols.namespaces import torch
from codegen_torch.symbols.shape import normal

Axes = int | tuple[int, ...] | None
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
    if x.rank is None:
        raise UnknownRank(x)
    chosen = range(x.rank) if axes is None else (axes,) if isinstance(axes, int) else axes
    return [x.shape[axis] for axis in chosen]


def mean(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    if x.dtype.is_float:
        return x.mean(axes, keepdim=keepdim)  # type: ignore[no-any-return]
    count = product(reduced_sizes(x, axes))
    return torch.div(sum_(x, axes, keepdim), count, rounding_mode="trunc")  # type: ignore[no-any-return]


def sum_(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return x.sum(axes, **keywords(keepdim, x))  # type: ignore[no-any-return]


def prod(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    if axes is None or isinstance(axes, int):
        return x.prod(axes, **keywords(keepdim, x))  # type: ignore[no-any-return]
    for axis in reversed(axes):
        x = x.prod(axis, **keywords(keepdim, x))
    return x


def amax(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    _refuse_empty(x, axes)
    return x.amax(axes, keepdim=keepdim)  # type: ignore[no-any-return]


def amin(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    _refuse_empty(x, axes)
    return x.amin(axes, keepdim=keepdim)  # type: ignore[no-any-return]


def _refuse_empty(x: Expr, axes: Axes) -> None:
    if x.rank is not None and 0 in reduced_sizes(x, axes):
        raise NotApplicable("the extreme of no elements is not supported")


def logsumexp(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    _refuse_integers(x)
    axes = tuple(range(x.rank)) if axes is None and x.rank is not None else axes
    if axes is None:
        raise UnknownRank(x)
    return x.logsumexp(axes, keepdim=keepdim)  # type: ignore[no-any-return]


def log_sum(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    _refuse_integers(x)
    return torch.log(sum_(x, axes, keepdim))  # type: ignore[no-any-return]


def l1(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return sum_(torch.abs(x), axes, keepdim)


def l2(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    _refuse_integers(x)
    return x.norm(2, (axes,) if isinstance(axes, int) else axes, keepdim=keepdim)  # type: ignore[no-any-return]


def sum_square(x: Expr, axes: Axes, keepdim: bool) -> Expr:
    return sum_(x * x, axes, keepdim)


def _refuse_integers(x: Expr) -> None:
    if not x.dtype.is_float:
        raise NotApplicable("it is not supported for integers")


def _itself(x: Expr) -> Expr:
    return x


def _square(x: Expr) -> Expr:
    return x * x


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


for _name, _reduction, _of_one, _since in (
    ("ReduceL1", l1, torch.abs, 18),
    ("ReduceL2", l2, torch.abs, 18),
    ("ReduceLogSum", log_sum, torch.log, 18),
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
    if select_last_index:
        return _last(x, axis, x.flip(axis).argmax(axis, keepdim=bool(keepdims)))
    return x.argmax(axis, keepdim=bool(keepdims))  # type: ignore[no-any-return]


@op("ArgMin", since=1)
def argmin(x: Expr, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Expr:
    if select_last_index:
        return _last(x, axis, x.flip(axis).argmin(axis, keepdim=bool(keepdims)))
    return x.argmin(axis, keepdim=bool(keepdims))  # type: ignore[no-any-return]


def _last(x: Expr, axis: int, from_the_end: Expr) -> Expr:
    """A position counted from the front, from one counted from the end."""
    return x.shape[axis] - 1 - from_the_end  # type: ignore[return-value]
