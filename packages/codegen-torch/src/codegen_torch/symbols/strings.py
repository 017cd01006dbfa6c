"""Functions on tensors of strings, which generated code keeps in numpy object arrays."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, Size, broadcast
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact
Tensors: TypeAlias = list[Fact]


def _strings(dims: tuple[Size, ...] | None) -> Fact:
    return Fact(DType.STRING, dims)


@symbol("runtime.encode_strings", creates=True)
def encode_strings(texts: Tensors) -> tuple[Fact, ...]:
    """The numbers of each tensor of strings, then the strings they stand for."""
    return (*(Fact(DType.INT64, text.dims) for text in texts), _strings((Dim.fresh(),)))


@symbol("runtime.decode_strings")
def decode_strings(codes: Tensor, vocabulary: Tensor) -> Fact:
    return _strings(codes.dims)


@symbol("runtime.take_strings")
def take_strings(index: Tensor, texts: Tensor) -> Fact:
    return _strings(index.dims)


@symbol("runtime.unpack_strings")
def unpack_strings(data: Tensor, ends: Tensor, shape: tuple[int, ...]) -> Fact:
    return _strings(shape)


@symbol("runtime.format_numbers")
def format_numbers(x: Tensor) -> Fact:
    return _strings(x.dims)


@symbol("runtime.parse_floats", creates=True)
def parse_floats(text: Tensor, *, dtype: DType) -> Fact:
    return Fact(dtype, text.dims)


@symbol("runtime.parse_integers", creates=True)
def parse_integers(text: Tensor, *, dtype: DType) -> Fact:
    return Fact(dtype, text.dims)


@symbol("runtime.concat_strings")
def concat_strings(x: Tensor, y: Tensor) -> Fact:
    return _strings(broadcast(x.dims, y.dims))


@symbol("runtime.split_strings")
def split_strings(x: Tensor, delimiter: str = "", maxsplit: int = -1) -> tuple[Fact, Fact]:
    parts = _strings(None if x.dims is None else (*x.dims, Dim.fresh()))
    return parts, Fact(DType.INT64, x.dims)


@symbol("runtime.normalize_strings")
def normalize_strings(
    x: Tensor, stopwords: tuple[str, ...] = (), *, case: str = "NONE", case_sensitive: bool = False
) -> Fact:
    return _strings(None if x.dims is None else (*x.dims[:-1], Dim.fresh()))


@symbol("runtime.full_match", creates=True)
def full_match(x: Tensor, pattern: str) -> Fact:
    return Fact(DType.BOOL, x.dims)
