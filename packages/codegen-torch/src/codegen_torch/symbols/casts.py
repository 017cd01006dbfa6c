"""Symbols of element types: casts that ``Tensor.to`` does not do, and arithmetic of types that torch only stores."""

from __future__ import annotations

from typing import Any, TypeAlias

from codegen_torch.dims import Undecided
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, broadcast
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


def _view(x: Any, dtype: DType) -> Any:
    if x.dtype == object or not dtype.in_numpy or x.dtype.itemsize != dtype.itemsize:
        raise Undecided
    return x.view(dtype.numpy)


@symbol("Tensor.view", fold=_view)
def view(x: Tensor, dtype: DType) -> Fact:
    """The same bits as another type of the same width."""
    return Fact(dtype, x.dims)


@symbol("runtime.round_to_narrow_float")
def round_to_narrow_float(x: Tensor, *, eps: float, smallest: float, largest: float) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.cast_to_float8")
def cast_to_float8(x: Tensor, dtype: DType, *, saturate: bool) -> Fact:
    return Fact(dtype, x.dims)


@symbol("runtime.cast_to_float8_e8m0")
def cast_to_float8_e8m0(x: Tensor, *, saturate: bool = True, round_mode: str = "up") -> Fact:
    return Fact(DType.FLOAT8E8M0, x.dims)


@symbol("runtime.float4_from_bits")
def float4_from_bits(codes: Tensor) -> Fact:
    return Fact(DType.FLOAT4E2M1, codes.dims)


@symbol("runtime.bits_of_float4")
def bits_of_float4(x: Tensor) -> Fact:
    return Fact(DType.UINT4, x.dims)


@symbol("runtime.shift_right_uint64")
def shift_right_uint64(x: Tensor, count: Tensor) -> Fact:
    return Fact(x.dtype, broadcast(x.dims, count.dims))
