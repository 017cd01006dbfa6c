"""Symbols that reduce dimensions, and softmax over one."""

from __future__ import annotations

from collections.abc import Iterable

from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.shape import normal

Tensor = Fact


def reduced(x: Fact, dim: int | tuple[int, ...] | None, keepdim: bool, dtype: DType | None = None) -> Fact:
    """The facts after a reduction over ``dim``, or over everything if it is None."""
    if x.dims is None:
        return Fact(dtype or x.dtype, () if dim is None and not keepdim else None)
    axes: Iterable[int] = range(len(x.dims)) if dim is None else (dim,) if isinstance(dim, int) else dim
    gone = {normal(axis, len(x.dims)) for axis in axes}
    dims = [
        1 if index in gone else size for index, size in enumerate(x.dims) if keepdim or index not in gone
    ]
    return Fact(dtype or x.dtype, tuple(dims))


def _register(name: str, dtype: DType | None = None) -> None:
    @symbol(name)
    def reduction(x: Tensor, dim: tuple[int, ...] | int | None = None, *, keepdim: bool = False) -> Fact:
        return reduced(x, dim, keepdim, dtype)


for _name in "mean sum amax amin logsumexp".split():
    _register(f"Tensor.{_name}")
_register("Tensor.argmax", DType.INT64)
_register("Tensor.argmin", DType.INT64)
_register("Tensor.all", DType.BOOL)
_register("Tensor.any", DType.BOOL)


@symbol("Tensor.prod")
def prod(x: Tensor, dim: int | None = None, *, keepdim: bool = False) -> Fact:
    return reduced(x, dim, keepdim)


@symbol("Tensor.norm")
def norm(x: Tensor, p: float, dim: tuple[int, ...] | None = None, *, keepdim: bool = False) -> Fact:
    return reduced(x, dim, keepdim)


@symbol("F.softmax")
def softmax(x: Tensor, *, dim: int) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("F.log_softmax")
def log_softmax(x: Tensor, *, dim: int) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("torch.cumsum")
def cumsum(x: Tensor, *, dim: int) -> Fact:
    return Fact(x.dtype, x.dims)
