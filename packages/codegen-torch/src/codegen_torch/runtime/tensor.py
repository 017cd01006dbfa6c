"""Operations on tensors whose shapes are only known when the model runs."""
# mypy: disable-error-code="no-untyped-call"

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Reshape, where a size of 0 keeps the one that is there."""
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Broadcast to a shape, where a size may be 1 on either side."""
    return x.expand(torch.broadcast_shapes(x.shape, tuple(shape)))


def arange(start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    """The numbers start, start + delta, … before limit; nothing where it lies on the other side."""
    count = max(math.ceil((limit.item() - start.item()) / delta.item()), 0)
    return start + delta * torch.arange(count, dtype=start.dtype, device=start.device)


def pad(x: Tensor, pads: Sequence[int], mode: str) -> Tensor:
    """Add mirrored, repeated or wrapped elements before each dimension, then after each."""
    rank = x.dim()
    for axis, size in enumerate(x.shape):
        before, after = pads[axis], pads[axis + rank]
        if before == after == 0:
            continue
        kept = torch.arange(max(-before, 0), size - max(-after, 0), device=x.device)
        x, size = x.index_select(axis, kept), len(kept)
        places = torch.arange(-max(before, 0), size + max(after, 0), device=x.device)
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
