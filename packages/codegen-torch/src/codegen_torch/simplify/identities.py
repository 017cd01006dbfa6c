"""Operations that change nothing disappear."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr

_NEUTRAL = {"operator.and_": True, "operator.or_": False}
_LEFT = {"operator.add": 0, "operator.mul": 1, "operator.sub": 0, "operator.truediv": 1}


def drop_identities(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """``True & mask`` becomes ``mask``, ``x * 1`` becomes ``x``: where that has the result's type and shape.

    So does a cast to a wider float and back.
    """
    return postwalk(_other_operand, outputs)


def _other_operand(expr: Expr) -> Expr | None:
    if expr.op in _LEFT:
        return _left_operand(expr)
    if expr.op == "Tensor.to":
        return _before_widening(expr)
    neutral = _NEUTRAL.get(expr.op)
    if neutral is None:
        return None
    for number, other in (expr.inputs, expr.inputs[::-1]):
        is_neutral = number.op == "literal" and number.attrs["value"] is neutral
        if is_neutral and other.dtype is DType.BOOL and other.dims == expr.dims:
            return other  # type: ignore[no-any-return]
    return None


def _left_operand(expr: Expr) -> Expr | None:
    """A number is added, or multiplied with, from the right; 0.0 is not neutral, for -0.0 + 0.0 is 0.0."""
    x, number = expr.inputs
    if number.op != "literal" or x.dtype is not expr.dtype or x.dims is None or x.dims != expr.dims:
        return None
    if _LEFT[expr.op] == 0 and not (expr.dtype.is_int and expr.dtype is not DType.BOOL):
        return None
    value = number.attrs["value"]
    return x if not isinstance(value, Dim) and value == _LEFT[expr.op] else None


_WIDER = {DType.FLOAT16: {DType.FLOAT32, DType.FLOAT64}, DType.BFLOAT16: {DType.FLOAT32, DType.FLOAT64}}
"""Types that hold every number of another one."""


def _before_widening(cast: Expr) -> Expr | None:
    """What was cast to a wider float and is now cast back."""
    wide = cast.inputs[0]
    if wide is None or wide.op != "Tensor.to" or len(wide.inputs) != 1:
        return None
    x: Expr = wide.inputs[0]
    return x if x.dtype is cast.dtype and wide.dtype in _WIDER.get(x.dtype, ()) else None
