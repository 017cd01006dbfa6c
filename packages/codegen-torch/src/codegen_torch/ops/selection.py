"""Picking elements by what they are: the greatest, the different, those that are not zero."""

from __future__ import annotations

from typing import Any

from codegen_torch.expr import Expr
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Context, Int, op
from codegen_torch.ops.unsigned import through_order
from codegen_torch.symbols.demands import demand_rank, is_below
from codegen_torch.symbols.namespaces import index, runtime, torch
from codegen_torch.symbols.shape import normal


@op("TopK", since=1, until=9)
def topk_by_attribute(x: Expr, *, k: int, axis: int = -1, context: Context) -> Any:
    return _topk(x, k, axis, 1, context)


@op("TopK", since=10, until=10)
def topk_of_greatest(x: Expr, k: Int, *, axis: int = -1, context: Context) -> Any:
    return _topk(x, k, axis, 1, context)


@op("TopK", since=11)
def topk(x: Expr, k: Int, *, axis: int = -1, largest: int = 1, sorted: int = 1, context: Context) -> Any:
    """Without ``sorted`` any order will do, this one, too."""
    return _topk(x, k, axis, largest, context)


@through_order
def _topk(x: Expr, k: Int, axis: int, largest: int, context: Context) -> Any:
    """Of equal elements the first ones count, which torch's own topk does not promise."""
    are_positions_used = len(context.outputs) > 1 and context.outputs[1]
    if are_positions_used:
        return runtime.topk(x, k, axis, largest=bool(largest))
    values, _ = x.topk(k, axis, largest=bool(largest))
    return values, None


@op("NonZero", since=9)
def nonzero(x: Expr) -> Expr:
    """A row for each dimension, where torch has a column."""
    return x.nonzero().transpose(0, 1)  # type: ignore[no-any-return]


@op("Unique", since=11)
def unique(x: Expr, *, axis: int | None = None, sorted: int = 1, context: Context) -> Any:
    """torch does not tell where each value comes first, and has no order but the sorted one."""
    if sorted and not any(context.outputs[1:]):
        return torch.unique(x, dim=axis)
    return runtime.unique(x, axis, sorted=bool(sorted))


@op("Compress", since=9)
def compress(x: Expr, condition: Expr, *, axis: int | None = None) -> Expr:
    """The condition may be shorter than the dimension: what lies behind its end goes."""
    demand_rank("a choice by a condition", condition.fact, 1, 1)
    size = x.fact.size if axis is None else None if x.dims is None else x.dims[normal(axis, len(x.dims))]
    if size is not None and condition.dims is not None and is_below(size - condition.dims[0], 0):
        raise FactError(f"a choice by {condition.fact}, which is longer than {x.fact}")
    places = condition.nonzero().squeeze(1)
    return index.take(x.flatten() if axis is None else x, places, 0 if axis is None else axis)  # type: ignore[no-any-return]
