"""Symbols that ONNX Runtime's own operators need."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, Size
from codegen_torch.symbols.base import size_of, sizes_of, symbol

Tensor: TypeAlias = Fact


@symbol("torch.inverse")
def inverse(x: Tensor) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.crop_and_resize")
def crop_and_resize(
    x: Tensor, rois: Tensor, batch_indices: Tensor, crop_size: tuple[Size, ...], *, mode: str, outside: float
) -> Fact:
    if x.dims is None or rois.dims is None:
        return Fact(x.dtype, None)
    sizes = sizes_of(crop_size)
    return Fact(x.dtype, (rois.dims[0], x.dims[1], *(sizes or (Dim.fresh(), Dim.fresh()))))


@symbol("runtime.unpadded_keys")
def unpadded_keys(bounds: Tensor, batch: Size, keys: Size) -> Fact:
    return Fact(DType.BOOL, (size_of(batch), 1, 1, size_of(keys)))


@symbol("runtime.written_at")
def written_at(cache: Tensor, x: Tensor, position: Size) -> Fact:
    return Fact(cache.dtype, cache.dims)


@symbol("runtime.cache_positions")
def cache_positions(last: Tensor, steps: Size) -> Fact:
    return Fact(DType.INT64, (Dim.fresh() if last.dims is None else last.dims[0], size_of(steps)))


@symbol("runtime.append_to_cache")
def append_to_cache(past: Tensor | None, x: Tensor, positions: Tensor, total: Size) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    length, before = size_of(total), None if past is None else past.dims[2] if past.dims else Dim.fresh()
    if isinstance(length, int) and isinstance(before, int):
        length = max(length, before)
    elif before is not None:
        length = Dim.fresh()
    return Fact(x.dtype, (*x.dims[:2], length, x.dims[3]))


@symbol("runtime.cached_keys")
def cached_keys(positions: Tensor, last: Tensor, keys: Size, *, causal: bool, window: int | None) -> Fact:
    queries = 1 if not causal else Dim.fresh() if positions.dims is None else positions.dims[1]
    return Fact(DType.BOOL, (Dim.fresh() if positions.dims is None else positions.dims[0], 1, queries, size_of(keys)))


@symbol("runtime.attention_with_sink")
def attention_with_sink(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    sink: Tensor | None = None,
    *,
    scale: float | None = None,
    softcap: float = 0.0,
    smooth: bool = False,
) -> Fact:
    return Fact(q.dtype, None if q.dims is None or v.dims is None else (*q.dims[:3], v.dims[3]))
