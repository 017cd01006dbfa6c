"""Resampling of images."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen_torch.dims import divide
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array
from codegen_torch.facts import Array, FactError, Size, shape_text
from codegen_torch.lower.registry import Const, Floats, Int, Ints, NotApplicable, host_elements, op
from codegen_torch.numbers import shortest_float32
from codegen_torch.ops.windows import MOST
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.demands import demand_shape
from codegen_torch.symbols.namespaces import F, host, runtime, torch
from codegen_torch.symbols.shape import normal

_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}
_AWAY = "floor_or_ceil"
"""How elements were picked before opset 11: the one before, or, where the dimension shrinks, the one behind."""
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
    """torch's own interpolation, where it computes the same."""
    if not x.dtype.is_float:
        raise NotApplicable("torch interpolates floating-point numbers alone")
    if coordinate_transformation_mode == "tf_crop_and_resize":
        raise NotApplicable("torch interpolates no region")
    if sizes and keep_aspect_ratio_policy != "stretch":
        raise NotApplicable(f"keep_aspect_ratio_policy {keep_aspect_ratio_policy!r} changes the sizes")
    if mode == "cubic" and (exclude_outside or cubic_coeff_a != -0.75):
        raise NotApplicable("torch's cubic interpolation has the coefficient -0.75 and extends the border")
    dimensions = _by_axis(x, axes, sizes or (), scales or ())
    if antialias and mode != "nearest" and not all(_is_enlarged(axis) for axis in dimensions if axis is not None):
        raise NotApplicable("torch's antialiasing is another one")
    return _resample(x, dimensions, mode, coordinate_transformation_mode, nearest_mode)


def _is_enlarged(axis: _Axis) -> bool:
    return axis.scale is not None and axis.scale >= 1


@op("Resize", since=11)
def resize_by_places(
    x: Expr,
    roi: Expr | None = None,
    scales: Expr | None = None,
    sizes: Expr | None = None,
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
    """Anything else, dimension by dimension, also where sizes, scales and regions come at run time."""
    _check("mode", mode, _MODES)
    _check("coordinate_transformation_mode", coordinate_transformation_mode, _COORDINATES)
    _check("keep_aspect_ratio_policy", keep_aspect_ratio_policy, _POLICIES)
    crops = coordinate_transformation_mode == "tf_crop_and_resize"
    if crops and roi is None:
        raise NotApplicable("there is no region to crop")
    places = _places(
        x,
        None if sizes is not None and sizes.fact.size != 0 else scales,
        None if sizes is None or sizes.fact.size == 0 else sizes,
        axes,
        coordinate_transformation_mode,
        keep_aspect_ratio_policy,
        roi if crops else None,
    )
    options: dict[str, Any] = {"extrapolation": extrapolation_value} if crops else {}
    if mode == "nearest":
        _check("nearest_mode", nearest_mode, {*_ROUNDINGS, _AWAY})
        return runtime.resize_nearest(x, places, rounding=nearest_mode, **options)  # type: ignore[no-any-return]
    options |= {"antialias": bool(antialias), "exclude_outside": bool(exclude_outside)}
    numbers = x if x.dtype.is_float else x.to(DType.FLOAT64)
    if mode == "linear":
        result = runtime.resize_linear(numbers, places, **options)
    else:
        result = runtime.resize_cubic(numbers, places, a=cubic_coeff_a, **options)
    return result if x.dtype.is_float else _saturated(result, x.dtype)


_MODES = frozenset({"nearest", "linear", "cubic"})
_POLICIES = frozenset({"stretch", "not_larger", "not_smaller"})
_COORDINATES = frozenset(
    {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"}
    | {"tf_half_pixel_for_nn", "tf_crop_and_resize"}
)


def _check(name: str, value: str, known: Container[str]) -> None:
    if value not in known:
        raise NotApplicable(f"{name} {value!r} is not supported")


def _saturated(x: Expr, dtype: DType) -> Expr:
    """Rounded to the nearest integer there is."""
    if not dtype.is_int:
        raise NotApplicable(f"{dtype} is not interpolated")
    limits = np.iinfo(dtype.numpy)
    return torch.clamp(torch.round(x), min=int(limits.min), max=int(limits.max)).to(dtype)  # type: ignore[no-any-return]


def _places(
    x: Expr,
    scales: Expr | None,
    sizes: Expr | None,
    axes: tuple[int, ...],
    coordinates: str,
    policy: str,
    roi: Expr | None,
) -> Expr:
    """Where the new elements lie in the old ones; dimensions that are known to stay are left out."""
    given = sizes if sizes is not None else scales
    if given is None or given.fact.size == 0:
        raise NotApplicable("either scales or sizes must be given")
    if 0 in (x.dims or ()):
        raise NotApplicable("nothing is interpolated between no elements")
    numbers = _numbers(given)
    _check_positive(numbers if isinstance(numbers, tuple) else ())
    chosen: tuple[int, ...] | None = axes or None
    if isinstance(numbers, tuple) and roi is None and policy == "stretch" and x.dims is not None:
        every = tuple(normal(axis, len(x.dims)) for axis in axes) or tuple(range(len(x.dims)))
        if len(numbers) != len(every):
            raise NotApplicable(f"{len(numbers)} scales or sizes for {len(every)} dimensions")
        stays = [1 if sizes is None else x.dims[axis] for axis in every]
        changed = [i for i, (number, same) in enumerate(zip(numbers, stays, strict=True)) if size_of(number) != same]
        numbers, chosen = tuple(numbers[i] for i in changed), tuple(every[i] for i in changed)
    elif x.rank is not None:
        demand_shape("a resize", "list of sizes or scales", given.fact, len(axes) or x.rank)
    options: dict[str, Any] = {"sizes": numbers} if sizes is not None else {"scales": numbers}
    if sizes is None and isinstance(numbers, tuple) and x.dims is not None:
        options["sizes"] = _rounded_sizes([x.dims[axis] for axis in chosen or range(len(x.dims))], numbers)
    region = None if roi is None else _numbers(roi)
    return runtime.source_places(x, axes=chosen, coordinates=coordinates, policy=policy, roi=region, **options)  # type: ignore[no-any-return]


def _rounded_sizes(lengths: Sequence[Size], scales: Sequence[float]) -> tuple[int, ...] | None:
    """The sizes that come out, where they are known and only multiplying in float32 as ONNX does tells them."""
    known = [length for length in lengths if isinstance(length, int)]
    if len(known) < len(lengths) or all((scale * 256).is_integer() for scale in scales):
        return None
    return tuple(int(np.float32(length) * np.float32(scale)) for length, scale in zip(known, scales, strict=True))


def _numbers(vector: Expr) -> Any:
    """The elements of a list: numbers or sizes as far as they are known, else what the run tells."""
    if vector.dtype.is_float:
        known = vector.fact.value
        return host.tolist(vector) if known is None else tuple(map(shortest_float32, known.reshape(-1).tolist()))
    found = host_elements(vector)
    return host.tolist(vector) if found is None else found


@op("Resize", since=10, until=10)
def resize_asymmetric(x: Expr, scales: Const[Floats], *, mode: str = "nearest") -> Expr:
    """At first there was one way to find coordinates."""
    if not x.dtype.is_float:
        raise NotApplicable("torch interpolates floating-point numbers alone")
    return _resample(x, _by_axis(x, (), (), scales), mode, "asymmetric", _AWAY)


@op("Resize", since=10, until=10)
def resize_asymmetric_by_places(x: Expr, scales: Expr, *, mode: str = "nearest") -> Expr:
    return resize_by_places(  # type: ignore[no-any-return]
        x, None, scales, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode=_AWAY
    )


@op("Upsample", since=9, until=9)
def upsample(x: Expr, scales: Const[Floats], *, mode: str = "nearest") -> Expr:
    return resize_asymmetric(x, scales, mode=mode)  # type: ignore[no-any-return]


@op("Upsample", since=9, until=9)
def upsample_by_places(x: Expr, scales: Expr, *, mode: str = "nearest") -> Expr:
    return resize_asymmetric_by_places(x, scales, mode=mode)  # type: ignore[no-any-return]


@op("Upsample", since=7, until=8)
def upsample_by_attribute(x: Expr, *, scales: tuple[float, ...], mode: str = "nearest") -> Expr:
    try:
        return resize_asymmetric(x, scales, mode=mode)  # type: ignore[no-any-return]
    except NotApplicable:
        return resize_asymmetric_by_places(x, array(scales, DType.FLOAT32), mode=mode)  # type: ignore[no-any-return]


@op("Upsample", since=1, until=6)
def upsample_image(x: Expr, *, height_scale: float, width_scale: float, mode: str = "nearest") -> Expr:
    """The oldest form, of images alone."""
    if x.rank not in (None, 4):
        raise NotApplicable(f"{x.fact} is no batch of images")
    _check("mode", mode, {"nearest", "bilinear"})
    plain = "linear" if mode == "bilinear" else mode
    return upsample_by_attribute(x, scales=(1.0, 1.0, height_scale, width_scale), mode=plain)  # type: ignore[no-any-return]


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
    chosen = tuple(normal(axis, rank) for axis in axes) or tuple(range(rank))
    if bool(sizes) == bool(scales):
        raise NotApplicable("either scales or sizes must be given")
    if len(sizes or scales) != len(chosen):
        raise NotApplicable(f"{len(sizes or scales)} scales or sizes for {len(chosen)} dimensions")
    _check_positive([*sizes, *scales])
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


def _check_positive(numbers: Sequence[Int | float]) -> None:
    """Refuse scales that turn round, and sizes below 0."""
    known = [number for number in map(size_of, numbers) if isinstance(number, int | float)]
    if any(number < 0 or number > MOST or (isinstance(number, float) and number == 0) for number in known):
        raise FactError(f"a resize by {shape_text(tuple(map(str, known)))}")


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
            raise NotApplicable(f"torch picks other elements than {coordinates!r} with {rounding!r}")
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
    if axis.factor is None or axis.factor.is_integer():
        return True
    return isinstance(axis.size, int) and axis.output == axis.size * axis.factor


def _nearest_mode(axes: list[_Axis], coordinates: str, rounding: str) -> str | None:
    """The mode of torch that picks the very elements ONNX picks, if one does."""
    for mode in ("nearest", "nearest-exact"):
        if all(_picks_the_same(axis, mode, coordinates, rounding) for axis in axes):
            return mode
    return None


_SAME_FORMULA = {("nearest", "asymmetric", "floor"), ("nearest-exact", "half_pixel", "round_prefer_ceil")}


def _picks_the_same(axis: _Axis, mode: str, coordinates: str, rounding: str) -> bool:
    if axis.scale is None:
        return (mode, coordinates, rounding) in _SAME_FORMULA
    if rounding == _AWAY:
        rounding = "ceil" if axis.scale < 1 else "floor"
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
