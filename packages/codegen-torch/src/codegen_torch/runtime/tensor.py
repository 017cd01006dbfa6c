"""Operations on tensors whose shapes are only known when the model runs."""
# mypy: disable-error-code="no-untyped-call"

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Reshape, where a size of 0 keeps the one that is there."""
    return x.reshape(
        [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    )


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast to a shape, where a size may be 1 on either side."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape)))


def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """The numbers start, start + delta, … before limit; nothing where it lies on the other side."""
    count = max(math.ceil((limit.item() - start.item()) / delta.item()), 0)
    wide = (
        torch.promote_types(start.dtype, torch.float32)
        if start.is_floating_point()
        else start.dtype
    )
    numbers = start.to(wide) + delta.to(wide) * torch.arange(
        count, dtype=wide, device=start.device
    )
    return numbers.to(start.dtype)


def unsqueezed(x: Tensor, axes: Sequence[int]) -> Tensor:
    """New dimensions of size 1, at axes that count in the result."""
    rank = x.dim() + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        x = x.unsqueeze(axis)
    return x


def pad(
    x: Tensor,
    pads: Sequence[int],
    mode: str,
    value: float = 0,
    axes: Sequence[int] | None = None,
) -> Tensor:
    """Add elements before each dimension (or axis), then after each; negative pads cut off."""
    axes = range(x.dim()) if axes is None else axes
    for position, axis in enumerate(axes):
        before, after = pads[position], pads[position + len(axes)]
        if before == after == 0:
            continue
        x = x.narrow(
            axis, max(-before, 0), x.shape[axis] - max(-before, 0) - max(-after, 0)
        )
        size, before, after = x.shape[axis], max(before, 0), max(after, 0)
        if mode == "constant":
            sides = (*[0, 0] * (x.dim() - 1 - axis % x.dim()), before, after)
            x = F.pad(x, sides, value=value)
            continue
        places = torch.arange(-before, size + after, device=x.device)
        if mode == "wrap":
            places = places % size
        elif mode == "edge":
            places = places.clamp(0, size - 1)
        elif size > 1:  # reflect
            places = (size - 1) - (places % (2 * size - 2) - (size - 1)).abs()
        else:
            places = torch.zeros_like(places)
        x = x.index_select(axis, places)
    return x


def center_crop_pad(
    x: Tensor, shape: Sequence[int], axes: Sequence[int] | None = None
) -> Tensor:
    """The middle of a tensor, or the tensor in the middle of zeros; an odd element falls to the end."""
    for position, size in enumerate(shape):
        axis = position if axes is None else axes[position] % x.dim()
        less = abs(size - x.shape[axis]) // 2
        if size <= x.shape[axis]:
            x = x.narrow(axis, less, size)
        else:
            x = F.pad(
                x, (*[0, 0] * (x.dim() - 1 - axis), less, size - x.shape[axis] - less)
            )
    return x
