"""Functions that torch lacks: their sources, in ``codegen_torch.runtime``, are copied into the models that use them."""

from __future__ import annotations

from typing import Any, TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, FactError, Size, broadcast
from codegen_torch.symbols.base import size_of, sizes_of, symbol
from codegen_torch.symbols.demands import is_below
from codegen_torch.symbols.shape import like

Tensor: TypeAlias = Fact


@symbol("runtime.reshape")
def reshape(x: Tensor, shape: tuple[Size, ...]) -> Fact:
    sizes = sizes_of(shape)
    return like(x, None if sizes is None else tuple(Dim.fresh() for _ in sizes))


@symbol("runtime.expand")
def expand(x: Tensor, shape: tuple[Size, ...]) -> Fact:
    sizes = sizes_of(shape)
    if sizes is None or x.dims is None:
        return like(x, None)

    return like(x, broadcast(x.dims, sizes))


@symbol("runtime.pad")
def pad(x: Tensor, pads: Any, *, mode: str, value: Any = 0, axes: Any = None) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    rank = len(x.dims)
    if isinstance(pads, Expr):
        return Fact(x.dtype, tuple(Dim.fresh() for _ in range(rank)))
    sides = zip(pads[:rank], x.dims, pads[rank:], strict=True)
    dims = tuple(size + size_of(before) + size_of(after) for before, size, after in sides)
    if any(is_below(size, 0) for size in dims):
        raise FactError(f"a padding of {x} that cuts off more than there is")
    return Fact(x.dtype, dims)


@symbol("runtime.center_crop_pad")
def center_crop_pad(x: Tensor, shape: Any, axes: Any = None) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    dims: list[Size] = list(x.dims)
    chosen = range(len(dims)) if axes is None else axes
    sizes = sizes_of(shape)
    for position, axis in enumerate(chosen):
        dims[axis] = Dim.fresh() if sizes is None or position >= len(sizes) else sizes[position]
    return Fact(x.dtype, tuple(dims))


@symbol("runtime.arange")
def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Fact:
    return Fact(start.dtype, (Dim.fresh(),))
