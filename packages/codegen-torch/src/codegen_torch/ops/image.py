"""Resampling of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen_torch.dims import divide
from codegen_torch.expr import Expr, array
from codegen_torch.facts import Array, Size
from codegen_torch.lower.registry import Const, Floats, Int, Ints, NotApplicable, op
from codegen_torch.numbers import shortest_float32
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.namespaces import F, index

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_PROBED = 1 << 14
"""Where the size is not known, the elements picked are compared for an output of this length."""


@op("Resize", since=11)
def resize(
    x: Expr,
    roi: Expr | None = None,
    scales: Const[Floats] | None = None,
    sizes: Ints | None = None,
    *,
    antialias: int = 0,
    axes: tuple[int, ...] = (),
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Expr:
    if antialias:
        raise NotApplicable("antialiasing is not supported")
    if sizes and keep_aspect_ratio_policy != "stretch":
        raise NotApplicable(f"keep_aspect_ratio_policy {keep_aspect_ratio_policy!r} is not supported")
    if mode == "cubic" and (exclude_outside or cubic_coeff_a != -0.75):
        raise NotApplicable("torch's cubic interpolation has the coefficient -0.75 and extends the border")
    dimensions = _by_axis(x, axes, sizes or (), scales or ())
    return _resample(x, dimensions, mode, coordinate_transformation_mode, nearest_mode)


@op("Resize", since=10, until=10)
def resize_asymmetric(x: Expr, scales: Const[Floats], *, mode: str = "nearest") -> Expr:
    return _resample(x, _by_axis(x, (), (), scales), mode, "asymmetric", "floor")


@op("Upsample", since=9, until=9)
def upsample(x: Expr, scales: Const[Floats], *, mode: str = "nearest") -> Expr:
    return resize_asymmetric(x, scales, mode=mode)  # type: ignore[no-any-return]


@op("Upsample", since=7, until=8)
def upsample_by_attribute(x: Expr, *, scales: tuple[float, ...], mode: str = "nearest") -> Expr:
    return resize_asymmetric(x, scales, mode=mode)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class _Axis:
    """One dimension that is resampled: to a length, or by a factor."""

    size: Size
    length: Int | None
    factor: float | None

    @property
    def scale(self) -> float | None:
        """How many elements come out for one that goes in, if known."""
        if self.factor is not None or self.length is None:
            return self.factor
        length = size_of(self.length)
        if isinstance(length, int) and isinstance(self.size, int):
            return length / self.size
        exact = divide(length, self.size)
        return exact if isinstance(exact, int) else None

    @property
    def output(self) -> int | None:
        """How many elements come out, if known."""
        if self.length is not None:
            length = size_of(self.length)
            return length if isinstance(length, int) else None
        return math.floor(self.size * (self.factor or 1)) if isinstance(self.size, int) else None


def _by_axis(x: Expr, axes: tuple[int, ...], sizes: Sequence[Int], scales: Sequence[float]) -> list[_Axis | None]:
    """What happens to each dimension; None where it stays as it is."""
    rank = len(x.shape)
    chosen = tuple(axis % rank for axis in axes) or tuple(range(rank))
    if bool(sizes) == bool(scales):
        raise NotApplicable("either scales or sizes must be given")
    if len(sizes or scales) != len(chosen):
        raise NotApplicable(f"{len(sizes or scales)} scales or sizes for {len(chosen)} dimensions")
    result: list[_Axis | None] = [None] * rank
    for axis, length in zip(chosen, sizes, strict=False):
        size = size_of(x.shape[axis])
        if size_of(length) != size:
            result[axis] = _Axis(size, length, None)
    for axis, scale in zip(chosen, scales, strict=False):
        if scale != 1:
            size, factor = size_of(x.shape[axis]), shortest_float32(scale)
            _check_factor(size, factor)
            result[axis] = _Axis(size, None, factor)
    return result


def _check_factor(size: Size, factor: float) -> None:
    """Refuse where ONNX's size, computed in float32, and torch's, in float64, may be rounded to different numbers."""
    if factor <= 0:
        raise NotApplicable(f"the scale {factor} is not positive")
    if (factor * 256).is_integer():
        return
    if not isinstance(size, int) or int(np.float32(size) * np.float32(factor)) != math.floor(size * factor):
        raise NotApplicable(f"the scale {factor} gives a size that depends on how it is rounded")


def _resample(x: Expr, axes: list[_Axis | None], mode: str, coordinates: str, rounding: str) -> Expr:
    changed = [axis for axis in axes if axis is not None]
    if not changed:
        return x
    count = len(axes) - 2
    is_spatial = count in _LINEAR and axes[:2] == [None, None]
    options: dict[str, Any]
    if mode == "nearest":
        chosen = _nearest_mode(changed, coordinates, rounding) if is_spatial else None
        if chosen is None:
            return _picked(x, axes, coordinates, rounding)
        options = {"mode": chosen}
    elif not is_spatial:
        raise NotApplicable("torch resamples one to three spatial dimensions behind batch and channels")
    elif mode == "linear" or (mode == "cubic" and count == 2):
        corners = _align_corners(changed, coordinates)
        options = {"mode": _LINEAR[count] if mode == "linear" else "bicubic", "align_corners": corners or None}
    else:
        raise NotApplicable(f"the mode {mode!r} is not supported for {count} spatial dimensions")
    if any(axis.length is not None for axis in changed):
        size = tuple(x.shape[2 + i] if axis is None else axis.length for i, axis in enumerate(axes[2:]))
        return F.interpolate(x, size=size, **options)  # type: ignore[no-any-return]
    factors = [1.0 if axis is None or axis.factor is None else axis.factor for axis in axes[2:]]
    steps = tuple(int(factor) if factor.is_integer() else factor for factor in factors)
    return F.interpolate(x, scale_factor=steps[0] if len(set(steps)) == 1 else steps, **options)  # type: ignore[no-any-return]


def _align_corners(axes: list[_Axis], coordinates: str) -> bool:
    """What torch calls ``align_corners``, for linear and cubic interpolation."""
    if coordinates == "align_corners":
        if all(_is_whole(axis) for axis in axes):
            return True
        raise NotApplicable("align_corners with a scale that gives no whole size")
    if coordinates == "half_pixel":
        return False
    if coordinates == "pytorch_half_pixel" and all(_is_longer_than_one(axis) for axis in axes):
        return False
    if coordinates == "half_pixel_symmetric" and all(_is_whole(axis) for axis in axes):
        return False
    raise NotApplicable(f"torch does not interpolate with the coordinates {coordinates!r}")


def _is_longer_than_one(axis: _Axis) -> bool:
    """Whether there is more than one element: of a single one ``pytorch_half_pixel`` takes another coordinate."""
    if axis.output is not None:
        return axis.output > 1 or axis.size == 1
    return axis.scale is not None and axis.scale >= 2


def _is_whole(axis: _Axis) -> bool:
    """Whether the output's size is not rounded, so that there is nothing to be symmetric about."""
    return axis.factor is None or axis.factor.is_integer() or axis.output == axis.size * axis.factor


def _nearest_mode(axes: list[_Axis], coordinates: str, rounding: str) -> str | None:
    """The mode of torch that picks the very elements ONNX picks, if one does."""
    for mode in ("nearest", "nearest-exact"):
        if all(_picks_the_same(axis, mode, coordinates, rounding) for axis in axes):
            return mode
    return None


def _picked(x: Expr, axes: list[_Axis | None], coordinates: str, rounding: str) -> Expr:
    """The elements that ONNX picks, by their positions, which must be known at conversion."""
    for dim, axis in enumerate(axes):
        if axis is None:
            continue
        if axis.output is None or axis.scale is None or not isinstance(axis.size, int):
            raise NotApplicable(f"torch picks other elements than {coordinates!r} with {rounding!r}")
        positions = _onnx_indices(axis.size, axis.output, axis.scale, coordinates, rounding)
        if positions is None:
            raise NotApplicable(f"the coordinates {coordinates!r} with {rounding!r} are not supported")
        x = index.take(x, array(positions.astype(np.int64)), dim)
    return x


_SAME_FORMULA = {("nearest", "asymmetric", "floor"), ("nearest-exact", "half_pixel", "round_prefer_ceil")}


def _picks_the_same(axis: _Axis, mode: str, coordinates: str, rounding: str) -> bool:
    if axis.scale is None:
        return (mode, coordinates, rounding) in _SAME_FORMULA
    size = axis.size if isinstance(axis.size, int) else None
    output = _PROBED if axis.output is None else axis.output
    wanted = _onnx_indices(size, output, axis.scale, coordinates, rounding)
    return wanted is not None and np.array_equal(wanted, _torch_indices(size, output, _step(axis), mode))


def _onnx_indices(size: int | None, output: int, scale: float, coordinates: str, rounding: str) -> Array | None:
    """The input's element for each of the output (ONNX, Resize), or None where it depends on unknown sizes."""
    position: Array = np.arange(output)
    place: Array
    if coordinates == "asymmetric":
        place = position / scale
    elif coordinates == "half_pixel" or (coordinates == "pytorch_half_pixel" and output > 1):
        place = (position + 0.5) / scale - 0.5
    elif coordinates == "tf_half_pixel_for_nn":
        place = (position + 0.5) / scale
    elif coordinates == "align_corners" and size is not None and output > 1:
        place = position * (size - 1) / (output - 1)
    else:
        return None
    rounded = _ROUNDINGS.get(rounding)
    return None if rounded is None else np.clip(rounded(place), 0, np.inf if size is None else size - 1)


_ROUNDINGS: dict[str, Callable[[Array], Array]] = {
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda place: np.ceil(place - 0.5),
    "round_prefer_ceil": lambda place: np.floor(place + 0.5),
}


def _step(axis: _Axis) -> np.float32:
    """How far torch's coordinate moves for one element of the output."""
    if axis.length is not None and isinstance(axis.size, int):
        return np.float32(axis.size) / np.float32(axis.output)
    return np.float32(1 / axis.scale) if axis.scale else np.float32(0)


def _torch_indices(size: int | None, output: int, step: np.float32, mode: str) -> Array:
    """The same of torch's ``nearest`` and ``nearest-exact`` modes, in float32 as torch computes."""
    position = np.arange(output, dtype=np.float32) + np.float32(0.5 if mode == "nearest-exact" else 0)
    place = np.floor(position * step)
    return np.asarray(np.minimum(place, np.inf if size is None else size - 1))
