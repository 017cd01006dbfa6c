"""Tensors that are one number everywhere are made by torch.full, torch.zeros or torch.ones, however they came about."""

from __future__ import annotations

import math

from dataflow_ir import postwalk

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, call, originating
from codegen_torch.facts import Size

_CREATIONS = frozenset({"torch.full", "torch.ones", "torch.zeros"})
_SPREADING = frozenset({"Tensor.expand", "Tensor.repeat"})
_PICKING = frozenset(
    (
        *("index.select", "index.slice", "index.take", "index.tuple"),
        *("Tensor.flatten", "Tensor.reshape", "Tensor.squeeze", "Tensor.unflatten", "Tensor.unsqueeze"),
    )
)
_Number = bool | int | float


def write_fills(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """``torch.tensor(0.0).expand(n, 7)`` becomes ``torch.zeros(n, 7)``, and so does what is only picked out of it."""
    return postwalk(_written, outputs)


def _written(expr: Expr) -> Expr | None:
    if isinstance(expr.fact, tuple) or not expr.inputs or expr.inputs[0] is None:
        return None
    number = _number(expr)
    dims = expr.dims
    if number is None or dims is None or all(isinstance(size, int) for size in dims):
        return None
    if not all(isinstance(size, int) or size.is_bound() for size in dims):
        return None
    with originating(expr.origin):
        return _made(dims, number, expr.dtype)


def _made(dims: tuple[Size, ...], number: _Number, dtype: DType) -> Expr:
    if number in (0, 1) and math.copysign(1, number) > 0:
        return call("torch.ones" if number else "torch.zeros", *dims, dtype=dtype)
    return call("torch.full", dims, number, dtype=dtype)


def _number(expr: Expr) -> _Number | None:
    """What every element of an expression is, if it only spreads or picks one number, casts it, or asks for it."""
    x: Expr = expr.inputs[0]
    if expr.op in _SPREADING:
        return _fill(x) if x.op in _CREATIONS or (x.op == "constant" and x.fact.size == 1) else None
    if expr.op in _PICKING or (expr.op == "F.interpolate" and expr.attrs.get("mode", "nearest") == "nearest"):
        return _fill(x) if x.op in _CREATIONS else None
    if expr.op == "Tensor.to" and expr.dtype is DType.BOOL and x.op in _CREATIONS:
        fill = _fill(x)
        return None if fill is None else bool(fill)
    if expr.op == "operator.and_" and expr.dtype is DType.BOOL:
        fills = [_fill(operand) for operand in expr.inputs if operand is not None]
        return True if all(fills) else None
    if expr.op == "torch.where" and x.op in _CREATIONS and x.dtype is DType.BOOL:
        chosen = expr.inputs[1 if _fill(x) else 2]
        return None if chosen is None else _fill(chosen)
    return None


def _fill(expr: Expr) -> _Number | None:
    if expr.op == "weight":
        return None
    if expr.op == "literal":
        value = expr.attrs["value"]
        return value if isinstance(value, bool | int | float) else None
    return expr.fact.fill
