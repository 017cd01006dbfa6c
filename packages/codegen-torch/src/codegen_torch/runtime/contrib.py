"""What ONNX Runtime's own attention operators need."""

import torch
from torch import Tensor


def unpadded_keys(bounds: Tensor, batch: int, keys: int) -> Tensor:
    """Which keys are no padding, [batch, 1, 1, keys]: those before an end, and from a start on, where there is one."""
    positions = torch.arange(keys, device=bounds.device)
    seen = positions < bounds[:batch, None]
    if len(bounds) == 2 * batch:
        seen = seen & (positions >= bounds[batch:, None])
    return seen[:, None, None]


def written_at(cache: Tensor, x: Tensor, position: int) -> Tensor:
    """A copy of a cache of [batch, heads, steps, size] with further steps written at a position."""
    return cache.slice_scatter(x, 2, position, position + x.shape[2])
