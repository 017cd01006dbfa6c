"""Symbols of mixtures of experts."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, divide
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.routing_weights")
def routing_weights(scores: Tensor, k: int, weights: Tensor | None = None, *, normalize: bool = False) -> Fact:
    return Fact(scores.dtype, scores.dims)


@symbol("runtime.expert_layer")
def expert_layer(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Fact:
    if x.dims is None or weight.dims is None:
        return Fact(x.dtype, None)
    return Fact(x.dtype, (weight.dims[0], x.dims[-2], weight.dims[1]))


@symbol("runtime.swiglu")
def swiglu(
    x: Tensor, gated: Tensor | None = None, *, interleaved: bool, alpha: float, beta: float, limit: float | None
) -> Fact:
    if x.dims is None or gated is not None:
        return Fact(x.dtype, x.dims)
    half = divide(x.dims[-1], 2)
    return Fact(x.dtype, (*x.dims[:-1], Dim.fresh() if half is None else half))


@symbol("runtime.mix_experts")
def mix_experts(x: Tensor, weights: Tensor) -> Fact:
    return Fact(x.dtype, None if x.dims is None else x.dims[1:])


@symbol("runtime.dequantize_experts")
def dequantize_experts(packed: Tensor, scales: Tensor, zero_points: Tensor | None = None, *, bits: int) -> Fact:
    if packed.dims is None:
        return Fact(scales.dtype, None)
    return Fact(scales.dtype, (*packed.dims[:2], packed.dims[2] * (8 // bits)))
