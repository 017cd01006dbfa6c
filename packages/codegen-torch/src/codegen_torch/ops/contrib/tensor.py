"""Operators on tensors that ONNX has, too, most of them by now."""

from __future__ import annotations

from dataclasses import replace

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Const, Context, NotApplicable, host_elements
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.generator import range_
from codegen_torch.ops.image import grid_sample_of_images
from codegen_torch.ops.indexing import gather_nd, gather_nd_at_run_time, trilu
from codegen_torch.ops.padding import pad, pad_at_run_time
from codegen_torch.ops.pool import max_pool
from codegen_torch.ops.windows import Numbers
from codegen_torch.symbols.namespaces import host, runtime, torch

microsoft("GridSample")(grid_sample_of_images)
microsoft("GatherND")(gather_nd)
microsoft("GatherND")(gather_nd_at_run_time)
microsoft("Trilu")(trilu)
microsoft("Pad")(pad)
microsoft("Pad")(pad_at_run_time)


@microsoft("ExpandDims")
def expand_dims(x: Expr, axis: Const[int]) -> Expr:
    return x.unsqueeze(axis)  # type: ignore[no-any-return]


@microsoft("Inverse")
def inverse(x: Expr) -> Expr:
    return torch.inverse(x)  # type: ignore[no-any-return]


@microsoft("Range")
def range_by_default_1(start: Expr, limit: Expr, delta: Expr | None = None) -> Expr:
    """The bounds may be vectors of one element."""
    if delta is None:
        delta = torch.ones(dtype=start.dtype)
    return range_(*(bound.squeeze(0) if bound.rank == 1 else bound for bound in (start, limit, delta)))  # type: ignore[no-any-return]


@microsoft("CropAndResize")
def crop_and_resize(
    x: Expr,
    rois: Expr,
    batch_indices: Expr,
    crop_size: Expr,
    *,
    extrapolation_value: float = 0.0,
    mode: str = "bilinear",
) -> Expr:
    if mode not in ("bilinear", "nearest"):
        raise NotApplicable(f"mode {mode!r} is not known")
    size = host_elements(crop_size) or host.tolist(crop_size)
    return runtime.crop_and_resize(x, rois, batch_indices, size, mode=mode, outside=extrapolation_value)  # type: ignore[no-any-return]


@microsoft("NhwcMaxPool")
def nhwc_max_pool(
    x: Expr,
    *,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Numbers = (),
    kernel_shape: Numbers,
    pads: Numbers = (),
    strides: Numbers = (),
    context: Context,
) -> Expr:
    """Channels come last."""
    move = {"dilations": dilations, "kernel_shape": kernel_shape, "pads": pads, "strides": strides}
    own = replace(context, outputs=context.outputs[:1])
    y = max_pool(channels_first(x), auto_pad=auto_pad, ceil_mode=ceil_mode, **move, context=own)
    return channels_last(y)


def channels_first(x: Expr) -> Expr:
    """The last dimension behind the first."""
    rank = len(x.shape)
    return x.permute(0, rank - 1, *range(1, rank - 1))  # type: ignore[no-any-return]


def channels_last(x: Expr) -> Expr:
    """The second dimension behind all others."""
    return x.permute(0, *range(2, len(x.shape)), 1)  # type: ignore[no-any-return]
