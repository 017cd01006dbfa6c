"""Symbols of quantized numbers."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.quantize_dynamically")
def quantize_dynamically(x: Tensor) -> tuple[Fact, ...]:
    return Fact(DType.UINT8, x.dims), Fact(x.dtype, ()), Fact(DType.UINT8, ())
