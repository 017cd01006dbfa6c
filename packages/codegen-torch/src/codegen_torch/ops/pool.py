"""Pooling."""

from __future__ import annotations

import numpy as np

from codegen_torch.expr import Expr, array, call
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.ops.windows import Numbers, Window, brief, padded, spatial_rank, window


@op("MaxPool", since=1)
def max_pool(
    x: Expr,
    *,
    kernel_shape: Numbers,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Numbers = (),
    pads: Numbers = (),
    storage_order: int = 0,
    strides: Numbers = (),
    context: Context,
) -> Expr:
    """The indices that opset 8 can return count over the whole tensor; torch's count over one channel."""
    if any(context.outputs[1:]):
        raise NotApplicable("the indices of a maximum are not supported")
    move = window(x, kernel_shape, strides, dilations, pads, auto_pad)
    ceil = bool(ceil_mode) and auto_pad in ("", "NOTSET", "VALID")
    padding = move.before
    if not _fits(move, move.spans):
        lowest = -np.inf if x.dtype.is_float else int(np.iinfo(x.dtype.numpy).min)
        x = padded(x, move.before, _after_of_ceil(x, move) if ceil else move.after, lowest)
        padding, ceil = (0,) * len(padding), False
    return call(
        f"F.max_pool{_dimensions(move)}d",
        x,
        brief(move.kernel),
        stride=_stride(move),
        padding=brief(padding),
        dilation=brief(move.dilation),
        ceil_mode=ceil,
    )


@op("AveragePool", since=1)
def average_pool(
    x: Expr,
    *,
    kernel_shape: Numbers,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Numbers = (),
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    move = window(x, kernel_shape, strides, dilations, pads, auto_pad)
    if set(move.dilation) != {1}:
        raise NotApplicable("torch has no average over a window with gaps")
    pool = f"F.avg_pool{_dimensions(move)}d"
    ceil = bool(ceil_mode) and auto_pad in ("", "NOTSET", "VALID")
    if _fits(move, move.kernel):
        return call(
            pool,
            x,
            brief(move.kernel),
            stride=_stride(move),
            padding=brief(move.before),
            ceil_mode=ceil,
            count_include_pad=bool(count_include_pad) or not any(move.before),
        )
    if ceil and count_include_pad:
        raise NotApplicable("ceil_mode with different padding on both sides, counted in, is not supported")
    after = _after_of_ceil(x, move) if ceil else move.after
    y = call(pool, padded(x, move.before, after), brief(move.kernel), stride=_stride(move))
    if count_include_pad:
        return y
    return y * _correction(x, move, after)


def _correction(x: Expr, move: Window, after: Numbers) -> Expr:
    """What turns averages over whole windows into averages over their elements inside the tensor."""
    if x.dims is None or not all(isinstance(size, int) for size in x.dims[2:]):
        raise NotApplicable("an average with different padding on both sides needs sizes known at conversion")
    factor = np.ones((), np.float64)
    for size, kernel, stride, first, last in zip(x.dims[2:], move.kernel, move.stride, move.before, after, strict=True):
        inside = np.pad(np.ones(size), (first, last))  # type: ignore[arg-type]
        counts = np.lib.stride_tricks.sliding_window_view(inside, kernel)[::stride].sum(-1)
        factor = factor[..., np.newaxis] * (kernel / counts)
    return array(factor.astype(x.dtype.numpy), x.dtype)


def _after_of_ceil(x: Expr, move: Window) -> Numbers:
    """The padding after the last element with which rounding down gives what rounding up gave before.

    A window that would start in the padding after the last element does not count (ONNX, MaxPool-22).
    """
    if x.dims is None or not all(isinstance(size, int) for size in x.dims[2:]):
        raise NotApplicable("ceil_mode with different padding on both sides needs sizes known at conversion")
    result: list[int] = []
    for size, span, stride, first, last in zip(
        x.dims[2:], move.spans, move.stride, move.before, move.after, strict=True
    ):
        assert isinstance(size, int)
        steps = -(-(size + first + last - span) // stride)
        if steps * stride >= size + first:
            steps -= 1
        result.append(max(steps * stride + span - size - first, 0))
    return tuple(result)


def _fits(move: Window, spans: Numbers) -> bool:
    """Whether torch takes the padding: the same on both sides, and at most half of the window."""
    return move.is_symmetric and all(2 * pad <= span for pad, span in zip(move.before, spans, strict=True))


def _stride(move: Window) -> int | Numbers | None:
    """By default torch's windows lie side by side."""
    return None if move.stride == move.kernel else brief(move.stride)


def _dimensions(move: Window) -> int:
    if len(move.kernel) > 3:
        raise NotApplicable(f"torch has no pooling over {len(move.kernel)} dimensions")
    return len(move.kernel)


@op("GlobalAveragePool", since=1)
def global_average_pool(x: Expr) -> Expr:
    return x.mean(_spatial(x), keepdim=True)  # type: ignore[no-any-return]


@op("GlobalMaxPool", since=1)
def global_max_pool(x: Expr) -> Expr:
    return x.amax(_spatial(x), keepdim=True)  # type: ignore[no-any-return]


def _spatial(x: Expr) -> int | Numbers:
    count = spatial_rank(x)
    if count < 1:
        raise NotApplicable("there is no spatial dimension")
    return 2 if count == 1 else tuple(range(2, 2 + count))
