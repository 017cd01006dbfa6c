"""Pooling over regions of interest."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.roi_align")
def roi_align(
    x: Tensor,
    rois: Tensor,
    images: Tensor,
    size: tuple[int, ...],
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
    mode: str = "avg",
) -> Fact:
    return _pooled(x, rois, size)


@symbol("runtime.max_roi_pool")
def max_roi_pool(x: Tensor, rois: Tensor, size: tuple[int, ...], *, spatial_scale: float = 1.0) -> Fact:
    return _pooled(x, rois, size)


def _pooled(x: Fact, rois: Fact, size: tuple[int, ...]) -> Fact:
    count = Dim.fresh() if rois.dims is None else rois.dims[0]
    channels = Dim.fresh() if x.dims is None else x.dims[1]
    return Fact(x.dtype, (count, channels, *size))
