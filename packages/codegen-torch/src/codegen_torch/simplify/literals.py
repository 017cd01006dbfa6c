"""Constants of one element become Python numbers where an operand may be one."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, literal
from codegen_torch.numbers import shortest_float32
from codegen_torch.symbols import SYMBOLS, Kind


def inline_literals(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """``x * constant`` becomes ``x * 0.125``.

    It is exact where another operand is a tensor of the same dtype and at least the constant's rank: torch then
    computes in that dtype, and rounds the number to it.
    """
    return postwalk(_inlined, outputs)


def _inlined(expr: Expr) -> Expr | None:
    symbol = SYMBOLS.get(expr.op)
    if symbol is None:
        return None
    kinds = [p.kind for p in symbol.parameters if p.is_input]
    operands = [position for position, kind in enumerate(kinds) if kind is Kind.OPERAND]
    inputs = list(expr.inputs)
    for position in operands:
        others = [inputs[other] for other in operands if other != position]
        value = inputs[position]
        if value is not None and _may_be_number(expr, value, [other for other in others if other is not None]):
            number = _number(value)
            inputs[position] = number if isinstance(number, Expr) else literal(number)
    return None if inputs == list(expr.inputs) else expr.rebuild(tuple(inputs))


def _may_be_number(expr: Expr, value: Expr, others: list[Expr]) -> bool:
    if value.fact.host or value.fact.size != 1 or value.op not in ("constant", "host.tensor"):
        return False
    if value.fact.value is None or not value.dtype.in_numpy:
        return False
    if expr.rank is None or ((value.rank or 0) > 0 and expr.rank != _rank_without(expr, value)):
        return False
    if expr.op == "torch.where":
        # The condition is a tensor; two numbers make a float32 tensor, which is then cast.
        exact = value.dtype in (DType.FLOAT16, DType.FLOAT32)
        return exact or any(not other.fact.host and other.dtype is value.dtype for other in others)
    return any(not other.fact.host and other.dtype is value.dtype for other in others)


def _rank_without(expr: Expr, value: Expr) -> int:
    """The result's rank without a constant that has dimensions of size 1."""
    return max(operand.rank or 0 for operand in expr.inputs if operand is not None and operand is not value)


def _number(value: Expr) -> bool | int | float | Expr:
    known = value.fact.value
    assert known is not None
    number: bool | int | float | Expr = known.reshape(()).item()
    return shortest_float32(number) if value.dtype is DType.FLOAT32 and isinstance(number, float) else number
