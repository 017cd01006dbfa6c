"""Arithmetic, elementwise functions and matrix products."""

from __future__ import annotations

import functools
from typing import Any

from codegen_torch.dims import same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Const, Meaning, NotApplicable, op
from codegen_torch.symbols.namespaces import F, index, torch


def through_int64(meaning: Meaning) -> Meaning:
    """Unsigned integers of 16 and 32 bits, which torch stores but does not compute with, become int64 meanwhile."""

    @functools.wraps(meaning)
    def widened(*xs: Expr, **attributes: Any) -> Expr:
        dtype = xs[0].dtype
        if dtype is DType.UINT64:
            raise NotApplicable("torch does not compute with uint64")
        if dtype not in (DType.UINT16, DType.UINT32):
            return meaning(*xs, **attributes)  # type: ignore[no-any-return]
        result = meaning(*(x.to(DType.INT64) for x in xs), **attributes)
        return result if result.dtype is DType.BOOL else result.to(dtype)  # type: ignore[no-any-return]

    return widened


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
@through_int64
def div(x: Expr, y: Expr) -> Expr:
    """Integers are divided towards zero."""
    return torch.div(x, y, rounding_mode="trunc") if x.dtype.is_int else x / y


@op("Pow", since=7)
@through_int64
def power(x: Expr, y: Expr) -> Expr:
    """The result has the base's type, whatever the exponent's is."""
    if x.dtype is y.dtype:
        return x**y
    if x.dtype.is_float:
        return x ** (y.to(x.dtype) if y.dtype.is_float else y)
    if y.dtype.is_float:
        return (x.to(DType.FLOAT64) ** y.to(DType.FLOAT64)).to(x.dtype)  # type: ignore[no-any-return]
    return (x.to(DType.INT64) ** y.to(DType.INT64)).to(x.dtype)  # type: ignore[no-any-return]


@op("Mod", since=10)
@through_int64
def mod(x: Expr, y: Expr, *, fmod: int = 0) -> Expr:
    """The remainder has the divisor's sign, with ``fmod`` the dividend's."""
    return torch.fmod(x, y) if fmod else x % y


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
    ("Abs", 1, torch.abs),
    ("Acos", 7, torch.acos),
    ("Acosh", 9, torch.acosh),
    ("Asin", 7, torch.asin),
    ("Asinh", 9, torch.asinh),
    ("Atan", 7, torch.atan),
    ("Atanh", 9, torch.atanh),
    ("Ceil", 1, torch.ceil),
    ("Cos", 7, torch.cos),
    ("Cosh", 9, torch.cosh),
    ("Erf", 9, torch.erf),
    ("Exp", 1, torch.exp),
    ("Floor", 1, torch.floor),
    ("Log", 1, torch.log),
    ("Reciprocal", 1, torch.reciprocal),
    ("Round", 11, torch.round),
    ("Sign", 9, torch.sign),
    ("Sin", 7, torch.sin),
    ("Sinh", 9, torch.sinh),
    ("Sqrt", 1, torch.sqrt),
    ("Tan", 7, torch.tan),
):
    _register_unary(_name, _since, _function)


@op("Max", since=1)
@through_int64
def maximum(*xs: Expr) -> Expr:
    return functools.reduce(torch.maximum, xs)


@op("Min", since=1)
@through_int64
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


@op("Clip", since=1, until=10)
def clip_to_attributes(x: Expr, *, min: float | None = None, max: float | None = None) -> Expr:
    return x if min is None and max is None else torch.clamp(x, min=min, max=max)


@op("Clip", since=11)
def clip(x: Expr, min: Expr | None = None, max: Expr | None = None) -> Expr:
    """Where the bounds cross, the upper one holds."""
    bounds = [bound for bound in (min, max) if bound is not None]
    if all(bound.fact.is_constant and bound.fact.size == 1 for bound in bounds):
        low, high = (None if bound is None else bound.fact.value.item() for bound in (min, max))  # type: ignore[union-attr]
        return torch.clamp(x, min=low, max=high) if bounds else x
    if min is not None:
        x = torch.maximum(x, min)
    return x if max is None else torch.minimum(x, max)


@op("MatMul", since=1)
def matmul(x: Expr, y: Expr) -> Expr:
    return x @ y


@op("Gemm", since=11)
def gemm(
    x: Expr,
    y: Expr,
    c: Expr | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Expr:
    """``alpha x y + beta c``; with a trained ``y`` and no factors, a linear layer."""
    if not x.dtype.is_float and (alpha, beta) != (1.0, 1.0):
        raise NotApplicable("factors of a product of integers are not supported")
    if transA:
        x = x.transpose(0, 1)
    if beta == 0.0:
        c = None
    if alpha == beta == 1.0 and (transB or y.op == "weight") and x.dtype.is_float:
        weight = y if transB else y.transpose(0, 1)
        bias = _bias(c, weight)
        if bias is not None or c is None:
            return F.linear(x, weight, bias)  # type: ignore[no-any-return]
        return F.linear(x, weight) + c  # type: ignore[no-any-return]
    result = x @ (y.transpose(0, 1) if transB else y)
    if alpha != 1.0:
        result = alpha * result
    if c is None:
        return result
    return result + (c if beta == 1.0 else beta * c)


def _bias(c: Expr | None, weight: Expr) -> Expr | None:
    """The addend of a Gemm as the bias of a linear layer, if it has the shape of one."""
    if c is None or not c.dims or weight.dims is None or not same(c.dims[-1], weight.dims[0]):
        return None
    if len(c.dims) == 1:
        return c
    return c.squeeze(0) if len(c.dims) == 2 and c.dims[0] == 1 and c.op == "weight" else None


@op("Gemm", since=1, until=10)
def gemm_with_addend(
    x: Expr,
    y: Expr,
    c: Expr,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    broadcast: int = 0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Expr:
    """Before opset 7 the addend was broadcast only where ``broadcast`` said so: the file keeps to that."""
    return gemm(x, y, c, alpha=alpha, beta=beta, transA=transA, transB=transB)  # type: ignore[no-any-return]


@op("CumSum", since=11)
def cumsum(x: Expr, axis: Const[int], *, exclusive: int = 0, reverse: int = 0) -> Expr:
    """Sums up to each element, with ``exclusive`` without it, with ``reverse`` from the end."""
    if reverse:
        x = x.flip(axis)
    if exclusive:
        if x.rank is None:
            raise NotApplicable("the rank is not known")
        rank, axis = x.rank, axis % x.rank
        x = F.pad(index.slice(x, axis, 0, -1), (*(0, 0) * (rank - 1 - axis), 1, 0))
    x = torch.cumsum(x, dim=axis, dtype=None if x.dtype.is_float else x.dtype)
    return x.flip(axis) if reverse else x
