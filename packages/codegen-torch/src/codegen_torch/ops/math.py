"""Arithmetic, elementwise functions, sums and products up to each element."""

from __future__ import annotations

import functools
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Int, Meaning, NotApplicable, op
from codegen_torch.ops.unsigned import WIDE, through_int64, through_order, to_int64
from codegen_torch.symbols.namespaces import F, index, runtime, torch
from codegen_torch.symbols.shape import normal


@op("Add", since=7)
@through_int64
def add(x: Expr, y: Expr) -> Expr:
    return x + y


@op("Sub", since=7)
@through_int64
def sub(x: Expr, y: Expr) -> Expr:
    return x - y


@op("Mul", since=7)
@through_int64
def mul(x: Expr, y: Expr) -> Expr:
    return x * y


@op("Div", since=7)
def div(x: Expr, y: Expr) -> Expr:
    """Integers are divided towards zero."""
    _check_divisor(y)
    if x.dtype is DType.UINT64:
        return runtime.divide_uint64(x, y)  # type: ignore[no-any-return]
    return _div(x, y)  # type: ignore[no-any-return]


def _check_divisor(y: Expr) -> None:
    """Refuse integers to be divided by what is known to be 0."""
    known = y.fact.value
    if y.dtype.is_int and known is not None and known.dtype != object and not known.all():
        raise FactError("a division of integers by 0")


@through_int64
def _div(x: Expr, y: Expr) -> Expr:
    return torch.div(x, y, rounding_mode="trunc") if x.dtype.is_int else x / y


@op("Pow", since=7)
def power(x: Expr, y: Expr) -> Expr:
    """The result has the base's type, whatever the exponent's is."""
    if x.dtype.is_float:
        exponent = to_int64(y) if y.dtype in WIDE else y
        return x ** (exponent.to(x.dtype) if y.dtype.is_float else exponent)
    if y.dtype.is_float:
        return (x.to(DType.FLOAT64) ** y.to(DType.FLOAT64)).to(x.dtype)  # type: ignore[no-any-return]
    if x.dtype is y.dtype and x.dtype not in WIDE:
        return x**y
    return (x.to(DType.INT64) ** y.to(DType.INT64)).to(x.dtype)  # type: ignore[no-any-return]


@op("Mod", since=10)
def mod(x: Expr, y: Expr, *, fmod: int = 0) -> Expr:
    """The remainder has the divisor's sign, with ``fmod`` the dividend's."""
    _check_divisor(y)
    if x.dtype is DType.UINT64:
        quotient = runtime.divide_uint64(x, y)
        return sub(x, mul(quotient, y))  # type: ignore[no-any-return]
    return _mod(x, y, fmod=fmod)  # type: ignore[no-any-return]


@through_int64
def _mod(x: Expr, y: Expr, *, fmod: int) -> Expr:
    return torch.fmod(x, y) if fmod else x % y


FLOAT16_MAX = 65504.0
FLOAT32_MAX = 3.4028234663852886e38


def aligned(x: Expr, y: Expr, axis: int | None, broadcast: int) -> Expr:
    """``y`` with dimensions of size 1 appended, so that its first one meets dimension ``axis`` of ``x``.

    Before opset 7, operands were broadcast only where ``broadcast`` said so, and from ``axis`` on.
    """
    if not broadcast or axis is None or y.rank == 0:
        return y
    if x.rank is None or y.rank is None:
        raise NotApplicable("the rank of an operand that is broadcast from an axis is not known")
    for _ in range(x.rank - axis % x.rank - y.rank):
        y = y.unsqueeze(-1)
    return y


def register_aligned(op_type: str, meaning: Meaning) -> None:
    """Define the form of a binary operator before opset 7."""

    @op(op_type, since=1, until=6)
    def of_aligned(x: Expr, y: Expr, *, axis: int | None = None, broadcast: int = 0) -> Expr:
        return meaning(x, aligned(x, y, axis, broadcast))  # type: ignore[no-any-return]


for _name, _meaning in {"Add": add, "Sub": sub, "Mul": mul, "Div": div, "Pow": power}.items():
    register_aligned(_name, _meaning)


@op("Neg", since=1)
def neg(x: Expr) -> Expr:
    return -x


def _register_unary(op_type: str, since: int, function: Any) -> None:
    @op(op_type, since=since)
    def unary(x: Expr) -> Expr:
        return function(x)  # type: ignore[no-any-return]


for _name, _since, _function in (
    ("Acos", 7, torch.acos),
    ("Acosh", 9, torch.acosh),
    ("Asin", 7, torch.asin),
    ("Asinh", 9, torch.asinh),
    ("Atan", 7, torch.atan),
    ("Atanh", 9, torch.atanh),
    ("Ceil", 1, torch.ceil),
    ("Cos", 7, torch.cos),
    ("Cosh", 9, torch.cosh),
    ("Exp", 1, torch.exp),
    ("Floor", 1, torch.floor),
    ("Log", 1, torch.log),
    ("Reciprocal", 1, torch.reciprocal),
    ("Round", 11, torch.round),
    ("Sin", 7, torch.sin),
    ("Sinh", 9, torch.sinh),
    ("Sqrt", 1, torch.sqrt),
    ("Tan", 7, torch.tan),
):
    _register_unary(_name, _since, _function)


@op("Abs", since=1)
def absolute(x: Expr) -> Expr:
    return x if x.dtype in WIDE else torch.abs(x)


@op("Sign", since=9)
def sign(x: Expr) -> Expr:
    if x.dtype in WIDE:
        return torch.ne(x.to(DType.INT64), 0).to(x.dtype)  # type: ignore[no-any-return]
    return torch.sign(x)  # type: ignore[no-any-return]


@op("Erf", since=9)
def erf(x: Expr) -> Expr:
    """Integers keep their type: the result is truncated."""
    if x.dtype.is_float:
        return torch.erf(x)  # type: ignore[no-any-return]
    return torch.erf(x.to(DType.FLOAT64)).to(x.dtype)  # type: ignore[no-any-return]


@op("Max", since=1)
@through_order
def maximum(*xs: Expr) -> Expr:
    return functools.reduce(torch.maximum, xs)


@op("Min", since=1)
@through_order
def minimum(*xs: Expr) -> Expr:
    return functools.reduce(torch.minimum, xs)


@op("Sum", since=1)
@through_int64
def sum_(*xs: Expr) -> Expr:
    return functools.reduce(lambda total, x: total + x, xs)


@op("Mean", since=1)
@through_int64
def mean(*xs: Expr) -> Expr:
    return sum_(*xs) / len(xs) if len(xs) > 1 else xs[0]


@op("Clip", since=1, until=5)
def clip_to_attributes(x: Expr, *, min: float | None = None, max: float | None = None) -> Expr:
    return x if min is None and max is None else torch.clamp(x, min=min, max=max)


@op("Clip", since=6, until=10)
def clip_to_float32(x: Expr, *, min: float = -FLOAT32_MAX, max: float = FLOAT32_MAX) -> Expr:
    """The bounds are float32 whatever the type is, and they are there even where none is given."""
    low, high = (None if x.dtype is DType.FLOAT16 and abs(bound) > FLOAT16_MAX else bound for bound in (min, max))
    return x if low is None and high is None else torch.clamp(x, min=low, max=high)


@op("Clip", since=11)
@through_order
def clip(x: Expr, min: Expr | None = None, max: Expr | None = None) -> Expr:
    """Where the bounds cross, the upper one holds."""
    bounds = [bound for bound in (min, max) if bound is not None]
    if all(bound.fact.is_constant and bound.fact.size == 1 for bound in bounds):
        low, high = (None if bound is None else bound.fact.value.item() for bound in (min, max))  # type: ignore[union-attr]
        return torch.clamp(x, min=low, max=high) if bounds else x
    if min is not None:
        x = torch.maximum(x, min)
    return x if max is None else torch.minimum(x, max)


@op("CumSum", since=11)
@through_int64
def cumsum(x: Expr, axis: Int, *, exclusive: int = 0, reverse: int = 0) -> Expr:
    """Sums up to each element, with ``exclusive`` without it, with ``reverse`` from the end."""
    return _accumulated(torch.cumsum, x, axis, 0, exclusive=exclusive, reverse=reverse)


@op("CumProd", since=26)
@through_int64
def cumprod(x: Expr, axis: Int, *, exclusive: int = 0, reverse: int = 0) -> Expr:
    return _accumulated(torch.cumprod, x, axis, 1, exclusive=exclusive, reverse=reverse)


def _accumulated(function: Any, x: Expr, axis: Int, neutral: int, *, exclusive: int, reverse: int) -> Expr:
    if reverse:
        x = x.flip(axis)
    if exclusive:
        x = _moved_by_one(x, axis, neutral)
    x = function(x, dim=axis, dtype=None if x.dtype.is_float else x.dtype)
    return x.flip(axis) if reverse else x


def _moved_by_one(x: Expr, axis: Int, first: int) -> Expr:
    """``first``, then all elements but the last."""
    if not isinstance(axis, int):
        return runtime.moved_by_one(x, axis, first)  # type: ignore[no-any-return]
    if x.rank is None:
        raise UnknownRank(x)
    axis = normal(axis, x.rank)
    padded = F.pad(x, (*(0, 0) * (x.rank - 1 - axis), 1, 0), value=first or None)
    return index.slice(padded, axis, 0, -1)  # type: ignore[no-any-return]
