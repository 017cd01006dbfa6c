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


@symbol("runtime.fake_quantize")
def fake_quantize(x: Tensor, scale: float, zero_point: int, dtype: DType) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.unpack_bits")
def unpack_bits(packed: Tensor, *, bits: int) -> Fact:
    if packed.dims is None:
        return Fact(DType.UINT8, None)
    return Fact(DType.UINT8, (*packed.dims[:-1], packed.dims[-1] * (8 // bits)))


@symbol("runtime.dequantize_blocks")
def dequantize_blocks(
    packed: Tensor,
    scales: Tensor,
    zero_points: Tensor | None = None,
    groups: Tensor | None = None,
    *,
    bits: int,
    features: int,
) -> Fact:
    return Fact(scales.dtype, None if packed.dims is None else (packed.dims[0], features))


@symbol("runtime.dynamic_quantize_lstm")
def dynamic_quantize_lstm(
    x: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    r: Tensor,
    r_scale: Tensor,
    r_zero: Tensor,
    bias: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    *,
    hidden_size: int,
    backwards: bool = False,
) -> tuple[Fact, ...]:
    if x.dims is None:
        return (Fact(x.dtype, None),) * 3
    state = Fact(x.dtype, (x.dims[1], hidden_size))
    return Fact(x.dtype, (*x.dims[:2], hidden_size)), state, state
