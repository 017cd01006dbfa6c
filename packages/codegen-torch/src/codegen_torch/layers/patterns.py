"""Small predicates that rules are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator

from codegen_torch.expr import Expr
from codegen_torch.numbers import shortest_float32


def operands(expr: Expr | None, op: str) -> tuple[Expr, ...]:
    """The operands of an expression if it is a call of this symbol with all of them there; else nothing."""
    if expr is None or expr.op != op or None in expr.inputs:
        return ()
    return expr.inputs


def either(expr: Expr | None, op: str) -> Iterator[tuple[Expr, Expr]]:
    """The two operands of a commutative operation, in both orders; nothing for any other expression."""
    if expr is not None and expr.op == op:
        left, right = expr.inputs
        yield left, right
        yield right, left


def number(expr: Expr | None) -> float | None:
    """The number that an expression is, if it is one and known at conversion."""
    if expr is None or expr.op == "weight":
        return None
    value = expr.fact.value
    if value is None or value.size != 1 or value.dtype.kind not in "iuf":
        return None
    return float(value.reshape(()).item())


def is_number(expr: Expr | None, wanted: float) -> bool:
    """Whether an expression is this number, within the rounding of float32."""
    found = number(expr)
    return found is not None and math.isclose(found, wanted, rel_tol=1e-6, abs_tol=0.0)


def with_number(expr: Expr | None, op: str) -> tuple[Expr, float] | None:
    """The other operand and the number of a commutative operation with a known number."""
    for other, constant in either(expr, op):
        value = number(constant)
        if value is not None and other.dims == expr.dims:  # type: ignore[union-attr]
            return other, value
    return None


def as_written(value: float) -> float:
    """The shortest decimal that is the same float32, as people wrote it."""
    return shortest_float32(value)


def factors(expr: Expr, stop: Expr, most: int = 5) -> list[Expr]:
    """What is multiplied in a nest of products, down to ``stop`` and at most so many factors."""
    found: list[Expr] = [expr]
    position = 0
    while position < len(found):
        factor = found[position]
        if factor is not stop and factor.op == "operator.mul" and len(found) < most:
            found[position : position + 1] = factor.inputs
        else:
            position += 1
    return found


def is_power(expr: Expr | None, exponent: int) -> Expr | None:
    """What is raised to a small integer power, by ``**`` or as a product of itself."""
    if expr is None:
        return None
    if expr.op == "operator.pow" and is_number(expr.inputs[1], exponent):
        return expr.inputs[0]  # type: ignore[no-any-return]
    if expr.op != "operator.mul":
        return None
    for base in expr.inputs:
        if len(parts := factors(expr, base)) == exponent and all(part is base for part in parts):
            return base  # type: ignore[no-any-return]
    return None


def last_axes(expr: Expr) -> int | None:
    """Over how many of the last axes a reduction that keeps its dimensions runs; None for any other."""
    dim, rank = expr.attrs.get("dim"), expr.inputs[0].rank
    if rank is None or dim is None or not expr.attrs.get("keepdim", False):
        return None
    axes = sorted(axis % rank for axis in (dim if isinstance(dim, tuple) else (dim,)))
    return len(axes) if axes == list(range(rank - len(axes), rank)) else None
