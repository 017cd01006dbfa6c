"""Functions that find values among known ones."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact
Tensors: TypeAlias = list[Fact]


@symbol("runtime.find_numbers")
def find_numbers(x: Tensor, keys: Tensor) -> Fact:
    return Fact(DType.INT64, x.dims)


@symbol("runtime.find_strings", creates=True)
def find_strings(x: Tensor, keys: Tensor) -> Fact:
    return Fact(DType.INT64, x.dims)


@symbol("runtime.count_ngrams")
def count_ngrams(tensors: Tensors, *, vocabulary: int, shortest: int, skips: int, width: int) -> Fact:
    dims = tensors[0].dims
    return Fact(DType.FLOAT32, None if dims is None else (dims[0], width))
