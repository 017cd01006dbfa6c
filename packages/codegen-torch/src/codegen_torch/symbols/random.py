"""Random numbers: no two calls are alike, so none is shared, moved or computed at conversion."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Size, shape_text
from codegen_torch.symbols.base import sizes_of, symbol
from codegen_torch.symbols.demands import is_below

Tensor: TypeAlias = Fact


def _of_sizes(size: tuple[Size, ...], dtype: DType) -> Fact:
    dims = sizes_of(size)
    if any(is_below(length, 0) for length in dims or ()):
        raise FactError(f"a tensor of sizes {shape_text(dims or ())}")
    return Fact(dtype, dims)


@symbol("torch.randn", creates=True, effect=True)
def randn(*size: Size, dtype: DType) -> Fact:
    return _of_sizes(size, dtype)


@symbol("torch.rand", creates=True, effect=True)
def rand(*size: Size, dtype: DType) -> Fact:
    return _of_sizes(size, dtype)


@symbol("torch.randn_like", effect=True)
def randn_like(x: Tensor, *, dtype: DType | None = None) -> Fact:
    return Fact(dtype or x.dtype, x.dims)


@symbol("torch.rand_like", effect=True)
def rand_like(x: Tensor, *, dtype: DType | None = None) -> Fact:
    return Fact(dtype or x.dtype, x.dims)


@symbol("torch.bernoulli", effect=True)
def bernoulli(x: Tensor) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("torch.multinomial", effect=True)
def multinomial(x: Tensor, num_samples: int, *, replacement: bool = False) -> Fact:
    return _drawn(x, num_samples)


@symbol("F.dropout", effect=True)
def dropout(x: Tensor, p: float = 0.5) -> Fact:
    return Fact(x.dtype, x.dims)


def _drawn(x: Fact, count: int) -> Fact:
    if is_below(count, 1):
        raise FactError(f"{count} samples")
    return Fact(DType.INT64, None if x.dims is None else (*x.dims[:-1], count))


@symbol("runtime.seeded_randn", creates=True, effect=True)
def seeded_randn(size: tuple[Size, ...], seed: int, *, dtype: DType) -> Fact:
    return _of_sizes(size, dtype)


@symbol("runtime.seeded_rand", creates=True, effect=True)
def seeded_rand(size: tuple[Size, ...], seed: int, *, dtype: DType) -> Fact:
    return _of_sizes(size, dtype)


@symbol("runtime.seeded_randn_like", effect=True)
def seeded_randn_like(x: Tensor, seed: int, *, dtype: DType) -> Fact:
    return Fact(dtype, x.dims)


@symbol("runtime.seeded_rand_like", effect=True)
def seeded_rand_like(x: Tensor, seed: int, *, dtype: DType) -> Fact:
    return Fact(dtype, x.dims)


@symbol("runtime.seeded_bernoulli", effect=True)
def seeded_bernoulli(x: Tensor, seed: int) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.seeded_multinomial", effect=True)
def seeded_multinomial(x: Tensor, count: int, seed: int) -> Fact:
    return _drawn(x, count)


@symbol("runtime.dropout_with_mask", effect=True)
def dropout_with_mask(x: Tensor, ratio: float, training: bool = True, *, seed: int | None = None) -> tuple[Fact, Fact]:
    return Fact(x.dtype, x.dims), Fact(DType.BOOL, x.dims)
