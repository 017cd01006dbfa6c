"""Operators that ONNX tried at opset 1 and dropped before opset 10; files of those years have them.

Their meanings are those of ONNX's Operators.md of version 1.2, and ONNX Runtime still computes most of them.
"""

from __future__ import annotations

from codegen_torch.expr import Expr, UnknownRank, array
from codegen_torch.lower.registry import Const, Ints, NotApplicable, op
from codegen_torch.ops.indexing import slice_, slice_along_computed_axes
from codegen_torch.symbols.namespaces import F, index, torch

_LAST = 9
"""ONNX 1.5, of opset 10, has them no more."""
_IMAGE_RANK = 4


@op("Affine", since=1, until=_LAST)
def affine(x: Expr, *, alpha: float = 1.0, beta: float = 0.0) -> Expr:
    scaled = x if alpha == 1.0 else alpha * x
    return scaled if beta == 0.0 else scaled + beta


@op("Scale", since=1, until=_LAST)
def scale(x: Expr, *, scale: float = 1.0) -> Expr:
    return x if scale == 1.0 else x * scale


@op("ImageScaler", since=1, until=_LAST)
def image_scaler(x: Expr, *, scale: float = 1.0, bias: tuple[float, ...]) -> Expr:
    """A factor for all, and an offset for each channel."""
    offsets = array(bias, x.dtype).unsqueeze(-1).unsqueeze(-1)
    return (x if scale == 1.0 else x * scale) + offsets  # type: ignore[no-any-return]


@op("ParametricSoftplus", since=1, until=_LAST)
def parametric_softplus(x: Expr, *, alpha: float, beta: float) -> Expr:
    return alpha * F.softplus(beta * x)  # type: ignore[no-any-return]


@op("ScaledTanh", since=1, until=_LAST)
def scaled_tanh(x: Expr, *, alpha: float, beta: float) -> Expr:
    return alpha * torch.tanh(beta * x)  # type: ignore[no-any-return]


@op("Crop", since=1, until=_LAST)
def crop(x: Expr, *, border: tuple[int, ...], scale: tuple[int, ...] = ()) -> Expr:
    """The borders are left, top, right and bottom; a scale is the height and width that stay instead."""
    if x.rank is None:
        raise UnknownRank(x)
    if x.rank != _IMAGE_RANK or len(border) != _IMAGE_RANK or len(scale) not in (0, 2) or min(border) < 0:
        raise NotApplicable(f"borders {border} and scale {scale} of {x.fact}")
    left, top, right, bottom = border
    ends = (top + scale[0], left + scale[1]) if scale else (-bottom or None, -right or None)
    x = index.slice(x, 2, top, ends[0])
    return index.slice(x, 3, left, ends[1])  # type: ignore[no-any-return]


@op("DynamicSlice", since=1, until=_LAST)
def dynamic_slice(x: Expr, starts: Ints, ends: Ints, axes: Const[Ints] | None = None) -> Expr:
    """What became of Slice at opset 10, without steps."""
    return slice_(x, starts, ends, axes)  # type: ignore[no-any-return]


@op("DynamicSlice", since=1, until=_LAST)
def dynamic_slice_at_run_time(x: Expr, starts: Expr, ends: Expr, axes: Expr | None = None) -> Expr:
    return slice_along_computed_axes(x, starts, ends, axes)  # type: ignore[no-any-return]
