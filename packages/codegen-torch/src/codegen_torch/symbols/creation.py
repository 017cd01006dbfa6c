"""Symbols that make tensors from nothing but sizes and numbers. They take the device of their surroundings."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from codegen_torch.dims import Dim, Undecided
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Size, shape_text
from codegen_torch.symbols.base import FOLD_LIMIT, SYMBOLIC_LIMIT, size_of, sizes_of, symbol
from codegen_torch.symbols.demands import is_below

Tensor: TypeAlias = Fact
Operand: TypeAlias = Fact


def _filled(size: Any, value: Any, dtype: DType) -> Fact:
    dims = sizes_of(size)
    if any(is_below(length, 0) for length in dims or ()):
        raise FactError(f"a tensor of sizes {shape_text(dims or ())}")
    fact = Fact(dtype, dims, fill=value)
    count = fact.size
    if not isinstance(count, int) or count > SYMBOLIC_LIMIT or not dtype.in_numpy:
        return fact
    return Fact(dtype, dims, np.full(dims or (), value, dtype.numpy), value)


@symbol("torch.full", creates=True)
def full(size: tuple[Size, ...], fill_value: float, *, dtype: DType) -> Fact:
    return _filled(size, fill_value, dtype)


@symbol("torch.zeros", creates=True)
def zeros(*size: Size, dtype: DType) -> Fact:
    return _filled(size, 0, dtype)


@symbol("torch.ones", creates=True)
def ones(*size: Size, dtype: DType) -> Fact:
    return _filled(size, 1, dtype)


@symbol("Tensor.new_ones")
def new_ones(x: Tensor, *size: Size) -> Fact:
    return _filled(size, 1, x.dtype)


@symbol("torch.eye", creates=True)
def eye(n: Size, m: Size, *, dtype: DType) -> Fact:
    return Fact(dtype, (size_of(n), size_of(m)))


@symbol("torch.arange", creates=True)
def arange(start: Size, stop: Size, step: Size = 1, *, dtype: DType) -> Fact:
    """Integer ranges only: a float range's length depends on rounding."""
    first, last, stride = size_of(start), size_of(stop), size_of(step)
    if isinstance(first, int) and isinstance(last, int) and isinstance(stride, int) and dtype.is_int:
        length = len(range(first, last, stride))
        value = np.arange(first, last, stride, dtype=dtype.numpy) if length <= FOLD_LIMIT else None
        return Fact(dtype, (length,), value)
    count = last - first
    if stride != 1:
        try:
            count = -(-count // stride)
        except Undecided:
            count = Dim.fresh()
    return Fact(dtype, (count,))
