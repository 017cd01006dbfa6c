"""Symbols that ONNX Runtime's own operators need."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, Size
from codegen_torch.symbols.base import size_of, symbol

Tensor: TypeAlias = Fact


@symbol("torch.inverse")
def inverse(x: Tensor) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.crop_and_resize")
def crop_and_resize(
    x: Tensor, rois: Tensor, batch_indices: Tensor, crop_size: Tensor, *, mode: str, outside: float
) -> Fact:
    if x.dims is None or rois.dims is None:
        return Fact(x.dtype, None)
    known = crop_size.value if crop_size.is_constant else None
    sizes = (Dim.fresh(), Dim.fresh()) if known is None else known.tolist()
    return Fact(x.dtype, (rois.dims[0], x.dims[1], *sizes))


@symbol("runtime.unpadded_keys")
def unpadded_keys(bounds: Tensor, batch: Size, keys: Size) -> Fact:
    return Fact(DType.BOOL, (size_of(batch), 1, 1, size_of(keys)))


@symbol("runtime.written_at")
def written_at(cache: Tensor, x: Tensor, position: Size) -> Fact:
    return Fact(cache.dtype, cache.dims)
