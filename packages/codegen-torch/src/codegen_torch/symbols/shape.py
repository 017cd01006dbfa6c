"""Symbols that rearrange elements: reshapes, transposes, broadcasts, joins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from codegen_torch.dims import Dim, Undecided, divide, product, same
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, FactError, Size, shape_text
from codegen_torch.symbols.base import SYMBOLIC_LIMIT, size_of, sizes_of, symbol
from codegen_torch.symbols.demands import are_different, demand_rank, demand_shape, is_below

Tensor: TypeAlias = Fact
Tensors: TypeAlias = list[Fact]


def normal(axis: int, rank: int) -> int:
    """An axis counted from the front.

    Raises:
        FactError: The tensor has no such axis.
    """
    if not -rank <= axis < rank:
        raise FactError(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank


def check_axis(x: Fact, axis: int | Expr) -> None:
    """Refuse an axis that is known and that a tensor does not have. Most functions of torch give a number one.

    Raises:
        FactError: There is none.
    """
    if x.rank is not None and isinstance(axis, int):
        normal(axis, max(x.rank, 1))


def like(x: Fact, dims: tuple[Size, ...] | None) -> Fact:
    """The facts of a tensor with the elements of ``x`` in another arrangement."""
    return Fact(x.dtype, dims, fill=x.fill)


def _shaped(function: Any) -> Any:
    """A fold that needs every size as a number."""

    def fold(x: Any, **attributes: Any) -> Any:
        sizes = next(iter(attributes.values()))
        if not all(isinstance(size, int) for size in sizes):
            raise Undecided
        return function(x, sizes)

    return fold


@symbol("Tensor.reshape", fold=_shaped(np.reshape), symbolic=True)
def reshape(x: Tensor, *shape: Size) -> Fact:
    known = sizes_of(shape)
    if known is None:
        return like(x, None)
    sizes = _divided(x.size, known)
    if sizes is None:
        raise FactError(f"{x} cannot be reshaped to {shape_text(known)}")
    return like(x, sizes)


def _divided(total: Size | None, sizes: tuple[Size, ...]) -> tuple[Size, ...] | None:
    """Sizes with what -1 stands for, where so many elements go into them; None where they certainly do not."""
    given = [size for size in sizes if size != -1]
    rest = product(given)
    if len(sizes) - len(given) > 1 or any(is_below(size, 0) for size in given):
        return None
    if len(given) == len(sizes):
        return None if are_different(total, rest) else sizes
    inferred = None if total is None or rest == 0 else divide(total, rest)
    if inferred is None and isinstance(rest, int) and (isinstance(total, int) or rest == 0):
        return None
    return tuple((Dim.fresh() if inferred is None else inferred) if size == -1 else size for size in sizes)


def _flatten(x: Any, start_dim: int, end_dim: int) -> Any:
    start, end = range(x.ndim)[start_dim], range(x.ndim)[end_dim]
    return x.reshape(*x.shape[:start], -1, *x.shape[end + 1 :])


@symbol(
    "Tensor.flatten", fold=lambda x, start_dim, end_dim: _flatten(np.atleast_1d(x), start_dim, end_dim), symbolic=True
)
def flatten(x: Tensor, start_dim: int = 0, end_dim: int = -1) -> Fact:
    if x.dims is None:
        return like(x, None)
    if not x.dims:
        return like(x, (1,))
    start, end = normal(start_dim, len(x.dims)), normal(end_dim, len(x.dims))
    return like(x, (*x.dims[:start], product(x.dims[start : end + 1]), *x.dims[end + 1 :]))


def _unflatten(x: Any, dim: int, sizes: tuple[Size, ...]) -> Any:
    if not all(isinstance(size, int) for size in sizes):
        raise Undecided
    axis = range(x.ndim)[dim]
    return x.reshape(*x.shape[:axis], *sizes, *x.shape[axis + 1 :])


@symbol("Tensor.unflatten", fold=_unflatten, symbolic=True)
def unflatten(x: Tensor, dim: int, sizes: tuple[Size, ...]) -> Fact:
    if x.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims))
    known = tuple(size_of(size) for size in sizes)
    parts = _divided(x.dims[axis], known)
    if parts is None:
        raise FactError(f"axis {axis} of {x}, which cannot become {shape_text(known)}")
    return like(x, (*x.dims[:axis], *parts, *x.dims[axis + 1 :]))


@symbol("Tensor.transpose", fold=lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1))
def transpose(x: Tensor, dim0: int, dim1: int) -> Fact:
    if x.dims is None:
        return like(x, None)
    dims = list(x.dims)
    first, second = normal(dim0, len(dims)), normal(dim1, len(dims))
    dims[first], dims[second] = dims[second], dims[first]
    return like(x, tuple(dims))


@symbol("Tensor.permute", fold=lambda x, dims: np.transpose(x, dims))
def permute(x: Tensor, *dims: int) -> Fact:
    if x.dims is None:
        return like(x, None)
    if sorted(normal(axis, len(x.dims)) for axis in dims) != list(range(len(x.dims))):
        raise FactError(f"a permutation {dims} of {x}")
    return like(x, tuple(x.dims[axis] for axis in dims))


@symbol("Tensor.unsqueeze", fold=lambda x, dim: np.expand_dims(x, dim), symbolic=True)
def unsqueeze(x: Tensor, dim: int) -> Fact:
    if x.dims is None:
        return like(x, None)
    axis = normal(dim, len(x.dims) + 1)
    return like(x, (*x.dims[:axis], 1, *x.dims[axis:]))


@symbol("Tensor.squeeze", fold=lambda x, dim: np.squeeze(x, dim), symbolic=True)
def squeeze(x: Tensor, dim: int | tuple[int, ...] | Expr | None = None) -> Fact:
    """Without ``dim``, every dimension of size 1 goes; which ones these are may be unknown."""
    if isinstance(dim, Expr):
        return like(x, _fewer_dims(x, dim))
    if x.dims is None or (dim is None and not all(isinstance(size, int) for size in x.dims)):
        return like(x, None)
    if dim is None:
        return like(x, tuple(size for size in x.dims if size != 1))
    axes = {normal(axis, len(x.dims)) for axis in ((dim,) if isinstance(dim, int) else dim)}
    for axis in axes:
        if same(x.dims[axis], 1) is False:
            raise FactError(f"axis {axis} of {x}, which is not 1 and cannot be squeezed")
    return like(x, tuple(size for axis, size in enumerate(x.dims) if axis not in axes))


def _fewer_dims(x: Fact, axes: Expr) -> tuple[Size, ...] | None:
    """Sizes without those of axes of which only their number may be known."""
    count = axes.fact.size
    if x.rank is None or not isinstance(count, int):
        return None
    return tuple(Dim.fresh() for _ in range(x.rank - count))


@symbol("runtime.unsqueezed")
def unsqueezed(x: Tensor, axes: Any) -> Fact:
    count = axes.fact.size
    known = x.rank is not None and isinstance(count, int)
    return like(x, tuple(Dim.fresh() for _ in range((x.rank or 0) + count)) if known else None)


def _expand(x: Any, size: tuple[Size, ...]) -> Any:
    own = (*(1,) * (len(size) - x.ndim), *x.shape)
    sizes = [mine if dim == -1 else dim for mine, dim in zip(own, size, strict=True)]
    if not all(isinstance(dim, int) for dim in sizes) or math.prod(sizes) > SYMBOLIC_LIMIT:
        raise Undecided
    return np.broadcast_to(x, sizes)  # type: ignore[arg-type]  # all are numbers here


@symbol("Tensor.expand", fold=_expand, symbolic=True)
def expand(x: Tensor, *size: Size) -> Fact:
    """torch's expand: -1 keeps a size, and no dimension shrinks."""
    sizes = sizes_of(size)
    if sizes is None:
        return like(x, None)
    if x.dims is None:
        return like(x, tuple(Dim.fresh() if dim == -1 else dim for dim in sizes))
    own = (*(1,) * (len(sizes) - len(x.dims)), *x.dims)
    expanded = tuple(mine if dim == -1 else dim for mine, dim in zip(own, sizes, strict=True))
    grows = [are_different(mine, dim) and mine != 1 for mine, dim in zip(own, expanded, strict=True)]
    if -1 in sizes[: len(sizes) - len(x.dims)] or any(grows) or any(is_below(dim, 0) for dim in expanded):
        raise FactError(f"{x} cannot be expanded to {shape_text(sizes)}")
    return like(x, expanded)


@symbol("torch.cat", fold=lambda tensors, dim: np.concatenate(tensors, dim), symbolic=True)
def cat(tensors: Tensors, *, dim: int = 0) -> Fact:
    first = tensors[0]
    if any(tensor.dims is None for tensor in tensors) or first.dims is None:
        return Fact(first.dtype, None)
    axis = normal(dim, len(first.dims))
    dims = list(first.dims)
    for tensor in tensors[1:]:
        assert tensor.dims is not None
        if len(tensor.dims) != len(dims):
            raise FactError(f"a concatenation of {first} and {tensor}")
        for index, size in enumerate(tensor.dims):
            if index == axis:
                dims[axis] = dims[axis] + size
            elif same(dims[index], size) is False:
                raise FactError(f"a concatenation of {first} and {tensor} on axis {dim}")
            elif isinstance(size, int):
                dims[index] = size
    return Fact(first.dtype, tuple(dims))


@symbol("torch.stack", fold=lambda tensors, dim: np.stack(tensors, dim), symbolic=True)
def stack(tensors: Tensors, *, dim: int = 0) -> Fact:
    first = tensors[0]
    if first.dims is None:
        return Fact(first.dtype, None)
    for tensor in tensors[1:]:
        demand_shape("a stack", "element", tensor, *first.dims)
    axis = normal(dim, len(first.dims) + 1)
    return Fact(first.dtype, (*first.dims[:axis], len(tensors), *first.dims[axis:]))


@symbol("Tensor.split")
def split(x: Tensor, split_size: int | tuple[int, ...], *, dim: int = 0) -> tuple[Fact, ...]:
    """Into pieces of one size (the last may be smaller), or of the sizes given."""
    if x.dims is None:
        if not isinstance(split_size, tuple):
            raise FactError("a split of a tensor of unknown rank")
        return tuple(Fact(x.dtype, None) for _ in split_size)
    axis = normal(dim, len(x.dims))
    if isinstance(split_size, tuple):
        sizes = split_size
    else:
        total = x.dims[axis]
        if not isinstance(total, int):
            raise FactError("a split of a dimension of unknown size")
        sizes = tuple(min(split_size, total - start) for start in range(0, total, split_size))
    return tuple(like(x, (*x.dims[:axis], size_of(size), *x.dims[axis + 1 :])) for size in sizes)


def check_parts(x: Fact, sizes: Sequence[Any], dim: int) -> None:
    """Refuse a split into parts that are not together what is split.

    Raises:
        FactError: They have more elements or fewer, or one has less than none.
    """
    known = tuple(map(size_of, sizes))
    total = None if x.dims is None else x.dims[normal(dim, len(x.dims))]
    if any(is_below(size, 0) for size in known) or are_different(total, sum(known)):
        raise FactError(f"a split of axis {dim} of {x} into {shape_text(known)}")


@symbol("torch.roll")
def roll(x: Tensor, shifts: tuple[int, ...], dims: tuple[int, ...]) -> Fact:
    return like(x, x.dims)


@symbol("Tensor.chunk")
def chunk(x: Tensor, chunks: int, *, dim: int = 0) -> tuple[Fact, ...]:
    """Into so many pieces of equal size, the last of which may be smaller."""
    if x.dims is None:
        return tuple(Fact(x.dtype, None) for _ in range(chunks))
    axis = normal(dim, len(x.dims))
    total = x.dims[axis]
    size = divide(total, chunks)
    if size is not None:
        sizes: list[Size] = [size] * chunks
    elif isinstance(total, int):
        length = -(-total // chunks)
        sizes = [min(length, total - start) for start in range(0, total, length)]
        if len(sizes) != chunks:
            raise FactError(f"{chunks} pieces of axis {dim} of {x}")
    else:
        sizes = [*[Dim.fresh()] * (chunks - 1), Dim.fresh()]
    return tuple(like(x, (*x.dims[:axis], size, *x.dims[axis + 1 :])) for size in sizes)


@symbol("Tensor.repeat", fold=_shaped(np.tile), symbolic=True)
def repeat(x: Tensor, *repeats: Size) -> Fact:
    counts = sizes_of(repeats)
    if counts is None or x.dims is None:
        return like(x, None if counts is None else tuple(Dim.fresh() for _ in counts))
    if len(counts) < len(x.dims):
        raise FactError(f"{len(counts)} repeats of {x}")
    if any(is_below(count, 0) for count in counts):
        raise FactError(f"a repetition {shape_text(counts)} times of {x}")
    own = (*(1,) * (len(counts) - len(x.dims)), *x.dims)
    return like(x, tuple(mine * count for mine, count in zip(own, counts, strict=True)))


@symbol("Tensor.repeat_interleave")
def repeat_interleave(x: Tensor, repeats: Size, dim: int | None = None) -> Fact:
    """Each element so often; without ``dim``, of the flattened tensor."""
    if x.dims is None:
        return like(x, None if dim is not None else (Dim.fresh(),))
    if dim is None:
        return like(x, (product(x.dims) * size_of(repeats),))
    axis = normal(dim, len(x.dims))
    return like(x, (*x.dims[:axis], x.dims[axis] * size_of(repeats), *x.dims[axis + 1 :]))


@symbol("Tensor.contiguous")
def contiguous(x: Tensor) -> Fact:
    return x


@symbol("F.pad")
def pad(x: Tensor, pad: tuple[Size, ...], *, mode: str = "constant", value: float | None = None) -> Fact:
    """torch's order: the last dimension's two sides first."""
    if x.dims is None:
        return Fact(x.dtype, None)
    dims = list(x.dims)
    for index in range(len(pad) // 2):
        dims[-1 - index] = dims[-1 - index] + size_of(pad[2 * index]) + size_of(pad[2 * index + 1])
    if any(is_below(size, 0) for size in dims):
        raise FactError(f"a padding of {x} that cuts off more than there is")
    return Fact(x.dtype, tuple(dims))


@symbol("Tensor.tril", fold=lambda x, diagonal: np.tril(x, diagonal))
def tril(x: Tensor, diagonal: int = 0) -> Fact:
    demand_rank("a triangle", x, 2)
    return Fact(x.dtype, x.dims)


@symbol("Tensor.triu", fold=lambda x, diagonal: np.triu(x, diagonal))
def triu(x: Tensor, diagonal: int = 0) -> Fact:
    demand_rank("a triangle", x, 2)
    return Fact(x.dtype, x.dims)


@symbol("F.pixel_shuffle")
def pixel_shuffle(x: Tensor, upscale_factor: int) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    demand_rank("a shuffle of pixels", x, 3)
    *batch, channels, height, width = x.dims
    fewer = divide(channels, upscale_factor**2)
    if upscale_factor < 1 or (fewer is None and isinstance(channels, int)):
        raise FactError(f"a shuffle of the {channels} channels of {x} into blocks of {upscale_factor}")
    fewer = Dim.fresh() if fewer is None else fewer
    return Fact(x.dtype, (*batch, fewer, height * upscale_factor, width * upscale_factor))


@symbol("F.pixel_unshuffle")
def pixel_unshuffle(x: Tensor, downscale_factor: int) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    demand_rank("a shuffle of pixels", x, 3)
    *batch, channels, height, width = x.dims
    fewer = [divide(size, downscale_factor) for size in (height, width)]
    if downscale_factor < 1 or any(
        whole is None and isinstance(size, int) for whole, size in zip(fewer, (height, width), strict=True)
    ):
        raise FactError(f"a shuffle of {x} out of blocks of {downscale_factor}")
    sizes = [Dim.fresh() if size is None else size for size in fewer]
    return Fact(x.dtype, (*batch, channels * downscale_factor**2, *sizes))
