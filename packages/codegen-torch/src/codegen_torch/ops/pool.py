"""Pooling.

Torch pools over one to three dimensions, with the same padding on both sides, at most half of the window. Whatever
else there is, is padded first; and what has more dimensions, or gaps where torch has none, is written with the
windows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codegen_torch.expr import Expr, call
from codegen_torch.lower.registry import Context, NotApplicable, host_elements, op
from codegen_torch.ops.windows import (
    Numbers,
    Window,
    automatic,
    brief,
    is_automatic,
    padded,
    padded_same,
    spatial_rank,
    window,
)
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.namespaces import F, index, runtime, torch

MOST_DIMENSIONS = 3
"""Torch pools over no more."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """A window over a tensor, and how the tensor is padded for it.

    Attributes:
        move: The window; its padding is that of ``auto_pad``, where it is known at conversion.
        auto_pad: The attribute.
        ceil: Whether a last window that is not whole counts.
        known: Whether the padding is known at conversion.
    """

    move: Window
    auto_pad: str
    ceil: bool
    known: bool

    @property
    def dimensions(self) -> int:
        """The number of spatial dimensions."""
        return len(self.move.kernel)

    def fits(self, spans: Numbers) -> bool:
        """Whether torch takes the padding as an argument."""
        before = self.move.before
        small = all(2 * pad <= span for pad, span in zip(before, spans, strict=True))
        return self.known and self.move.is_symmetric and small and self.dimensions <= MOST_DIMENSIONS

    def pad(self, x: Expr, value: float = 0.0, beyond: float | None = None) -> Expr:
        """The tensor with its padding, in which only whole windows count.

        Args:
            x: The tensor.
            value: The elements of the padding.
            beyond: The elements behind it that complete the last window, if others.
        """
        move, beyond = self.move, value if beyond is None else beyond
        if not self.known:
            return padded_same(x, move.spans, move.stride, self.auto_pad, value)
        if not self.ceil:
            return padded(x, move.before, move.after, value)
        more = _completion(x, move)
        if more is not None and beyond == value:
            after = tuple(pad + extra for pad, extra in zip(move.after, more, strict=True))
            return padded(x, move.before, after, value)
        x = padded(x, move.before, move.after, value)
        if more is not None:
            return padded(x, (0,) * len(more), more, beyond)
        return runtime.complete_windows(x, move.after, move.spans, move.stride, beyond)  # type: ignore[no-any-return]

    def is_complete(self, x: Expr) -> bool:
        """Whether no window reaches behind the padding."""
        return not self.ceil or not any(_completion(x, self.move) or (1,))

    def windows(self, x: Expr) -> Expr:
        """What each window sees of a padded tensor, in as many further dimensions as it has."""
        return runtime.windows(x, self.move.kernel, self.move.stride, self.move.dilation)  # type: ignore[no-any-return]

    @property
    def inside(self) -> Numbers:
        """The dimensions of a window."""
        return tuple(range(-self.dimensions, 0))


def _pool(
    x: Expr, kernel: Numbers, strides: Numbers, dilations: Numbers, pads: Numbers, auto_pad: str, ceil_mode: int
) -> _Pool:
    move = window(kernel, strides, dilations, pads)
    if x.rank is not None and x.rank != len(kernel) + 2:
        raise NotApplicable(f"a window over {len(kernel)} dimensions of a tensor of rank {x.rank}")
    exact = automatic(x, move, auto_pad)
    return _Pool(exact or move, auto_pad, bool(ceil_mode) and not is_automatic(auto_pad), exact is not None)


def _completion(x: Expr, move: Window) -> Numbers | None:
    """How many elements make the last window whole; None where that is only known when the model runs.

    A window that would start in the padding behind the last element does not count (ONNX, MaxPool-22).
    """
    settings = zip(move.spans, move.stride, move.after, strict=True)
    if all(stride == 1 and last < span for span, stride, last in settings):
        return (0,) * len(move.kernel)
    if x.dims is None or not all(isinstance(size, int) for size in x.dims[2:]):
        return None
    result: list[int] = []
    for size, span, stride, first, last in zip(
        x.dims[2:], move.spans, move.stride, move.before, move.after, strict=True
    ):
        assert isinstance(size, int)
        whole = size + first + last
        start = -(-(whole - span) // stride) * stride
        if start >= size + first:
            start -= stride
        result.append(start + span - whole)
    return tuple(result)


def _torch_pool(name: str, x: Expr, pool: _Pool, padding: Numbers, **options: object) -> Expr:
    move = pool.move
    stride = None if move.stride == move.kernel else brief(move.stride)
    if any(padding):
        options["padding"] = brief(padding)
    return call(f"F.{name}_pool{pool.dimensions}d", x, brief(move.kernel), stride=stride, **options)


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
) -> Expr | tuple[Expr, Expr]:
    """The indices that opset 8 can return count over the whole tensor; torch's count over one channel."""
    pool = _pool(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    move = pool.move
    if any(context.outputs[1:]):
        places = runtime.flat_indices(x, column_major=bool(storage_order))
        seen, numbers = pool.pad(x, _lowest(x)), pool.pad(places, -1)
        return runtime.max_pool_with_indices(seen, numbers, move.kernel, move.stride, move.dilation)  # type: ignore[no-any-return]
    if pool.dimensions > MOST_DIMENSIONS:
        return pool.windows(pool.pad(x, _lowest(x))).amax(pool.inside)  # type: ignore[no-any-return]
    dilation = brief(move.dilation)
    if pool.fits(move.kernel if pool.dimensions == MOST_DIMENSIONS else move.spans):
        return _torch_pool("max", x, pool, move.before, dilation=dilation, ceil_mode=pool.ceil)
    return _torch_pool("max", pool.pad(x, _lowest(x)), pool, (), dilation=dilation)


def _lowest(x: Expr) -> float:
    return -np.inf if x.dtype.is_float else int(np.iinfo(x.dtype.numpy).min)


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
    """Of the elements inside the tensor or, if ``count_include_pad``, in its padding, but not behind that."""
    pool = _pool(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    move = pool.move
    by_torch = not move.has_gaps and pool.dimensions <= MOST_DIMENSIONS
    if by_torch and pool.fits(move.kernel):
        counted = bool(count_include_pad) or not any(move.before)
        return _torch_pool("avg", x, pool, move.before, ceil_mode=pool.ceil, count_include_pad=counted)

    def average(padded_: Expr) -> Expr:
        return _torch_pool("avg", padded_, pool, ()) if by_torch else pool.windows(padded_).mean(pool.inside)

    y = average(pool.pad(x))
    is_padded = not pool.known or any(move.before) or any(move.after)
    if pool.is_complete(x) and (count_include_pad or not is_padded):
        return y
    counts = x.new_ones(1, 1, *x.shape[2:])
    return y / average(pool.pad(counts, float(bool(count_include_pad)), beyond=0.0))


@op("LpPool", since=2)
def lp_pool(
    x: Expr,
    *,
    kernel_shape: Numbers,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Numbers = (),
    p: int = 2,
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    return _lp_pool(x, float(p), kernel_shape, auto_pad, ceil_mode, dilations, pads, strides)


@op("LpPool", since=1, until=1)
def lp_pool_of_any_order(
    x: Expr,
    *,
    kernel_shape: Numbers,
    auto_pad: str = "NOTSET",
    p: float = 2.0,
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    return _lp_pool(x, p, kernel_shape, auto_pad, 0, (), pads, strides)


def _lp_pool(
    x: Expr,
    p: float,
    kernel: Numbers,
    auto_pad: str,
    ceil_mode: int,
    dilations: Numbers,
    pads: Numbers,
    strides: Numbers,
) -> Expr:
    if p <= 0:
        raise NotApplicable(f"there is no norm of order {p}")
    pool = _pool(x, kernel, strides, dilations, pads, auto_pad, ceil_mode)
    x = pool.pad(x)
    if pool.move.has_gaps or pool.dimensions > MOST_DIMENSIONS:
        return pool.windows(x).norm(p, pool.inside)  # type: ignore[no-any-return]
    move = pool.move
    stride = None if move.stride == move.kernel else brief(move.stride)
    sizes = x if p % 2 == 0 else torch.abs(x)  # torch takes powers of negative elements
    return call(f"F.lp_pool{pool.dimensions}d", sizes, p, brief(move.kernel), stride=stride)


@op("MaxUnpool", since=9)
def max_unpool(
    x: Expr,
    i: Expr,
    output_shape: Expr | None = None,
    *,
    kernel_shape: Numbers,
    pads: Numbers = (),
    strides: Numbers = (),
) -> Expr:
    """The indices count over the tensor whose size follows from the window, also where the result is longer."""
    move = window(kernel_shape, strides, (), pads)
    sizes = [
        (size - 1) * stride - first - last + kernel
        for size, kernel, stride, first, last in zip(
            x.shape[2:], move.kernel, move.stride, move.before, move.after, strict=True
        )
    ]
    y = runtime.max_unpool(x, i, (*x.shape[:2], *sizes))
    if output_shape is None:
        return y  # type: ignore[no-any-return]
    wanted = host_elements(output_shape) or _items(output_shape, len(sizes) + 2)
    if len(wanted) != len(sizes) + 2:
        raise NotApplicable(f"output_shape has {len(wanted)} sizes, not {len(sizes) + 2}")
    more = [length - size for length, size in zip(wanted[2:], sizes, strict=True)]
    sides = [side for extra in reversed(more) for side in (0, extra)]
    return F.pad(y, tuple(sides)) if any(size_of(side) != 0 for side in sides) else y  # type: ignore[no-any-return]


def _items(vector: Expr, count: int) -> tuple[Expr, ...]:
    """The elements of a tensor of rank 1, so many as there must be."""
    return tuple(call("host.item", index.select(vector, 0, position)) for position in range(count))


@op("GlobalAveragePool", since=1)
def global_average_pool(x: Expr) -> Expr:
    return x.mean(_spatial(x), keepdim=True)  # type: ignore[no-any-return]


@op("GlobalMaxPool", since=1)
def global_max_pool(x: Expr) -> Expr:
    return x.amax(_spatial(x), keepdim=True)  # type: ignore[no-any-return]


@op("GlobalLpPool", since=2)
def global_lp_pool(x: Expr, *, p: int = 2) -> Expr:
    return global_lp_pool_of_any_order(x, p=float(p))  # type: ignore[no-any-return]


@op("GlobalLpPool", since=1, until=1)
def global_lp_pool_of_any_order(x: Expr, *, p: float = 2.0) -> Expr:
    dims = _spatial(x)
    return x.norm(p, (dims,) if isinstance(dims, int) else dims, keepdim=True)  # type: ignore[no-any-return]


def _spatial(x: Expr) -> int | Numbers:
    count = spatial_rank(x)
    if count < 1:
        raise NotApplicable("there is no spatial dimension")
    return 2 if count == 1 else tuple(range(2, 2 + count))
