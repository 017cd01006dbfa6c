"""Resampling of any dimensions with any coordinates, as ONNX's Resize has it and torch's interpolate has not."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def source_places(
    x: Tensor,
    sizes: Sequence[int] | None = None,
    scales: Sequence[float] | None = None,
    axes: Sequence[int] | None = None,
    coordinates: str = "half_pixel",
    policy: str = "stretch",
    roi: Sequence[float] | None = None,
) -> list[tuple[int, Tensor, float]]:
    """Of each dimension to resample: its axis, where the new elements lie in the old ones, how many come for one."""
    axes = range(x.dim()) if axes is None else axes
    lengths = [x.shape[axis] for axis in axes]
    if scales is None:
        scales = [
            size / max(length, 1)
            for size, length in zip(sizes or (), lengths, strict=True)
        ]
        if policy != "stretch":
            scales = [min(scales) if policy == "not_larger" else max(scales)] * len(
                scales
            )
            sizes = [int(scales[0] * length + 0.5) for length in lengths]
    elif sizes is None and all((scale * 256).is_integer() for scale in scales):
        sizes = [
            int(length * scale) for length, scale in zip(lengths, scales, strict=True)
        ]
    elif sizes is None:  # ONNX multiplies in float32
        products = torch.tensor(scales, dtype=torch.float32) * torch.tensor(
            lengths, dtype=torch.float32
        )
        sizes = products.long().tolist()
    roi = roi or [*[0.0] * len(lengths), *[1.0] * len(lengths)]
    places = []
    for position, (axis, length, size, scale) in enumerate(
        zip(axes, lengths, sizes or (), scales, strict=True)
    ):
        start, end = roi[position], roi[position + len(lengths)]
        if (size, scale, start, end) != (length, 1, 0, 1):
            places.append(
                (
                    axis,
                    source_place(length, size, scale, coordinates, start, end),
                    scale,
                )
            )
    return places


def source_place(
    length: int, size: int, scale: float, coordinates: str, start: float, end: float
) -> Tensor:
    """Where new elements lie in old ones, by the formulas of ONNX's coordinate_transformation_mode."""
    place = torch.arange(size, dtype=torch.float64)
    extent = scale * length
    if coordinates == "asymmetric":
        return place / scale
    if coordinates == "align_corners":
        return place * (length - 1) / (extent - 1) if size > 1 else place
    if coordinates == "tf_crop_and_resize":
        if size == 1:
            return place + (start + end) * (length - 1) / 2
        return start * (length - 1) + place * (end - start) * (length - 1) / (
            extent - 1
        )
    if coordinates == "pytorch_half_pixel" and size == 1:
        return place
    half_pixel = (place + 0.5) / scale - 0.5
    if coordinates == "half_pixel_symmetric":
        return half_pixel + length / 2 * (1 - size / extent)
    return half_pixel + 0.5 if coordinates == "tf_half_pixel_for_nn" else half_pixel


def resize_nearest(
    x: Tensor,
    places: Sequence[tuple[int, Tensor, float]],
    rounding: str = "round_prefer_floor",
    extrapolation: float | None = None,
) -> Tensor:
    """The elements next to some places."""
    for axis, place, scale in places:
        length, near = x.shape[axis], place.float()
        if rounding == "ceil" or (rounding == "floor_or_ceil" and scale < 1):
            near = near.ceil()
        elif rounding in ("floor", "floor_or_ceil"):
            near = near.floor()
        else:
            near = (
                (near - 0.5).ceil()
                if rounding == "round_prefer_floor"
                else (near + 0.5).floor()
            )
        x = x.index_select(axis, near.long().clamp(0, length - 1).to(x.device))
        x = extrapolated(x, axis, place, length, extrapolation)
    return x


def resize_linear(
    x: Tensor,
    places: Sequence[tuple[int, Tensor, float]],
    antialias: bool = False,
    exclude_outside: bool = False,
    extrapolation: float | None = None,
) -> Tensor:
    """Straight lines between the elements around some places; with antialias over as many as become one."""
    for axis, place, scale in places:
        length, stretch = x.shape[axis], max(1 / scale, 1.0) if antialias else 1.0
        reach = math.ceil(stretch)
        taps = place.floor()[:, None] + torch.arange(1 - reach, reach + 1)
        weights = (1 - (taps - place[:, None]).abs() / stretch).clamp(min=0)
        x = blended(x, axis, taps, weights, exclude_outside)
        x = extrapolated(x, axis, place, length, extrapolation)
    return x


def resize_cubic(
    x: Tensor,
    places: Sequence[tuple[int, Tensor, float]],
    a: float = -0.75,
    antialias: bool = False,
    exclude_outside: bool = False,
    extrapolation: float | None = None,
) -> Tensor:
    """Cubic convolution (R. Keys, 1981, equation 4) around some places."""
    for axis, place, scale in places:
        length, stretch = x.shape[axis], max(1 / scale, 1.0) if antialias else 1.0
        reach = math.ceil(2 * stretch)
        taps = place.floor()[:, None] + torch.arange(1 - reach, reach + 1)
        d = (taps - place[:, None]).abs() / stretch
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weights = torch.where(d <= 1, near, torch.where(d < 2, far, 0.0))
        x = blended(x, axis, taps, weights, exclude_outside)
        x = extrapolated(x, axis, place, length, extrapolation)
    return x


def blended(
    x: Tensor, axis: int, taps: Tensor, weights: Tensor, exclude_outside: bool
) -> Tensor:
    """Weighted sums of elements along a dimension; beyond its ends the last elements repeat, or are left out."""
    length = x.shape[axis]
    if exclude_outside:
        weights = weights * ((taps >= 0) & (taps < length))
    weights = weights / weights.sum(1, keepdim=True)
    axis = axis % x.dim()
    parts = x.index_select(
        axis, taps.long().clamp(0, length - 1).flatten().to(x.device)
    )
    parts = parts.reshape(*x.shape[:axis], *taps.shape, *x.shape[axis + 1 :])
    weights = weights.reshape(*taps.shape, *[1] * (x.dim() - 1 - axis)).to(
        x.device, x.dtype
    )
    return (parts * weights).sum(axis + 1)


def extrapolated(
    x: Tensor, axis: int, place: Tensor, length: int, value: float | None
) -> Tensor:
    """A value where a place lies outside; none to leave all as it is."""
    if value is None:
        return x
    outside = ((place < 0) | (place > length - 1)).to(x.device)
    return torch.where(
        outside.reshape(-1, *[1] * (x.dim() - 1 - axis % x.dim())), value, x
    )
