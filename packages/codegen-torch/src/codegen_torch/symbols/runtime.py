"""Functions that torch lacks: their sources, in ``codegen_torch.runtime``, are copied into the models that use them."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.facts import Fact, Size, broadcast
from codegen_torch.symbols.base import size_of, sizes_of, symbol
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
def pad(x: Tensor, pads: tuple[Size, ...], *, mode: str) -> Fact:
    if x.dims is None:
        return like(x, None)
    rank = len(x.dims)
    before, after = pads[:rank], pads[rank:]
    return like(
        x, tuple(size + size_of(left) + size_of(right) for left, size, right in zip(before, x.dims, after, strict=True))
    )


@symbol("runtime.arange")
def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Fact:
    return Fact(start.dtype, (Dim.fresh(),))
