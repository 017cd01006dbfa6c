"""Windows that move over the spatial dimensions of [batch, channels, *spatial] tensors, of any number."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def windows(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Tensor:
    """What each window sees: [batch, channels, *steps, *kernel]."""
    for axis, (size, step, gap) in enumerate(
        zip(kernel, stride, dilation, strict=True), 2
    ):
        x = x.unfold(axis, (size - 1) * gap + 1, step)[..., ::gap]
    return x


def pad_same(
    x: Tensor,
    span: Sequence[int],
    stride: Sequence[int],
    *,
    lower: bool = False,
    value: float = 0.0,
) -> Tensor:
    """Pad so that windows of a span make ceil(size / stride) steps; an odd element goes behind, or before."""
    pads: list[int] = []
    for size, width, step in zip(
        reversed(x.shape[2:]), reversed(span), reversed(stride), strict=True
    ):
        total = (-(-size // step) - 1) * step + width - size
        before = max(total + lower, 0) // 2
        pads += [before, total - before]
    return F.pad(x, pads, value=value)


def complete_windows(
    x: Tensor,
    after: Sequence[int],
    span: Sequence[int],
    stride: Sequence[int],
    value: float,
) -> Tensor:
    """Pad behind until the last window is whole; none starts in the last ``after`` elements, which are padding."""
    pads: list[int] = []
    for size, last, width, step in zip(
        reversed(x.shape[2:]),
        reversed(after),
        reversed(span),
        reversed(stride),
        strict=True,
    ):
        start = -(-(size - width) // step) * step
        start -= step if start >= size - last else 0
        pads += [0, start + width - size]
    return F.pad(x, pads, value=value)


def cut_to(x: Tensor, sizes: Sequence[int], *, upper: bool = False) -> Tensor:
    """Cut the spatial dimensions down to sizes: half on each side, an odd element before, or behind if ``upper``.

    What there is too little goes behind, as zeros.
    """
    pads: list[int] = []
    for size, wanted in zip(reversed(x.shape[2:]), reversed(sizes), strict=True):
        rest = max(size - wanted, 0)
        before = rest // 2 if upper else rest - rest // 2
        pads += [-before, wanted - size + before]
    return F.pad(x, pads)


def flat_indices(x: Tensor, column_major: bool = False) -> Tensor:
    """The place of every element in the flattened tensor, or with the first spatial dimension running fastest."""
    places = torch.arange(x.numel(), device=x.device)
    if not column_major:
        return places.reshape(x.shape)
    return places.reshape(*x.shape[:2], *reversed(x.shape[2:])).permute(
        0, 1, *range(x.dim() - 1, 1, -1)
    )


def max_pool_with_indices(
    x: Tensor,
    indices: Tensor,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Tensor, Tensor]:
    """The greatest element of each window, and what ``indices`` holds in the place of the first such."""
    values, first = (
        windows(x, kernel, stride, dilation).flatten(x.dim()).max(-1, keepdim=True)
    )
    places = windows(indices, kernel, stride, dilation).flatten(x.dim())
    return values.squeeze(-1), places.gather(-1, first).squeeze(-1)


def max_unpool(x: Tensor, indices: Tensor, shape: Sequence[int]) -> Tensor:
    """Zeros, but for the elements of x at their flat indices."""
    return (
        x.new_zeros(math.prod(shape))
        .scatter(0, indices.flatten(), x.flatten())
        .reshape(tuple(shape))
    )


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution over any number of dimensions; torch has those over up to three."""
    inner = range(2 - weight.dim(), 0)
    seen = windows(x, weight.shape[2:], stride, dilation).chunk(groups, 1)
    kernels = weight.chunk(groups, 0)
    parts = [
        torch.tensordot(each, kernel, ([1, *inner], [1, *inner]))
        for each, kernel in zip(seen, kernels, strict=True)
    ]
    y = torch.cat(parts, -1).movedim(-1, 1)
    return y if bias is None else y + bias.reshape(-1, *[1] * len(inner))


def col2im(
    x: Tensor,
    image: Sequence[int],
    block: Sequence[int],
    stride: Sequence[int] = (),
    dilation: Sequence[int] = (),
    pads: Sequence[int] = (),
) -> Tensor:
    """Add up blocks, [batch, channels * block's size, steps], where they were in an image of any rank, padded."""
    count = len(image)
    ones, pads = [1] * count, pads or [0] * 2 * count
    padded = [
        size + before + after
        for size, before, after in zip(image, pads[:count], pads[count:], strict=True)
    ]
    places = torch.arange(math.prod(padded), device=x.device).reshape(1, 1, *padded)
    places = (
        windows(places, block, stride or ones, dilation or ones)
        .reshape(-1, math.prod(block))
        .T
    )
    channels = x.shape[1] // math.prod(block)
    y = x.new_zeros(len(x), channels, math.prod(padded))
    y = y.index_add(2, places.flatten(), x.reshape(len(x), channels, -1)).reshape(
        len(x), channels, *padded
    )
    sides = zip(reversed(pads[:count]), reversed(pads[count:]), strict=True)
    return F.pad(y, [-side for pair in sides for side in pair])
