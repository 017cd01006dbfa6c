"""Symbols that reduce dimensions, and softmax over one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from codegen_torch.dims import Dim, Undecided
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, FactError
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.shape import check_axis, normal

Tensor: TypeAlias = Fact


Axes: TypeAlias = int | tuple[int, ...] | Expr | None
"""Which dimensions a reduction gathers: None for all; a host list is only known when the model runs."""


def reduced(x: Fact, dim: Axes, keepdim: bool, dtype: DType | None = None) -> Fact:
    """The facts after a reduction over ``dim``, or over everything if it is None."""
    if isinstance(dim, Expr):
        return Fact(dtype or x.dtype, _reduced_over_some(x, dim, keepdim))
    if x.dims is None:
        return Fact(dtype or x.dtype, () if dim is None and not keepdim else None)
    axes: Iterable[int] = range(len(x.dims)) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {normal(axis, len(x.dims)) for axis in axes}
    dims = [1 if index in gone else size for index, size in enumerate(x.dims) if keepdim or index not in gone]
    return Fact(dtype or x.dtype, tuple(dims))


def _reduced_over_some(x: Fact, axes: Expr, keepdim: bool) -> tuple[Dim, ...] | None:
    """Sizes after a reduction over axes of which only their number may be known; none at all mean every one."""
    count = axes.fact.size
    if x.rank is None:
        return None
    if keepdim:
        return tuple(Dim.fresh() for _ in range(x.rank))
    if not isinstance(count, int) or count == 0:
        return None
    return tuple(Dim.fresh() for _ in range(x.rank - count))


def _register(name: str, dtype: DType | None = None, *, picks: bool = False) -> None:
    @symbol(name)
    def reduction(x: Tensor, dim: Axes = None, *, keepdim: bool = False) -> Fact:
        if picks and x.dims and isinstance(dim, int) and x.dims[normal(dim, len(x.dims))] == 0:
            raise FactError(f"the best of nothing along axis {dim} of {x}")
        return reduced(x, dim, keepdim, dtype)


def _axes(x: Any, dim: Axes) -> tuple[int, ...]:
    if isinstance(dim, Expr):
        raise Undecided
    return tuple(range(x.ndim)) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim


def _exact(function: Any) -> Any:
    """A fold of integers and sizes; sums of floats depend on their order."""

    def fold(x: Any, dim: Axes, *, keepdim: bool, dtype: DType | None) -> Any:
        if x.dtype.kind not in "iuO":
            raise Undecided
        return function(x, axis=_axes(x, dim), keepdims=keepdim, **({} if x.dtype == object else {"dtype": x.dtype}))

    return fold


def _accumulated(x: Fact, dtype: DType | None) -> DType:
    """torch adds and multiplies integers as int64 where it is not told otherwise."""
    return dtype or (x.dtype if x.dtype.is_float else DType.INT64)


@symbol("Tensor.sum", fold=_exact(np.sum), symbolic=True)
def sum_(x: Tensor, dim: Axes = None, *, keepdim: bool = False, dtype: DType | None = None) -> Fact:
    return reduced(x, dim, keepdim, _accumulated(x, dtype))


for _name in "mean amax amin logsumexp".split():
    _register(f"Tensor.{_name}")
_register("runtime.amax")
_register("runtime.amin")
_register("Tensor.argmax", DType.INT64, picks=True)
_register("Tensor.argmin", DType.INT64, picks=True)
_register("Tensor.all", DType.BOOL)
_register("Tensor.any", DType.BOOL)


@symbol("Tensor.prod", fold=_exact(np.prod), symbolic=True)
def prod(x: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None) -> Fact:
    return reduced(x, dim, keepdim, _accumulated(x, dtype))


@symbol("Tensor.norm")
def norm(x: Tensor, p: float, dim: Axes = None, *, keepdim: bool = False) -> Fact:
    return reduced(x, dim, keepdim)


@symbol("runtime.axes_or_all")
def axes_or_all(x: Tensor, axes: Any) -> Fact:
    return Fact(DType.INT64, (Dim.fresh(),), host=True)


@symbol("runtime.axes_and_last")
def axes_and_last(x: Tensor, axes: Any) -> Fact:
    return Fact(DType.INT64, (Dim.fresh(),), host=True)


@symbol("runtime.count_along")
def count_along(x: Tensor, axes: Any) -> Fact:
    return Fact(DType.INT64, (), host=True)


@symbol("runtime.prod")
def prod_over_some(x: Tensor, axes: Any, *, keepdim: bool = False, dtype: DType | None = None) -> Fact:
    return reduced(x, axes, keepdim, _accumulated(x, dtype))


def _register_spread(name: str) -> None:
    @symbol(name)
    def spread(
        x: Tensor, dim: tuple[int, ...] | int | None = None, *, correction: int = 1, keepdim: bool = False
    ) -> Fact:
        return reduced(x, dim, keepdim)


_register_spread("Tensor.std")
_register_spread("Tensor.var")


@symbol("F.softmax")
def softmax(x: Tensor, *, dim: int) -> Fact:
    check_axis(x, dim)
    return Fact(x.dtype, x.dims)


@symbol("F.log_softmax")
def log_softmax(x: Tensor, *, dim: int) -> Fact:
    check_axis(x, dim)
    return Fact(x.dtype, x.dims)


@symbol("torch.cumsum")
def cumsum(x: Tensor, *, dim: int, dtype: DType | None = None) -> Fact:
    check_axis(x, dim)
    return Fact(_accumulated(x, dtype), x.dims)


@symbol("torch.cumprod")
def cumprod(x: Tensor, *, dim: int, dtype: DType | None = None) -> Fact:
    check_axis(x, dim)
    return Fact(_accumulated(x, dtype), x.dims)


@symbol("runtime.moved_by_one")
def moved_by_one(x: Tensor, dim: int, first: int) -> Fact:
    check_axis(x, dim)
    return Fact(x.dtype, x.dims)
