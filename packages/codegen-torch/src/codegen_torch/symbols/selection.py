"""Symbols whose results depend on the elements: the greatest, the different, those that are not zero."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Size
from codegen_torch.symbols.base import size_of, symbol
from codegen_torch.symbols.demands import is_below
from codegen_torch.symbols.shape import normal

Tensor: TypeAlias = Fact


def _best(x: Fact, k: Size, dim: int) -> tuple[Fact, ...]:
    dims, count = None, size_of(k)
    if is_below(count, 0):
        raise FactError(f"the best {count} of {x}")
    if x.dims is not None:
        axis = normal(dim, len(x.dims))
        if is_below(x.dims[axis] - count, 0):
            raise FactError(f"the best {count} along axis {axis} of {x}")
        dims = (*x.dims[:axis], count, *x.dims[axis + 1 :])
    return Fact(x.dtype, dims), Fact(DType.INT64, dims)


@symbol("Tensor.topk")
def topk(x: Tensor, k: Size, dim: int = -1, *, largest: bool = True) -> tuple[Fact, ...]:
    return _best(x, k, dim)


@symbol("runtime.topk")
def stable_topk(x: Tensor, k: Size, dim: int = -1, *, largest: bool = True) -> tuple[Fact, ...]:
    return _best(x, k, dim)


@symbol("Tensor.nonzero")
def nonzero(x: Tensor) -> Fact:
    return Fact(DType.INT64, None if x.rank is None else (Dim.fresh(), x.rank))


def _different(x: Fact, dim: int | None, count: Dim) -> Fact:
    if dim is None:
        return Fact(x.dtype, (count,))
    if x.dims is None:
        return Fact(x.dtype, None)
    axis = normal(dim, len(x.dims))
    return Fact(x.dtype, (*x.dims[:axis], count, *x.dims[axis + 1 :]))


@symbol("torch.unique")
def unique(x: Tensor, *, dim: int | None = None) -> Fact:
    return _different(x, dim, Dim.fresh())


@symbol("runtime.unique")
def unique_with_places(x: Tensor, dim: int | None = None, *, sorted: bool = True) -> tuple[Fact, ...]:
    """The values, where each comes first, which one each element is, and how often each is there."""
    count = Dim.fresh()
    total = x.size if dim is None else None if x.dims is None else x.dims[normal(dim, len(x.dims))]
    each = Fact(DType.INT64, (count,))
    return _different(x, dim, count), each, Fact(DType.INT64, (Dim.fresh() if total is None else total,)), each
