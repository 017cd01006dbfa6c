"""Operations on the bits of integers."""

from __future__ import annotations

from codegen_torch.expr import Expr, call
from codegen_torch.lower.registry import NotApplicable, op


@op("BitwiseAnd", since=18)
def bitwise_and(x: Expr, y: Expr) -> Expr:
    return x & y


@op("BitwiseOr", since=18)
def bitwise_or(x: Expr, y: Expr) -> Expr:
    return x | y


@op("BitwiseXor", since=18)
def bitwise_xor(x: Expr, y: Expr) -> Expr:
    return x ^ y


@op("BitwiseNot", since=18)
def bitwise_not(x: Expr) -> Expr:
    return ~x


@op("BitShift", since=11)
def bit_shift(x: Expr, y: Expr, *, direction: str) -> Expr:
    """By a negative count, or as many bits as there are, leaves the sign, in torch too."""
    if direction not in ("LEFT", "RIGHT"):
        raise NotApplicable(f"direction {direction!r} is neither LEFT nor RIGHT")
    return call("operator.lshift" if direction == "LEFT" else "operator.rshift", x, y)
