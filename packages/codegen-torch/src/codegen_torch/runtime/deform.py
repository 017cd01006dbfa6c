"""Convolution with offsets."""
# mypy: disable-error-code="no-untyped-call"

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor


def deform_conv(
    x: Tensor,
    weight: Tensor,
    offset: Tensor,
    bias: Tensor | None = None,
    mask: Tensor | None = None,
    *,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
    offset_groups: int = 1,
) -> Tensor:
    """A convolution whose kernel's elements are moved by offsets, between the elements of x, zeros around.

    Args:
        x: [batch, inputs, *spatial].
        weight: [outputs, inputs / groups, *kernel].
        offset: [batch, offset_groups * kernel's size * dimensions, *steps].
        bias: [outputs].
        mask: [batch, offset_groups * kernel's size, *steps]: factors of the elements.
        stride: How far the kernel moves.
        padding: How many zeros are before the first element.
        dilation: How far the kernel's elements lie apart.
        groups: Groups of channels that are convolved by themselves.
        offset_groups: Groups of channels that have offsets of their own.
    """
    kernel, sizes, steps = weight.shape[2:], x.shape[2:], offset.shape[2:]
    count, taps = len(kernel), math.prod(kernel)
    offsets = offset.reshape(len(x), offset_groups, taps, count, -1)
    grids = torch.meshgrid(
        *(torch.arange(n, device=x.device) for n in (*kernel, *steps)), indexing="ij"
    )
    places = []  # by dimension: [batch, offset groups, taps, steps]
    for d in range(count):
        start = grids[d] * dilation[d] + grids[count + d] * stride[d] - padding[d]
        places.append(offsets[:, :, :, d] + start.reshape(taps, -1))
    channels = x.reshape(len(x), offset_groups, x.shape[1] // offset_groups, -1)
    seen = torch.zeros((), dtype=x.dtype, device=x.device)
    for corner in itertools.product((0, 1), repeat=count):
        flat, share = (
            torch.zeros_like(places[0], dtype=torch.long),
            torch.ones_like(places[0]),
        )
        for place, side, size in zip(places, corner, sizes, strict=True):
            low = place.floor()
            near = low + side
            share = (
                share
                * (place - low if side else 1 - place + low)
                * ((near >= 0) & (near < size))
            )
            flat = flat * size + near.clamp(0, size - 1).long()
        picked = channels.gather(
            3, flat.flatten(2)[:, :, None].expand(-1, -1, channels.shape[2], -1)
        )
        seen = seen + picked.unflatten(3, flat.shape[2:]) * share[:, :, None]
    if mask is not None:
        seen = seen * mask.reshape(len(x), offset_groups, 1, taps, -1)
    columns = seen.reshape(len(x), groups, x.shape[1] // groups * taps, -1)
    kernels = weight.reshape(groups, weight.shape[0] // groups, -1)
    y = (kernels @ columns).reshape(len(x), weight.shape[0], *steps)
    return y if bias is None else y + bias.reshape(-1, *[1] * count)
