"""Arithmetic of unsigned 64-bit integers, which torch stores but does not shift."""

import torch
from torch import Tensor


def shift_right_uint64(x: Tensor, count: Tensor) -> Tensor:
    """Shift zeros in from the left; by 64 and more nothing is left."""
    bits, count = x.view(torch.int64), count.view(torch.int64)
    below_the_sign = (bits >> 1) & (2**63 - 1)
    shifted = below_the_sign >> (count - 1).clamp(0, 63)
    inside = (count > 0) & (count < 64)
    return torch.where(count == 0, bits, torch.where(inside, shifted, 0)).view(
        torch.uint64
    )
