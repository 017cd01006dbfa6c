"""Arithmetic that torch lacks."""

import torch
from torch import Tensor


def divide_uint64(x: Tensor, y: Tensor) -> Tensor:
    """x // y, by signed divisions (H. S. Warren, Hacker's Delight, 2nd edition, section 9-3)."""
    sign = -(1 << 63)
    n, d = x.long(), y.long()
    quotient = ((n >> 1) & ~sign) // d << 1
    rest = n - quotient * d
    quotient = quotient + ((rest ^ sign) >= (d ^ sign))
    return torch.where(d < 0, ((n ^ sign) >= (d ^ sign)).long(), quotient).to(
        torch.uint64
    )


def moved_by_one(x: Tensor, dim: int, first: int) -> Tensor:
    """One element, then all but the last along a dimension."""
    before = torch.full_like(x.narrow(dim, 0, min(x.shape[dim], 1)), first)
    return torch.cat([before, x.narrow(dim, 0, max(x.shape[dim] - 1, 0))], dim)
