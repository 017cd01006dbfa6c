"""Host values: Python numbers and tuples, read from tensors or computed from sizes."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, elements
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.demands import demand_rank

Tensor: TypeAlias = Fact
Operand: TypeAlias = Fact


@symbol("literal")
def literal(*, value: object) -> Fact:
    raise NotImplementedError("built by codegen_torch.expr.literal")


@symbol("host.size")
def size(x: Tensor, axis: int) -> Fact:
    """``x.shape[axis]``, an int."""
    value = None if x.dims is None else elements([x.dims[axis]], ())
    return Fact(DType.INT64, (), value, host=True)


@symbol("host.item")
def item(x: Tensor) -> Fact:
    """``x.item()``, a number."""
    dtype = DType.BOOL if x.dtype is DType.BOOL else DType.INT64 if x.dtype.is_int else DType.FLOAT64
    return Fact(dtype, (), host=True)


@symbol("host.tolist")
def tolist(x: Tensor) -> Fact:
    """``x.tolist()``, a list of numbers."""
    demand_rank("a list of numbers", x, 1, 1)
    return Fact(x.dtype, x.dims, host=True)


@symbol("Tensor.numel")
def numel(x: Tensor) -> Fact:
    """``x.numel()``, an int."""
    return Fact(DType.INT64, (), host=True)


@symbol("host.shape")
def shape(x: Tensor) -> Fact:
    """``torch.tensor(x.shape)``: ONNX's Shape, a tensor of int64."""
    rank = x.rank
    if x.dims is None or rank is None:
        return Fact(DType.INT64, (Dim.fresh(),))
    return Fact(DType.INT64, (rank,))


@symbol("host.tensor", creates=True)
def tensor(values: tuple[object, ...], *, dtype: DType) -> Fact:
    """``torch.tensor(values)`` of host values: numbers or, for a tensor of rank 1, a tuple of them."""
    if not isinstance(values, tuple):
        return Fact(dtype, (), elements([values], ()))
    return Fact(dtype, (len(values),), elements(list(values), (len(values),)))
