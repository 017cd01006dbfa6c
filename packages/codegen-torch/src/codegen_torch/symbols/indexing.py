"""Symbols that pick elements: slices, gathers, lookups."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from codegen_torch.dims import Dim, Undecided, minimum
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, FactError, Facts, Size, broadcast
from codegen_torch.symbols.base import size_of, symbol
from codegen_torch.symbols.demands import demand_rank, demand_shape, is_below
from codegen_torch.symbols.shape import check_axis, like, normal

Tensor: TypeAlias = Fact
Tensors: TypeAlias = list[Fact]


def clamped_length(size: Size, start: Size, stop: Size | None) -> Size:
    """How many elements ``x[start:stop]`` has of a dimension of this size (Python's rule, step 1).

    Where that depends on symbols it is a fresh size.
    """
    try:
        first = _clamped(start, size)
        last = size if stop is None else _clamped(stop, size)
        if stop is None or first == 0:  # both lie between 0 and the size
            return last - first
        if (start < 0) == (stop < 0):
            return last - first if start <= stop else 0
        return last - first if first <= last else 0
    except Undecided:
        return Dim.fresh()


def _length(size: Size, start: Size, stop: Size | None, step: int) -> Size:
    """How many elements ``x[start:stop:step]`` has."""
    length = clamped_length(size, size_of(start), None if stop is None else size_of(stop))
    if step == 1:
        return length
    return -(-length // step) if isinstance(length, int) else Dim.fresh()


def _clamped(position: Size, size: Size) -> Size:
    """A position of a slice as a number of elements from the front, at most ``size``."""
    return size - minimum(size, -position) if position < 0 else minimum(position, size)


@symbol("index.slice", fold=lambda x, dim, start, stop, step: _slice(x, dim, start, stop, step), symbolic=True)
def slice_(x: Tensor, dim: int, start: Size = 0, stop: Size | None = None, step: int = 1) -> Fact:
    """``x[..., start:stop:step]`` on dimension ``dim``; step is positive."""
    if x.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    length = _length(x.dims[axis], start, stop, step)
    return like(x, (*x.dims[:axis], length, *x.dims[axis + 1 :]))


@symbol("index.slices")
def slices(x: Tensor, cuts: tuple[tuple[int, Size, Size | None, int], ...]) -> Fact:
    """``x[:, a:b, c:d]``: each cut is a dimension, where it starts and stops, and its step."""
    dims = list(x.dims or ())
    for dim, start, stop, step in cuts if x.dims is not None else ():
        dims[dim] = _length(dims[dim], start, stop, step)
    return like(x, None if x.dims is None else tuple(dims))


@symbol("index.spread")
def spread(x: Tensor, dims: tuple[int, ...]) -> Fact:
    """``x[:, None, None]``: new dimensions of size 1, counted in the result, in ascending order."""
    if x.dims is None:
        return like(x, None)
    sizes = list(x.dims)
    for dim in dims:
        sizes.insert(dim, 1)
    return like(x, tuple(sizes))


def _slice(x: Any, dim: int, start: Any, stop: Any, step: int) -> Any:
    if not isinstance(start, int) or not isinstance(stop, int | None):
        raise Undecided
    index: list[Any] = [slice(None)] * x.ndim
    index[dim] = slice(start, stop, step)
    return x[tuple(index)]


def _select(x: Any, dim: int, index: Any) -> Any:
    if not isinstance(index, int):
        raise Undecided
    return np.take(x, index, dim)


@symbol("index.select", fold=_select, symbolic=True)
def select(x: Tensor, dim: int, index: int) -> Fact:
    """``x[..., index]`` on dimension ``dim``, which disappears."""
    if x.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    size = x.dims[axis]
    if isinstance(size, int) and isinstance(index, int) and not -size <= index < size:
        raise FactError(f"index {index} of axis {dim} of {x}")
    return like(x, (*x.dims[:axis], *x.dims[axis + 1 :]))


@symbol("index.take", fold=lambda x, indices, dim: np.take(x, _numbers(indices), dim), symbolic=True)
def take(x: Tensor, indices: Tensor, dim: int) -> Fact:
    """``x[:, indices]`` with an index tensor on dimension ``dim``: its dimensions take that one's place."""
    if x.dims is None or indices.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    check_positions(x, axis, indices)
    return like(x, (*x.dims[:axis], *indices.dims, *x.dims[axis + 1 :]))


def check_positions(x: Fact, dim: int, indices: Fact) -> None:
    """Refuse known positions that lie outside a tensor, those that count from the end included.

    Raises:
        FactError: There are such.
    """
    size = None if x.dims is None else x.dims[normal(dim, len(x.dims))]
    if size == 0 and not (indices.size == 0 or isinstance(indices.size, Dim | None)):
        raise FactError(f"some index of axis {dim} of {x}, which has none")
    known = indices.value
    if known is None or known.dtype == object or not known.size or not isinstance(size, int):
        return
    first, last = int(known.min()), int(known.max())
    if first < -size or last >= size:
        raise FactError(f"index {last if last >= size else first} of axis {dim} of {x}")


def _numbers(indices: Any) -> Any:
    if indices.dtype == object:
        raise Undecided
    return indices


@symbol("index.tuple")
def tuple_(tensors: Tensors) -> Fact:
    """``x[i, j, …]``: the first tensor, indexed by the others on its leading dimensions."""
    x, *indices = tensors
    demand_rank(f"{len(indices)} positions", x, len(indices))
    for axis, index in enumerate(indices):
        check_positions(x, axis, index)
    shape = broadcast(*(index.dims for index in indices))
    if x.dims is None or shape is None:
        return like(x, None)
    return like(x, (*shape, *x.dims[len(indices) :]))


@symbol("Tensor.flip", fold=lambda x, dims: np.flip(x, dims), symbolic=True)
def flip(x: Tensor, *dims: int) -> Fact:
    for axis in dims:
        check_axis(x, axis)
    return like(x, x.dims)


@symbol("torch.gather")
def gather(x: Tensor, index: Tensor, dim: int) -> Fact:
    """Printed with torch's order: ``torch.gather(x, dim, index)``."""
    _check_elements(x, index, dim)
    check_positions(x, dim, index)
    return like(x, index.dims)


def _check_elements(x: Fact, index: Fact, dim: int) -> None:
    """Refuse positions of which there are more than elements, in another dimension than theirs."""
    check_axis(x, dim)
    if x.dims is None or index.dims is None:
        return
    pairs = enumerate(zip(x.dims, index.dims, strict=False))
    other = dim % max(len(x.dims), 1)
    more = [axis for axis, (size, count) in pairs if axis != other and is_below(size - count, 0)]
    if len(x.dims) != len(index.dims) or more:
        raise FactError(f"positions {index} on axis {dim} of {x}")


@symbol("F.embedding")
def embedding(indices: Tensor, weight: Tensor) -> Fact:
    check_positions(weight, 0, indices)
    if indices.dims is None or weight.dims is None:
        return Fact(weight.dtype, None)
    return Fact(weight.dtype, (*indices.dims, *weight.dims[1:]))


@symbol("operator.getitem")
def getitem(x: Tensor, index: int) -> Facts:
    raise NotImplementedError("built by codegen_torch.symbols.base.project")


@symbol("Tensor.index_put")
def index_put(tensors: Tensors, *, accumulate: bool = False) -> Fact:
    """A copy of the first tensor with the second one's values at the others' positions."""
    return Fact(tensors[0].dtype, tensors[0].dims)


@symbol("Tensor.scatter")
def scatter(x: Tensor, index: Tensor, src: Tensor, dim: int) -> Fact:
    """Printed with torch's order: ``x.scatter(dim, index, src)``."""
    _check_scattered(x, index, src, dim)
    return Fact(x.dtype, x.dims)


@symbol("Tensor.scatter_reduce")
def scatter_reduce(x: Tensor, index: Tensor, src: Tensor, dim: int, *, reduce: str) -> Fact:
    """Printed with torch's order: ``x.scatter_reduce(dim, index, src, reduce)``."""
    _check_scattered(x, index, src, dim)
    return Fact(x.dtype, x.dims)


def _check_scattered(x: Fact, index: Fact, src: Fact, dim: int) -> None:
    """Refuse other positions than there are new elements."""
    _check_elements(x, index, dim)
    check_positions(x, dim, index)
    if index.dims is not None:
        demand_shape("a scatter", "update", src, *index.dims)


@symbol("runtime.sliced")
def sliced(x: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Fact:
    if x.dims is None:
        return like(x, None)
    known = tuple(range(len(x.dims))) if axes is None or isinstance(axes, Expr) else axes
    gone = {normal(axis, len(x.dims)) for axis in known}
    return like(x, tuple(Dim.fresh() if axis in gone else size for axis, size in enumerate(x.dims)))


@symbol("runtime.gather_nd")
def gather_nd(x: Tensor, indices: Tensor, batch_dims: int = 0) -> Fact:
    demand_rank("positions", indices, batch_dims + 1)
    demand_rank("elements at positions", x, batch_dims + 1)
    return like(x, None)


@symbol("runtime.scatter_nd")
def scatter_nd(x: Tensor, indices: Tensor, updates: Tensor, reduce: str | None = None) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.reverse_sequence")
def reverse_sequence(x: Tensor, lengths: Tensor, time_axis: int) -> Fact:
    demand_rank("sequences", x, 2)
    if x.dims is not None:
        demand_shape(f"sequences {x}", "lengths", lengths, x.dims[1 - time_axis])
        steps, known = x.dims[time_axis], lengths.value if lengths.is_constant else None
        if known is not None and any(not int(length) >= 0 or is_below(steps - int(length), 0) for length in known.flat):
            raise FactError(f"sequences {x} of lengths {known.tolist()}")
    return like(x, x.dims)
