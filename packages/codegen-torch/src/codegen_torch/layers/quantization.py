"""What is quantized and at once taken back, as training and calibration write it, is one rounding."""

from __future__ import annotations

from dataflow_ir import P, V, once

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.layers.patterns import as_written, number
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import runtime

RULES = Family()

_CLAMPED = once(P.torch.clamp(V.rounded, min=V.low, max=V.high))
_WIDE = once(P.Tensor.to(once(P.Tensor.to(_CLAMPED, dtype=V.held)), dtype=V.dtype))


@RULES(P.operator.mul(once(P.operator.sub(_WIDE, V.zero)), V.scale))
def fake_quantized(
    rounded: Expr, low: float, high: float, held: DType, dtype: DType, zero: Expr, scale: Expr
) -> Expr | None:
    """Quantizing and dequantizing by the same numbers is fake_quantize."""
    return _fake_quantized(rounded, (low, high), held, dtype, number(zero), scale)


@RULES(P.operator.mul(_WIDE, V.scale))
def fake_quantized_around_zero(
    rounded: Expr, low: float, high: float, held: DType, dtype: DType, scale: Expr
) -> Expr | None:
    """Quantizing and dequantizing is fake_quantize, too, where zero stands for zero."""
    return _fake_quantized(rounded, (low, high), held, dtype, 0, scale)


def _fake_quantized(
    rounded: Expr, limits: tuple[float, float], held: DType, dtype: DType, zero: float | None, scale: Expr
) -> Expr | None:
    if zero is None or number(scale) is None or not held.in_numpy or not held.is_int or limits != held.limits:
        return None
    added = 0.0
    if rounded.op == "operator.add":
        rounded, term = rounded.inputs
        known = number(term)
        if known is None:
            return None
        added = known
    quotient = rounded.inputs[0] if rounded.op == "torch.round" else None
    if quotient is None or quotient.op != "operator.truediv" or added != zero:
        return None
    x, divisor = quotient.inputs
    if number(divisor) != number(scale) or x.dtype is not dtype or quotient.dims != x.dims:
        return None
    return runtime.fake_quantize(x, as_written(number(scale) or 0.0), int(zero), held)  # type: ignore[no-any-return]
