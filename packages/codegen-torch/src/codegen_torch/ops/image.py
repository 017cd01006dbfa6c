"""Sampling images where a grid says."""

from __future__ import annotations

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import Ints, NotApplicable, op
from codegen_torch.ops.cast import cast_to
from codegen_torch.symbols.namespaces import F, host, runtime

_PADDING = frozenset({"zeros", "border", "reflection"})
_MODES = {"linear": "bilinear", "cubic": "bicubic", "nearest": "nearest"}


@op("GridSample", since=16, until=19)
def grid_sample_of_images(
    x: Expr, grid: Expr, *, align_corners: int = 0, mode: str = "bilinear", padding_mode: str = "zeros"
) -> Expr:
    """At first the modes had torch's names, and the tensors four dimensions."""
    names = {"bilinear": "linear", "bicubic": "cubic", "nearest": "nearest"}
    if mode not in names:
        raise NotApplicable(f"mode {mode!r} is not supported")
    return grid_sample(x, grid, align_corners=align_corners, mode=names[mode], padding_mode=padding_mode)  # type: ignore[no-any-return]


@op("GridSample", since=20)
def grid_sample(
    x: Expr, grid: Expr, *, align_corners: int = 0, mode: str = "linear", padding_mode: str = "zeros"
) -> Expr:
    """torch samples two or three dimensions, and cubically two, of floating-point numbers."""
    if mode not in _MODES:
        raise NotApplicable(f"mode {mode!r} is not supported")
    if padding_mode not in _PADDING:
        raise NotApplicable(f"padding_mode {padding_mode!r} is not supported")
    if x.rank is None:
        raise UnknownRank(x)
    numbers, corners = (x if x.dtype.is_float else x.to(DType.FLOAT64)), bool(align_corners)
    grid = cast_to(grid, numbers.dtype)
    if x.rank in (4, 5) and (x.rank, mode) != (5, "cubic"):
        y = F.grid_sample(numbers, grid, mode=_MODES[mode], padding_mode=padding_mode, align_corners=corners)
    else:
        y = runtime.grid_sample_nd(numbers, grid, mode=mode, padding_mode=padding_mode, align_corners=corners)
    return cast_to(y, x.dtype)


@op("AffineGrid", since=20)
def affine_grid(theta: Expr, size: Ints, *, align_corners: int = 0) -> Expr:
    return F.affine_grid(theta, tuple(size), align_corners=bool(align_corners))  # type: ignore[no-any-return]


@op("AffineGrid", since=20)
def affine_grid_at_run_time(theta: Expr, size: Expr, *, align_corners: int = 0) -> Expr:
    return F.affine_grid(theta, host.tolist(size), align_corners=bool(align_corners))  # type: ignore[no-any-return]
