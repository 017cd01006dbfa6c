"""Reductions whose axes are only known when the model runs."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def axes_or_all(x: Tensor, axes: Sequence[int]) -> list[int]:
    """The axes given, or all there are."""
    return list(axes) or list(range(x.dim()))


def axes_and_last(x: Tensor, axes: Sequence[int]) -> list[int]:
    """The axes given, counted from the front, and one that is added behind the last."""
    return [*(axis % x.dim() for axis in axes), x.dim()]


def count_along(x: Tensor, axes: Sequence[int]) -> int:
    """How many elements there are along some axes, or along all if none is given."""
    return math.prod(x.shape[axis] for axis in axes) if axes else x.numel()


def amax(
    x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False
) -> Tensor:
    """The greatest elements along some dimensions; of no elements, the least number of the type."""
    least = (
        -math.inf
        if x.is_floating_point()
        else 0
        if x.dtype is torch.bool
        else torch.iinfo(x.dtype).min
    )
    dims = (
        list(range(x.dim()))
        if dim is None
        else [dim]
        if isinstance(dim, int)
        else list(dim)
    )
    return filled_if_empty(x, dims, least).amax(dims, keepdim=keepdim)


def amin(
    x: Tensor, dim: int | Sequence[int] | None = None, keepdim: bool = False
) -> Tensor:
    """The least elements along some dimensions; of no elements, the greatest number of the type."""
    most = (
        math.inf
        if x.is_floating_point()
        else 1
        if x.dtype is torch.bool
        else torch.iinfo(x.dtype).max
    )
    dims = (
        list(range(x.dim()))
        if dim is None
        else [dim]
        if isinstance(dim, int)
        else list(dim)
    )
    return filled_if_empty(x, dims, most).amin(dims, keepdim=keepdim)


def filled_if_empty(x: Tensor, dims: Sequence[int], value: float) -> Tensor:
    """One element instead of none along each of some dimensions, or along all if none is given."""
    sizes = list(x.shape)
    for dim in dims or range(x.dim()):
        sizes[dim] = max(sizes[dim], 1)
    return x if sizes == list(x.shape) else x.new_full(sizes, value)


def prod(
    x: Tensor,
    axes: Sequence[int],
    keepdim: bool = False,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """The product along some axes, or along all if none is given."""
    rank = x.dim()
    chosen = (
        sorted((axis % rank for axis in axes), reverse=True)
        if axes
        else reversed(range(rank))
    )
    for axis in chosen:
        x = x.prod(axis, keepdim=keepdim, dtype=dtype)
    return x
