"""Operations that change nothing disappear."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr

_NEUTRAL = {"operator.and_": True, "operator.or_": False}


def drop_identities(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """``True & mask`` becomes ``mask``: where the other operand is a bool tensor of the result's shape."""
    return postwalk(_other_operand, outputs)


def _other_operand(expr: Expr) -> Expr | None:
    neutral = _NEUTRAL.get(expr.op)
    if neutral is None:
        return None
    for number, other in (expr.inputs, expr.inputs[::-1]):
        is_neutral = number.op == "literal" and number.attrs["value"] is neutral
        if is_neutral and other.dtype is DType.BOOL and other.dims == expr.dims:
            return other  # type: ignore[no-any-return]
    return None
