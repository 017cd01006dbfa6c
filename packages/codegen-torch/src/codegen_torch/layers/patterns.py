"""What patterns are made of: the operations that rules look for, and numbers within the rounding of float32."""

from __future__ import annotations

import math
from typing import Any

from dataflow_ir import P, V, alt
from dataflow_ir.pattern import Alternatives, Apply, Capture

from codegen_torch.expr import Expr
from codegen_torch.numbers import shortest_float32


def number(expr: Expr | None) -> float | None:
    """The number that an expression is, if it is one and known at conversion."""
    if expr is None or expr.op == "weight":
        return None
    value = expr.fact.value
    if value is None or value.size != 1 or value.dtype.kind not in "iuf":
        return None
    return float(value.reshape(()).item())


def is_number(expr: Expr | None, wanted: float, rel_tol: float = 1e-6) -> bool:
    """Whether an expression is this number, within the rounding of float32."""
    found = number(expr)
    return found is not None and math.isclose(found, wanted, rel_tol=rel_tol, abs_tol=0.0)


def near(wanted: float, rel_tol: float = 1e-6) -> Capture:
    """The pattern of this number."""
    return V._.where(lambda expr: is_number(expr, wanted, rel_tol))


def some_number(name: str) -> Capture:
    """The pattern of any number that is known at conversion."""
    return V(name).where(lambda expr: number(expr) is not None)


def times(x: Any, factor: Any) -> Apply:
    """The pattern of a product with a number that broadcasts nothing."""
    return P.operator.mul(x, factor).where(_keeps_shape)


def plus(x: Any, term: Any) -> Apply:
    """The pattern of a sum with a number that broadcasts nothing."""
    return P.operator.add(x, term).where(_keeps_shape)


def square(x: Any) -> Alternatives:
    """The pattern of x²."""
    return alt(P.operator.pow(x, near(2)), P.operator.mul(x, x))


def cube(x: Any) -> Alternatives:
    """The pattern of x³."""
    return alt(P.operator.pow(x, near(3)), P.operator.mul(P.operator.mul(x, x), x))


def root(x: Any) -> Alternatives:
    """The pattern of the square root."""
    return alt(P.torch.sqrt(x), P.operator.pow(x, near(0.5)))


def inverse_root(x: Any) -> Alternatives:
    """The pattern of one over the square root."""
    return alt(
        P.torch.rsqrt(x),
        P.operator.pow(x, near(-0.5)),
        P.torch.reciprocal(root(x)),
        P.operator.truediv(near(1), root(x)),
    )


def _keeps_shape(expr: Expr) -> bool:
    return any(operand.dims == expr.dims for operand in expr.inputs if number(operand) is None)


def as_written(value: float) -> float:
    """The shortest decimal that is the same float32, as people wrote it."""
    return shortest_float32(value)


def last_axes(expr: Expr) -> int | None:
    """Over how many of the last axes a reduction that keeps its dimensions runs; None for any other."""
    dim, rank = expr.attrs.get("dim"), expr.inputs[0].rank
    if rank is None or dim is None or not expr.attrs.get("keepdim", False):
        return None
    axes = sorted(axis % rank for axis in (dim if isinstance(dim, tuple) else (dim,)))
    return len(axes) if axes == list(range(rank - len(axes), rank)) else None
