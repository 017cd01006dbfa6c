"""Pooling over regions of interest."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.symbols.namespaces import runtime


@op("RoiAlign", since=16)
def roi_align(
    x: Expr,
    rois: Expr,
    batch_indices: Expr,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Expr:
    if coordinate_transformation_mode not in ("half_pixel", "output_half_pixel"):
        raise NotApplicable(f"the coordinates {coordinate_transformation_mode!r} are not known")
    if mode not in ("avg", "max"):
        raise NotApplicable(f"the mode {mode!r} is not known")
    return runtime.roi_align(  # type: ignore[no-any-return]
        x,
        rois,
        batch_indices,
        (output_height, output_width),
        spatial_scale=spatial_scale,
        sampling_ratio=sampling_ratio,
        aligned=coordinate_transformation_mode == "half_pixel",
        mode=mode,
    )


@op("RoiAlign", since=10, until=15)
def roi_align_unaligned(
    x: Expr,
    rois: Expr,
    batch_indices: Expr,
    *,
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> Expr:
    """Before opset 16 coordinates were not moved by half a pixel."""
    return roi_align(  # type: ignore[no-any-return]
        x,
        rois,
        batch_indices,
        coordinate_transformation_mode="output_half_pixel",
        mode=mode,
        output_height=output_height,
        output_width=output_width,
        sampling_ratio=sampling_ratio,
        spatial_scale=spatial_scale,
    )


@op("MaxRoiPool", since=1)
def max_roi_pool(x: Expr, rois: Expr, *, pooled_shape: tuple[int, ...], spatial_scale: float = 1.0) -> Expr:
    if len(pooled_shape) != 2:
        raise NotApplicable(f"pooled_shape has {len(pooled_shape)} sizes, not a height and a width")
    return runtime.max_roi_pool(x, rois, pooled_shape, spatial_scale=spatial_scale)  # type: ignore[no-any-return]
