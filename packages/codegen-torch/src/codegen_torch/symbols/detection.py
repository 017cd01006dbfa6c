"""Pooling over regions of interest."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.facts import Fact, FactError, shape_text
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.demands import demand_rank, demand_shape
from codegen_torch.symbols.indexing import check_positions

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
    demand_shape("a pooling of regions", "list of images", images, None if rois.dims is None else rois.dims[0])
    check_positions(x, 0, images)
    return _pooled(x, rois, 4, size)


@symbol("runtime.max_roi_pool")
def max_roi_pool(x: Tensor, rois: Tensor, size: tuple[int, ...], *, spatial_scale: float = 1.0) -> Fact:
    return _pooled(x, rois, 5, size)


def _pooled(x: Fact, rois: Fact, columns: int, size: tuple[int, ...]) -> Fact:
    demand_rank("a pooling of regions", x, 4, 4)
    demand_shape("a pooling of regions", "list of regions", rois, None, columns)
    if min(size) < 1:
        raise FactError(f"a pooling of regions to size {shape_text(size)}")
    count = Dim.fresh() if rois.dims is None else rois.dims[0]
    channels = Dim.fresh() if x.dims is None else x.dims[1]
    return Fact(x.dtype, (count, channels, *size))
