"""Shapes, types, joining, splitting and padding."""

from __future__ import annotations

import itertools
from typing import Any

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank, array
from codegen_torch.facts import Fact, elements
from codegen_torch.lower.registry import Const, Context, Ints, NotApplicable, Strings, Value, op
from codegen_torch.symbols.namespaces import F, host, index, runtime, torch
from codegen_torch.symbols.shape import normal


@op("Identity", since=1)
def identity(x: Value) -> Expr:
    return x


@op("Shape", since=1)
def shape(x: Expr | Strings, *, start: int = 0, end: int | None = None) -> Expr:
    sizes = host.shape(x)
    if x.rank is not None:
        if x.fact.is_static:
            sizes = array(x.shape, DType.INT64)
        else:
            sizes.fact = Fact(DType.INT64, (x.rank,), elements(list(x.shape), (x.rank,)))
    return sizes if start == 0 and end is None else index.slice(sizes, 0, start, end)  # type: ignore[no-any-return]


@op("Size", since=1)
def size(x: Expr | Strings) -> Expr:
    count = product(x.shape)  # type: ignore[arg-type]
    if isinstance(count, int):
        return array(count, DType.INT64)
    return host.tensor(count, dtype=DType.INT64)  # type: ignore[no-any-return]


@op("Concat", since=4)
def concat(*xs: Expr, axis: int) -> Expr:
    return xs[0] if len(xs) == 1 else torch.cat(xs, dim=axis)


@op("Concat", since=1, until=3)
def concat_on_axis_1(*xs: Expr, axis: int = 1) -> Expr:
    return concat(*xs, axis=axis)  # type: ignore[no-any-return]


def split_in(x: Expr, count: int, axis: int) -> tuple[Expr, ...]:
    """Equal parts, the last of which may be smaller."""
    if count == 1:
        return (x,)
    if x.fact.value is not None:
        total = x.fact.value.shape[axis]
        length = -(-total // count)
        last = total - length * (count - 1)
        if last >= 0:
            return split_at(x, (*[length] * (count - 1), last), axis)
    return x.chunk(count, dim=axis)  # type: ignore[no-any-return]


def split_at(x: Expr, sizes: Ints, axis: int) -> tuple[Expr, ...]:
    """Parts of the given sizes."""
    if len(sizes) == 1:
        return (x,)
    lengths = [size for size in sizes if isinstance(size, int)]
    if x.fact.value is not None and len(lengths) == len(sizes):
        starts = itertools.accumulate(lengths, initial=0)
        return tuple(index.slice(x, axis, start, stop) for start, stop in itertools.pairwise(starts))
    total = None if x.dims is None else x.dims[normal(axis, len(x.dims))]
    first = sizes[0]
    if isinstance(first, int) and first > 0 and all(size == first for size in sizes) and total == first * len(sizes):
        return x.split(first, dim=axis)  # type: ignore[no-any-return]
    return x.split(tuple(sizes), dim=axis)  # type: ignore[no-any-return]


@op("Split", since=1, until=12)
def split_by_attribute(
    x: Expr, sizes: Ints | None = None, *, axis: int = 0, split: tuple[int, ...] = (), context: Context
) -> Any:
    """At opset 1 the sizes could be an input, too."""
    sizes = sizes or split
    return split_at(x, sizes, axis) if sizes else split_in(x, len(context.outputs), axis)


@op("Split", since=13)
def split(
    x: Expr, sizes: Ints | None = None, *, axis: int = 0, num_outputs: int | None = None, context: Context
) -> Any:
    if sizes is not None:
        return split_at(x, sizes, axis)
    return split_in(x, num_outputs or len(context.outputs), axis)


@op("Pad", since=1, until=1)
def pad_by_paddings(x: Expr, *, paddings: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Expr:
    return padded(x, paddings, mode, value)


@op("Pad", since=2, until=10)
def pad_by_attributes(x: Expr, *, pads: tuple[int, ...], mode: str = "constant", value: float = 0.0) -> Expr:
    return padded(x, pads, mode, value)


@op("Pad", since=11)
def pad(
    x: Expr, pads: Ints, value: Expr | None = None, axes: Const[Ints] | None = None, *, mode: str = "constant"
) -> Expr:
    if axes is not None:
        if x.rank is None:
            raise UnknownRank(x)
        if len(pads) != 2 * len(axes):
            raise NotApplicable(f"{len(pads)} pads for {len(axes)} axes")
        spread: list[Any] = [0] * (2 * x.rank)
        for position, axis in enumerate(axes):
            spread[normal(axis, x.rank)] = pads[position]  # type: ignore[arg-type]
            spread[normal(axis, x.rank) + x.rank] = pads[position + len(axes)]  # type: ignore[arg-type]
        pads = spread
    return padded(x, pads, mode, 0 if value is None else _number(value))


def _number(value: Expr) -> Any:
    known = value.fact.value
    return host.item(value) if known is None else known.item()


def padded(x: Expr, pads: Ints, mode: str, value: Any) -> Expr:
    """Add elements around a tensor.

    Args:
        x: The tensor.
        pads: How many elements come before each dimension, then how many come after each; negative ones go.
        mode: ``constant``, ``reflect``, ``edge`` or ``wrap``.
        value: The new elements of mode ``constant``.
    """
    pads = tuple(pads)
    if all(isinstance(length, int) and length == 0 for length in pads):
        return x
    if x.rank is not None and len(pads) != 2 * x.rank:
        raise NotApplicable(f"{len(pads)} pads for {x.rank} dimensions")
    rank = len(pads) // 2
    pairs = [side for axis in reversed(range(rank)) for side in (pads[axis], pads[axis + rank])]
    while pairs[-2:] == [0, 0]:
        del pairs[-2:]
    if mode == "constant":
        if isinstance(value, float) and x.dtype.is_int:
            value = int(value)
        return F.pad(x, tuple(pairs), value=value or None)  # type: ignore[no-any-return]
    if mode not in ("reflect", "edge", "wrap"):
        raise NotApplicable(f"mode {mode!r} is not supported")
    spatial = max(len(pairs) // 2, rank - 2)  # torch pads so many dimensions of a tensor of this rank
    backwards = any(not isinstance(length, int) or length < 0 for length in pads)
    if mode == "wrap" or not x.dtype.is_float or backwards or rank - spatial not in (1, 2) or spatial > 3:
        return runtime.pad(x, pads, mode=mode)  # type: ignore[no-any-return]
    pairs.extend([0] * (2 * spatial - len(pairs)))
    return F.pad(x, tuple(pairs), mode="reflect" if mode == "reflect" else "replicate")  # type: ignore[no-any-return]
