"""Operators that were experimental in the first opsets and gone in the tenth, as files of Core ML and Caffe2 have them.

ONNX no longer has their schemas; ONNX Runtime knows them up to opset 9.
"""

from __future__ import annotations

from codegen_torch.expr import Expr, array
from codegen_torch.lower.registry import Const, Ints, NotApplicable, op
from codegen_torch.ops.indexing import slice_
from codegen_torch.symbols.namespaces import F, index, torch

_LAST = 9


@op("Affine", since=1, until=_LAST)
def affine(x: Expr, *, alpha: float = 1.0, beta: float = 0.0) -> Expr:
    return alpha * x + beta


@op("ParametricSoftplus", since=1, until=_LAST)
def parametric_softplus(x: Expr, *, alpha: float, beta: float) -> Expr:
    return alpha * F.softplus(beta * x)  # type: ignore[no-any-return]


@op("ScaledTanh", since=1, until=_LAST)
def scaled_tanh(x: Expr, *, alpha: float, beta: float) -> Expr:
    return alpha * torch.tanh(beta * x)  # type: ignore[no-any-return]


@op("Scale", since=1, until=_LAST)
def scale(x: Expr, *, scale: float = 1.0) -> Expr:
    return x * scale


@op("ImageScaler", since=1, until=_LAST)
def image_scaler(x: Expr, *, scale: float = 1.0, bias: tuple[float, ...]) -> Expr:
    """The bias is added to the channels of a scaled [batch, channels, height, width]."""
    return x * scale + array(bias, x.dtype).reshape(-1, 1, 1)  # type: ignore[no-any-return]


@op("Crop", since=1, until=_LAST)
def crop(x: Expr, *, border: tuple[int, ...], scale: tuple[int, ...] = ()) -> Expr:
    """The border is left, top, right, bottom; with ``scale``, the height and width, only left and top count."""
    if len(border) != 4 or len(scale) not in (0, 2) or min(border) < 0:
        raise NotApplicable(f"a border of {list(border)} with a scale of {list(scale)}")
    left, top, right, bottom = border
    if scale:
        height, width = scale
        return index.slice(index.slice(x, 2, top, top + height), 3, left, left + width)  # type: ignore[no-any-return]
    return index.slice(index.slice(x, 2, top, -bottom or None), 3, left, -right or None)  # type: ignore[no-any-return]


@op("DynamicSlice", since=1, until=_LAST)
def dynamic_slice(x: Expr, starts: Ints, ends: Ints, axes: Const[Ints] | None = None) -> Expr:
    return slice_(x, starts, ends, axes)  # type: ignore[no-any-return]
