"""Activations that are spelled out: before and after."""

from __future__ import annotations

import math

import pytest
from layer_texts import BATCH, OTHER, X, name, number, recovered, text, value

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, literal
from codegen_torch.symbols.namespaces import F, torch

ERF = torch.erf(X / number(math.sqrt(2))) + number(1.0)
ERF_OF_PRODUCT = literal(1.0) + torch.erf(X * number(math.sqrt(0.5)))
HALF = number(0.5)
HALVES, THIRDS = X.chunk(2, dim=-1), value("x", BATCH, 9).chunk(3, dim=-1)
CUBIC = X + number(0.044715) * X**3
TANH = number(1.0) + torch.tanh(number(math.sqrt(2 / math.pi)) * CUBIC)
TANH_OF_PRODUCTS = torch.tanh((X + X * X * X * number(0.044715)) * number(0.7978845608)) + literal(1.0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X * ERF * HALF, "F.gelu(x)"),
        (HALF * X * ERF, "F.gelu(x)"),
        (X * (HALF * ERF_OF_PRODUCT), "F.gelu(x)"),
        (ERF * (X * HALF), "F.gelu(x)"),
        (X / number(2.0) * ERF, "F.gelu(x)"),
        (HALF * X * TANH, "F.gelu(x, approximate=tanh)"),
        (X * TANH_OF_PRODUCTS * HALF, "F.gelu(x, approximate=tanh)"),
        (X * torch.sigmoid(X), "F.silu(x)"),
        (torch.sigmoid(X) * X, "F.silu(x)"),
        (X * torch.tanh(F.softplus(X)), "F.mish(x)"),
        (F.hardsigmoid(X) * X, "F.hardswish(x)"),
        (torch.clamp(X, min=0.0, max=6.0), "F.relu6(x)"),
        (X / (torch.abs(X) + number(1.0)), "F.softsign(x)"),
        (torch.where(torch.gt(X, number(20.0)), X, F.softplus(X)), "F.softplus(x)"),
        (HALVES[0] * torch.sigmoid(HALVES[1]), "F.glu(x)"),
        (torch.sigmoid(HALVES[1]) * HALVES[0], "F.glu(x)"),
    ],
    ids=name,
)
def test_activations(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        OTHER * ERF * HALF,
        X * ERF * number(0.4),
        X * ERF,
        X * (torch.erf(X / number(1.5)) + number(1.0)) * HALF,
        OTHER * torch.sigmoid(X),
        OTHER / (torch.abs(X) + number(1.0)),
        X / (torch.abs(X) + number(2.0)),
        torch.where(torch.gt(X, number(10.0)), X, F.softplus(X)),
        HALVES[1] * torch.sigmoid(HALVES[0]),
        THIRDS[0] * torch.sigmoid(THIRDS[1]),
        torch.clamp(X, min=0.0, max=5.0),
        torch.clamp(value("i", 3, dtype=DType.INT64), min=0, max=6),
    ],
    ids=name,
)
def test_what_is_no_activation_stays(before: Expr) -> None:
    assert recovered(before) == text(before)
