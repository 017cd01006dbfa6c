"""What is quantized and taken back at once: before and after."""

from __future__ import annotations

import pytest
from layer_texts import X, name, number, recovered, text, value

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.symbols.namespaces import torch

LIMITS = {DType.INT8: (-128, 127), DType.UINT8: (0, 255)}


def held(x: Expr, scale: float, zero: float | None, dtype: DType, limits: tuple[int, int] | None = None) -> Expr:
    rounded = torch.round(x / number(scale))
    shifted = rounded if zero is None else rounded + number(zero)
    low, high = limits or LIMITS[dtype]
    return torch.clamp(shifted, min=low, max=high).to(dtype)  # type: ignore[no-any-return]


def taken_back(integers: Expr, scale: float, zero: float | None) -> Expr:
    wide = integers.to(DType.FLOAT32)
    return (wide if zero is None else wide - number(zero)) * number(scale)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (taken_back(held(X, 0.02, 128, DType.UINT8), 0.02, 128), "scale=0.02, zero_point=128, dtype=torch.uint8"),
        (taken_back(held(X, 0.5, -3, DType.INT8), 0.5, -3), "scale=0.5, zero_point=-3, dtype=torch.int8"),
        (taken_back(held(X, 0.02, None, DType.INT8), 0.02, None), "scale=0.02, zero_point=0, dtype=torch.int8"),
    ],
    ids=name,
)
def test_quantized_and_taken_back(before: Expr, after: str) -> None:
    assert recovered(before) == f"runtime.fake_quantize(x, {after})".replace("torch.", "DType.", 0)


@pytest.mark.parametrize(
    "before",
    [
        taken_back(held(X, 0.02, 128, DType.UINT8), 0.03, 128),
        taken_back(held(X, 0.02, 128, DType.UINT8), 0.02, 127),
        taken_back(held(X, 0.02, 128, DType.UINT8), 0.02, None),
        taken_back(held(X, 0.02, None, DType.INT8, limits=(-127, 127)), 0.02, None),
        taken_back(held(value("x", 2, dtype=DType.FLOAT64), 0.02, None, DType.INT8), 0.02, None),
    ],
    ids=name,
)
def test_what_is_quantized_otherwise_stays(before: Expr) -> None:
    assert recovered(before) == text(before)


def test_integers_that_are_used_as_well_stay() -> None:
    integers = held(X, 0.02, 128, DType.UINT8)
    assert "fake_quantize" not in recovered(taken_back(integers, 0.02, 128) + integers.to(DType.FLOAT32))
