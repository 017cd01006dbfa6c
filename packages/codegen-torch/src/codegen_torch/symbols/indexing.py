"""Symbols that pick elements: slices, gathers, lookups."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen_torch.dims import Dim, Undecided
from codegen_torch.facts import Fact, Facts, Size, broadcast
from codegen_torch.symbols.base import FactError, size_of, symbol
from codegen_torch.symbols.shape import like, normal

Tensor = Fact
Tensors = list[Fact]


def clamped_length(size: Size, start: Size, stop: Size | None) -> Size:
    """How many elements ``x[start:stop]`` has of a dimension of this size (Python's rule, step 1).

    Where that depends on symbols it is a fresh size.
    """
    try:
        first = start + size if start < 0 else start
        last = size if stop is None else stop + size if stop < 0 else stop
        first = first if first < size or first == size else size
        last = last if last < size or last == size else size
        return last - first if last > first or last == first else 0
    except Undecided:
        return Dim.fresh()


@symbol("index.slice", fold=lambda x, dim, start, stop, step: _slice(x, dim, start, stop, step), symbolic=True)
def slice_(x: Tensor, dim: int, start: Size = 0, stop: Size | None = None, step: int = 1) -> Fact:
    """``x[..., start:stop:step]`` on dimension ``dim``; step is positive."""
    if x.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    length = clamped_length(x.dims[axis], size_of(start), None if stop is None else size_of(stop))
    if step != 1:
        length = -(-length // step) if isinstance(length, int) else Dim.fresh()
    return like(x, (*x.dims[:axis], length, *x.dims[axis + 1 :]))


def _slice(x: Any, dim: int, start: Any, stop: Any, step: int) -> Any:
    if not isinstance(start, int) or not isinstance(stop, int | None):
        raise Undecided
    index: list[Any] = [slice(None)] * x.ndim
    index[dim] = slice(start, stop, step)
    return x[tuple(index)]


@symbol("index.select", fold=lambda x, dim, index: np.take(x, index, dim), symbolic=True)
def select(x: Tensor, dim: int, index: int) -> Fact:
    """``x[..., index]`` on dimension ``dim``, which disappears."""
    if x.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    size = x.dims[axis]
    if isinstance(size, int) and isinstance(index, int) and not -size <= index < size:
        raise FactError(f"index {index} of axis {dim} of {x}")
    return like(x, (*x.dims[:axis], *x.dims[axis + 1 :]))


@symbol("index.take")
def take(x: Tensor, indices: Tensor, dim: int) -> Fact:
    """``x[:, indices]`` with an index tensor on dimension ``dim``: its dimensions take that one's place."""
    if x.dims is None or indices.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    return like(x, (*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :]))


@symbol("index.tuple")
def tuple_(tensors: Tensors) -> Fact:
    """``x[i, j, …]``: the first tensor, indexed by the others on its leading dimensions."""
    x, *indices = tensors
    shape = broadcast(*(index.dims for index in indices))
    if x.dims is None or shape is None:
        return like(x, None)
    return like(x, (*shape, *x.dims[len(indices) :]))


@symbol("Tensor.flip")
def flip(x: Tensor, *dims: int) -> Fact:
    return like(x, x.dims)


@symbol("torch.gather")
def gather(x: Tensor, index: Tensor, dim: int) -> Fact:
    """Printed with torch's order: ``torch.gather(x, dim, index)``."""
    return like(x, index.dims)


@symbol("F.embedding")
def embedding(indices: Tensor, weight: Tensor) -> Fact:
    if indices.dims is None or weight.dims is None:
        return Fact(weight.dtype, None)
    return Fact(weight.dtype, (*indices.dims, *weight.dims[1:]))


@symbol("operator.getitem")
def getitem(x: Tensor, index: int) -> Facts:
    raise NotImplementedError("built by codegen_torch.symbols.base.project")
