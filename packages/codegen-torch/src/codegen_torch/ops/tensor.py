"""Shapes, types, joining and splitting."""

from __future__ import annotations

import itertools
from typing import Any

from codegen_torch.dims import product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array
from codegen_torch.facts import Fact, elements
from codegen_torch.lower.registry import Context, Ints, NotApplicable, Strings, Value, host_elements, op
from codegen_torch.symbols.namespaces import host, index, torch
from codegen_torch.symbols.shape import check_parts, normal


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
    count = x.numel() if x.rank is None else product(x.shape)  # type: ignore[arg-type]
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
        total = x.fact.value.shape[normal(axis, x.fact.value.ndim)]
        length = -(-total // count)
        last = total - length * (count - 1)
        if last >= 0:
            return split_at(x, (*[length] * (count - 1), last), axis)
    return x.chunk(count, dim=axis)  # type: ignore[no-any-return]


def split_at(x: Expr, sizes: Ints, axis: int) -> tuple[Expr, ...]:
    """Parts of the given sizes."""
    check_parts(x.fact, sizes, axis)
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


MOST_PARTS = 1 << 16
"""How many parts a tensor may be split into."""


@op("Split", since=1, until=1)
def split_by_input_or_attribute(
    x: Expr, sizes: Expr | None = None, *, axis: int = 0, split: tuple[int, ...] = (), context: Context
) -> Any:
    """At opset 1 the sizes could come as an input, of the type of ``x``."""
    if sizes is None:
        return split_by_attribute(x, axis=axis, split=split, context=context)
    return _split_at_run_time(x, sizes.to(DType.INT64), axis, len(context.outputs))


@op("Split", since=2, until=12)
def split_by_attribute(x: Expr, *, axis: int = 0, split: tuple[int, ...] = (), context: Context) -> Any:
    return split_at(x, split, axis) if split else split_in(x, len(context.outputs), axis)


@op("Split", since=13)
def split(
    x: Expr, sizes: Ints | None = None, *, axis: int = 0, num_outputs: int | None = None, context: Context
) -> Any:
    if sizes is not None:
        return split_at(x, sizes, axis)
    if num_outputs is not None and not 0 < num_outputs <= MOST_PARTS:
        raise NotApplicable(f"{num_outputs} parts are not supported")
    return split_in(x, num_outputs or len(context.outputs), axis)


@op("Split", since=13)
def split_at_run_time(x: Expr, sizes: Expr, *, axis: int = 0, num_outputs: int | None = None, context: Context) -> Any:
    """There are as many sizes as outputs."""
    return _split_at_run_time(x, sizes, axis, len(context.outputs))


def _split_at_run_time(x: Expr, sizes: Expr, axis: int, count: int) -> tuple[Expr, ...]:
    known = host_elements(sizes)
    if known is None:
        known = tuple(host.item(index.select(sizes, 0, position)) for position in range(count))
    return split_at(x, known, axis)
