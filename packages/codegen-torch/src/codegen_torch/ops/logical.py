"""Comparisons, logic and selection."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import op
from codegen_torch.ops.math import register_aligned
from codegen_torch.ops.unsigned import through_int64, through_order
from codegen_torch.symbols.namespaces import torch


@op("Equal", since=7)
@through_int64
def equal(x: Expr, y: Expr) -> Expr:
    return torch.eq(x, y)  # type: ignore[no-any-return]


@op("Greater", since=7)
@through_order
def greater(x: Expr, y: Expr) -> Expr:
    return torch.gt(x, y)  # type: ignore[no-any-return]


@op("GreaterOrEqual", since=12)
@through_order
def greater_or_equal(x: Expr, y: Expr) -> Expr:
    return torch.ge(x, y)  # type: ignore[no-any-return]


@op("Less", since=7)
@through_order
def less(x: Expr, y: Expr) -> Expr:
    return torch.lt(x, y)  # type: ignore[no-any-return]


@op("LessOrEqual", since=12)
@through_order
def less_or_equal(x: Expr, y: Expr) -> Expr:
    return torch.le(x, y)  # type: ignore[no-any-return]


@op("And", since=7)
def and_(x: Expr, y: Expr) -> Expr:
    return x & y


@op("Or", since=7)
def or_(x: Expr, y: Expr) -> Expr:
    return x | y


@op("Xor", since=7)
def xor(x: Expr, y: Expr) -> Expr:
    return x ^ y


for _name, _meaning in {"Equal": equal, "Greater": greater, "Less": less, "And": and_, "Or": or_, "Xor": xor}.items():
    register_aligned(_name, _meaning)


@op("Not", since=1)
def not_(x: Expr) -> Expr:
    return ~x


@op("Where", since=9)
def where(condition: Expr, x: Expr, y: Expr) -> Expr:
    return torch.where(condition, x, y)  # type: ignore[no-any-return]


@op("IsNaN", since=9)
def isnan(x: Expr) -> Expr:
    return torch.isnan(x)  # type: ignore[no-any-return]


@op("IsInf", since=10)
def isinf(x: Expr, *, detect_negative: int = 1, detect_positive: int = 1) -> Expr:
    if detect_negative and detect_positive:
        return torch.isinf(x)  # type: ignore[no-any-return]
    if detect_negative or detect_positive:
        return torch.isneginf(x) if detect_negative else torch.isposinf(x)  # type: ignore[no-any-return]
    return torch.isinf(x) & False  # type: ignore[no-any-return]
