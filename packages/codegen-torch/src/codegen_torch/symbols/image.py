"""Symbols that resample images and other tensors."""

from __future__ import annotations

from typing import Any, TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, FactError, Size, shape_text
from codegen_torch.symbols.base import size_of, sizes_of, symbol
from codegen_torch.symbols.demands import demand_rank, demand_shape, is_below
from codegen_torch.symbols.shape import normal

Tensor: TypeAlias = Fact


@symbol("runtime.source_places")
def source_places(
    x: Tensor,
    *,
    sizes: Any = None,
    scales: Any = None,
    axes: tuple[int, ...] | None = None,
    coordinates: str = "half_pixel",
    policy: str = "stretch",
    roi: Any = None,
) -> Fact:
    """A Python list. Its "sizes" are those of the tensor that will be resampled."""
    return Fact(DType.FLOAT64, _resized(x, sizes, axes, policy), host=True)


def _resized(x: Fact, sizes: Any, axes: tuple[int, ...] | None, policy: str) -> tuple[Size, ...] | None:
    if x.dims is None:
        return None
    places = range(len(x.dims)) if axes is None else [normal(axis, len(x.dims)) for axis in axes]
    dims: list[Size] = list(x.dims)
    known = None if sizes is None or policy != "stretch" else sizes_of(sizes)
    for position, axis in enumerate(places):
        dims[axis] = Dim.fresh() if known is None or position >= len(known) else known[position]
    return tuple(dims)


@symbol("runtime.resize_nearest")
def resize_nearest(
    x: Tensor, places: Any, *, rounding: str = "round_prefer_floor", extrapolation: float | None = None
) -> Fact:
    return Fact(x.dtype, places.dims)


@symbol("runtime.resize_linear")
def resize_linear(
    x: Tensor,
    places: Any,
    *,
    antialias: bool = False,
    exclude_outside: bool = False,
    extrapolation: float | None = None,
) -> Fact:
    return Fact(x.dtype, places.dims)


@symbol("runtime.resize_cubic")
def resize_cubic(
    x: Tensor,
    places: Any,
    *,
    a: float = -0.75,
    antialias: bool = False,
    exclude_outside: bool = False,
    extrapolation: float | None = None,
) -> Fact:
    return Fact(x.dtype, places.dims)


def _check_grid(x: Fact, grid: Fact) -> None:
    """Refuse a grid of another batch, or whose points have not one coordinate for each spatial dimension."""
    demand_rank("a sample", x, 3)
    if x.dims is not None:
        demand_shape(f"a sample of {x}", "grid", grid, x.dims[0], *[None] * (len(x.dims) - 2), len(x.dims) - 2)


@symbol("F.grid_sample")
def grid_sample(
    x: Tensor, grid: Tensor, *, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool
) -> Fact:
    """torch warns where ``align_corners`` is not said."""
    _check_grid(x, grid)
    if x.dims is None or grid.dims is None:
        return Fact(x.dtype, None)
    return Fact(x.dtype, (*x.dims[:2], *grid.dims[1:-1]))


@symbol("runtime.grid_sample_nd")
def grid_sample_nd(
    x: Tensor, grid: Tensor, *, mode: str = "linear", padding_mode: str = "zeros", align_corners: bool = False
) -> Fact:
    _check_grid(x, grid)
    if x.dims is None or grid.dims is None:
        return Fact(x.dtype, None)
    return Fact(x.dtype, (*x.dims[:2], *grid.dims[1:-1]))


@symbol("F.affine_grid")
def affine_grid(theta: Tensor, size: tuple[Size, ...], *, align_corners: bool) -> Fact:
    if isinstance(size, Expr) or sizes_of(size) is None:
        return Fact(theta.dtype, None)
    sizes = [size_of(length) for length in size]
    if len(sizes) not in (4, 5) or any(is_below(length, 1) for length in sizes):
        raise FactError(f"a grid of sizes {shape_text(tuple(sizes))}")
    demand_shape("a grid", "transform", theta, sizes[0], len(sizes) - 2, len(sizes) - 1)
    return Fact(theta.dtype, (sizes[0], *sizes[2:], len(sizes) - 2))


@symbol("runtime.decode_image")
def decode_image(stream: Tensor, pixel_format: str = "RGB") -> Fact:
    return Fact(DType.UINT8, (Dim.fresh(), Dim.fresh(), 1 if pixel_format == "Grayscale" else 3))
