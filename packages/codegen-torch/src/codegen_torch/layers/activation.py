"""Activations that exporters spell out become the functions they are."""

from __future__ import annotations

import math
from typing import Any

from dataflow_ir import P, V, alt
from dataflow_ir.pattern import Alternatives

from codegen_torch.expr import Expr
from codegen_torch.layers.patterns import cube, near, plus, times
from codegen_torch.layers.refs import parameter
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import F, nn

RULES = Family()

x = V.x
_ERF = P.torch.erf(alt(P.operator.truediv(x, near(math.sqrt(2))), times(x, near(math.sqrt(0.5)))))
_TANH = P.torch.tanh(times(plus(x, times(cube(x), near(0.044715))), near(math.sqrt(2 / math.pi), rel_tol=1e-5)))


def _half_of(shape: Any) -> Alternatives:
    """The pattern of ``x / 2 * (1 + shape)``, in any order of the factors."""
    gate = plus(shape, near(1))
    return alt(
        P.operator.mul(times(x, near(0.5)), gate),
        P.operator.mul(P.operator.truediv(x, near(2)), gate),
        P.operator.mul(x, times(gate, near(0.5))),
        times(P.operator.mul(x, gate), near(0.5)),
    )


def _same_shape(m: Any, x: Expr) -> bool:
    return bool(m.root.dims == x.dims)


@RULES(_half_of(_ERF), where=_same_shape)
def gelu(x: Expr) -> Expr:
    """The product x / 2 * (1 + erf(x / sqrt(2))), in any order of the factors, is F.gelu."""
    return F.gelu(x)  # type: ignore[no-any-return]


@RULES(_half_of(_TANH), where=_same_shape)
def gelu_by_tanh(x: Expr) -> Expr:
    """The product x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x³))), in any order, is F.gelu's approximation."""
    return F.gelu(x, approximate="tanh")  # type: ignore[no-any-return]


@RULES(P.operator.mul(x, P.torch.sigmoid(x)))
def silu(x: Expr) -> Expr:
    """The product x * sigmoid(x) is F.silu."""
    return F.silu(x)  # type: ignore[no-any-return]


@RULES(P.operator.mul(x, P.torch.tanh(P.F.softplus(x))))
def mish(x: Expr) -> Expr:
    """The product x * tanh(softplus(x)) is F.mish."""
    return F.mish(x)  # type: ignore[no-any-return]


@RULES(P.operator.mul(x, P.F.hardsigmoid(x)))
def hardswish(x: Expr) -> Expr:
    """The product x * hardsigmoid(x) is F.hardswish."""
    return F.hardswish(x)  # type: ignore[no-any-return]


@RULES(P.operator.truediv(x, plus(P.torch.abs(x), near(1))))
def softsign(x: Expr) -> Expr:
    """The quotient x / (1 + |x|) is F.softsign."""
    return F.softsign(x)  # type: ignore[no-any-return]


@RULES(P.torch.where(P.torch.gt(x, near(20)), x, P.F.softplus(x)))
def softplus(x: Expr) -> Expr:
    """A softplus that beyond 20 is its input is F.softplus, which has the same threshold."""
    return F.softplus(x)  # type: ignore[no-any-return]


@RULES(P.operator.mul(P.operator.getitem(V.halves, index=0), P.torch.sigmoid(P.operator.getitem(V.halves, index=1))))
def glu(halves: Expr) -> Expr | None:
    """One half times the sigmoid of the other is F.glu."""
    x, dim = halves.inputs[0], halves.attrs.get("dim", 0)
    if halves.op != "Tensor.chunk" or halves.attrs["chunks"] != 2 or x.dims is None:
        return None
    size = x.dims[dim]
    return F.glu(x, dim=dim) if isinstance(size, int) and size % 2 == 0 else None


@RULES(P.torch.clamp(x, min=V.low, max=V.high), where=lambda low, high: (low, high) == (0, 6))
def relu6(x: Expr) -> Expr | None:
    """Clamping to 0 … 6 is F.relu6."""
    return F.relu6(x) if x.dtype.is_float else None


@RULES(P.F.prelu(x, V.slope))
def prelu(x: Expr, slope: Expr) -> Expr | None:
    """F.prelu with a stored slope is an nn.PReLU layer."""
    weight = parameter(slope)
    return None if weight is None or weight.rank != 1 else nn.PReLU(x, weight)
