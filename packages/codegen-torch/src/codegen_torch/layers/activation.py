"""Activations that exporters spell out become the functions they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from codegen_torch.expr import Expr
from codegen_torch.layers.patterns import either, factors, is_number, is_power, number, with_number
from codegen_torch.layers.refs import parameter
from codegen_torch.layers.rules import Uses, rule
from codegen_torch.symbols.namespaces import F, nn


@rule("operator.mul")
def gelu(expr: Expr, uses: Uses) -> Expr | None:
    """The product x / 2 * (1 + erf(x / sqrt(2))), in any order of the factors, is F.gelu."""
    return _half_of(expr, _inside_erf, "none")


@rule("operator.mul")
def gelu_by_tanh(expr: Expr, uses: Uses) -> Expr | None:
    """The product x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³))), in any order, is F.gelu's approximation."""
    return _half_of(expr, _inside_tanh, "tanh")


def _half_of(expr: Expr, inside: Callable[[Expr], Expr | None], approximate: str) -> Expr | None:
    """F.gelu for ``x * 0.5 * (1 + s)``, where ``inside`` finds x in s."""
    for factor in _near_factors(expr):
        total = with_number(factor, "operator.add")
        x = inside(total[0]) if total is not None and total[1] == 1 else None
        if x is None or x.dims != expr.dims:
            continue
        rest = [part for part in factors(expr, x, 3) if part is not factor]
        if len(rest) == 2 and x in rest and any(number(part) == 0.5 for part in rest):
            return F.gelu(x, approximate=approximate)  # type: ignore[no-any-return]
        if len(rest) == 1 and rest[0].op == "operator.truediv":
            numerator, divisor = rest[0].inputs
            if numerator is x and number(divisor) == 2:
                return F.gelu(x, approximate=approximate)  # type: ignore[no-any-return]
    return None


def _near_factors(expr: Expr) -> Iterator[Expr]:
    """The factors of a product, and those of its factors."""
    for factor in expr.inputs:
        yield factor
        if factor.op == "operator.mul":
            yield from factor.inputs


def _inside_erf(expr: Expr) -> Expr | None:
    """The x of ``erf(x / sqrt(2))``."""
    if expr.op != "torch.erf":
        return None
    inner = expr.inputs[0]
    if inner.op == "operator.truediv" and is_number(inner.inputs[1], math.sqrt(2)):
        return inner.inputs[0]  # type: ignore[no-any-return]
    scaled = with_number(inner, "operator.mul")
    return scaled[0] if scaled is not None and math.isclose(scaled[1], math.sqrt(0.5), rel_tol=1e-6) else None


def _inside_tanh(expr: Expr) -> Expr | None:
    """The x of ``tanh(sqrt(2 / pi) * (x + 0.044715 x³))``."""
    if expr.op != "torch.tanh":
        return None
    scaled = with_number(expr.inputs[0], "operator.mul")
    if scaled is None or not math.isclose(scaled[1], math.sqrt(2 / math.pi), rel_tol=1e-5):
        return None
    for x, cubic in either(scaled[0], "operator.add"):
        term = with_number(cubic, "operator.mul")
        if term is not None and math.isclose(term[1], 0.044715, rel_tol=1e-6) and is_power(term[0], 3) is x:
            return x
    return None


@rule("operator.mul")
def silu(expr: Expr, uses: Uses) -> Expr | None:
    """The product x * sigmoid(x) is F.silu."""
    for x, gate in either(expr, "operator.mul"):
        if gate.op == "torch.sigmoid" and gate.inputs[0] is x:
            return F.silu(x)  # type: ignore[no-any-return]
    return None


@rule("operator.mul")
def mish(expr: Expr, uses: Uses) -> Expr | None:
    """The product x * tanh(softplus(x)) is F.mish."""
    for x, gate in either(expr, "operator.mul"):
        if gate.op == "torch.tanh" and gate.inputs[0].op == "F.softplus" and gate.inputs[0].inputs[0] is x:
            return F.mish(x)  # type: ignore[no-any-return]
    return None


@rule("operator.mul")
def hardswish(expr: Expr, uses: Uses) -> Expr | None:
    """The product x * hardsigmoid(x) is F.hardswish."""
    for x, gate in either(expr, "operator.mul"):
        if gate.op == "F.hardsigmoid" and gate.inputs[0] is x:
            return F.hardswish(x)  # type: ignore[no-any-return]
    return None


@rule("torch.clamp")
def relu6(expr: Expr, uses: Uses) -> Expr | None:
    """Clamping to 0 … 6 is F.relu6."""
    if (expr.attrs.get("min"), expr.attrs.get("max")) == (0, 6) and expr.dtype.is_float:
        return F.relu6(expr.inputs[0])  # type: ignore[no-any-return]
    return None


@rule("F.prelu")
def prelu(expr: Expr, uses: Uses) -> Expr | None:
    """F.prelu with a stored slope is an nn.PReLU layer."""
    x, slope = expr.inputs
    weight = parameter(slope)
    return None if weight is None or weight.rank != 1 else nn.PReLU(x, weight)


RULES = (gelu, gelu_by_tanh, silu, mish, hardswish, relu6, prelu)
