"""Maps, which are dicts."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, MapOf, SequenceOf, Size
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact
Map: TypeAlias = Fact
List: TypeAlias = Fact


@symbol("runtime.zip_map")
def zip_map(x: Tensor, keys: tuple[object, ...]) -> Fact:
    key = DType.STRING if keys and isinstance(keys[0], str) else DType.INT64
    return SequenceOf(MapOf(key, Fact(DType.FLOAT32, (), host=True)), None if x.dims is None else x.dims[0])


def _values(x: Fact, length: Size | None) -> Fact:
    assert isinstance(x, MapOf)
    return SequenceOf(x.element, length)


@symbol("runtime.ordered_values")
def ordered_values(x: Map, size: int | None = None) -> Fact:
    return _values(x, size)


@symbol("runtime.looked_up")
def looked_up(x: Map, keys: tuple[object, ...], default: object = 0) -> Fact:
    return _values(x, len(keys))


def _row(values: Fact, dtype: DType) -> Fact:
    assert isinstance(values, SequenceOf)
    return Fact(dtype, (1, Dim.fresh() if values.length is None else values.length))


@symbol("runtime.row_of_numbers", creates=True)
def row_of_numbers(values: List, *, dtype: DType) -> Fact:
    return _row(values, dtype)


@symbol("runtime.row_of_strings")
def row_of_strings(values: List) -> Fact:
    return _row(values, DType.STRING)
