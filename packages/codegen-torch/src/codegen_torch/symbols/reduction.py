"""Symbols that reduce dimensions, and softmax over one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from codegen_torch.dims import Undecided
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.shape import normal

Tensor: TypeAlias = Fact


def reduced(x: Fact, dim: int | tuple[int, ...] | None, keepdim: bool, dtype: DType | None = None) -> Fact:
    """The facts after a reduction over ``dim``, or over everything if it is None."""
    if x.dims is None:
        return Fact(dtype or x.dtype, () if dim is None and not keepdim else None)
    axes: Iterable[int] = range(len(x.dims)) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {normal(axis, len(x.dims)) for axis in axes}
    dims = [1 if index in gone else size for index, size in enumerate(x.dims) if keepdim or index not in gone]
    return Fact(dtype or x.dtype, tuple(dims))


def _register(name: str, dtype: DType | None = None) -> None:
    @symbol(name)
    def reduction(x: Tensor, dim: tuple[int, ...] | int | None = None, *, keepdim: bool = False) -> Fact:
        return reduced(x, dim, keepdim, dtype)


def _axes(x: Any, dim: tuple[int, ...] | int | None) -> tuple[int, ...]:
    return tuple(range(x.ndim)) if dim is None or dim == () else (dim,) if isinstance(dim, int) else dim


def _exact(function: Any) -> Any:
    """A fold of integers and sizes; sums of floats depend on their order."""

    def fold(x: Any, dim: tuple[int, ...] | int | None, *, keepdim: bool, dtype: DType | None) -> Any:
        if x.dtype.kind not in "iuO":
            raise Undecided
        return function(x, axis=_axes(x, dim), keepdims=keepdim, **({} if x.dtype == object else {"dtype": x.dtype}))

    return fold


def _accumulated(x: Fact, dtype: DType | None) -> DType:
    """torch adds and multiplies integers as int64 where it is not told otherwise."""
    return dtype or (x.dtype if x.dtype.is_float else DType.INT64)


@symbol("Tensor.sum", fold=_exact(np.sum), symbolic=True)
def sum_(
    x: Tensor, dim: tuple[int, ...] | int | None = None, *, keepdim: bool = False, dtype: DType | None = None
) -> Fact:
    return reduced(x, dim, keepdim, _accumulated(x, dtype))


for _name in "mean amax amin logsumexp".split():
    _register(f"Tensor.{_name}")
_register("Tensor.argmax", DType.INT64)
_register("Tensor.argmin", DType.INT64)
_register("Tensor.all", DType.BOOL)
_register("Tensor.any", DType.BOOL)


@symbol("Tensor.prod", fold=_exact(np.prod), symbolic=True)
def prod(x: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: DType | None = None) -> Fact:
    return reduced(x, dim, keepdim, _accumulated(x, dtype))


@symbol("Tensor.norm")
def norm(x: Tensor, p: float, dim: tuple[int, ...] | None = None, *, keepdim: bool = False) -> Fact:
    return reduced(x, dim, keepdim)


@symbol("F.softmax")
def softmax(x: Tensor, *, dim: int) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("F.log_softmax")
def log_softmax(x: Tensor, *, dim: int) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("torch.cumsum")
def cumsum(x: Tensor, *, dim: int, dtype: DType | None = None) -> Fact:
    return Fact(_accumulated(x, dtype), x.dims)
