"""Sampling images where a grid says."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Ints, NotApplicable, op
from codegen_torch.ops.cast import cast_to
from codegen_torch.symbols.namespaces import F, host

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
    """torch samples two or three dimensions, and cubically two."""
    if mode not in _MODES:
        raise NotApplicable(f"mode {mode!r} is not supported")
    if padding_mode not in _PADDING:
        raise NotApplicable(f"padding_mode {padding_mode!r} is not supported")
    if x.rank not in (4, 5) or (x.rank == 5 and mode == "cubic"):
        raise NotApplicable(f"torch samples no {x.fact} in mode {mode!r}")
    if not x.dtype.is_float:
        raise NotApplicable("torch samples floating-point numbers alone")
    return F.grid_sample(  # type: ignore[no-any-return]
        x, cast_to(grid, x.dtype), mode=_MODES[mode], padding_mode=padding_mode, align_corners=bool(align_corners)
    )


@op("AffineGrid", since=20)
def affine_grid(theta: Expr, size: Ints, *, align_corners: int = 0) -> Expr:
    return F.affine_grid(theta, tuple(size), align_corners=bool(align_corners))  # type: ignore[no-any-return]


@op("AffineGrid", since=20)
def affine_grid_at_run_time(theta: Expr, size: Expr, *, align_corners: int = 0) -> Expr:
    return F.affine_grid(theta, host.tolist(size), align_corners=bool(align_corners))  # type: ignore[no-any-return]
