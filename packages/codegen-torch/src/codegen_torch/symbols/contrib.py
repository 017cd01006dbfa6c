"""Symbols that ONNX Runtime's own operators need."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

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
