"""Lists of tensors."""
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Sequence

import torch
from torch import Tensor


def parts(x: Tensor, size: int, dim: int) -> list[Tensor]:
    """Split into parts of a size, the last of which may be smaller; nothing has no parts."""
    total = x.shape[dim]
    return [
        x.narrow(dim, start, min(size, total - start))
        for start in range(0, total, size)
    ]


def erase(values: list[Tensor], position: int) -> list[Tensor]:
    """Leave one element out; negative positions count from the end."""
    kept = list(values)
    del kept[position]
    return kept


def stack(
    values: list[Tensor],
    shape: Sequence[int],
    dim: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Stack tensors; of none, make an empty tensor of the given shape."""
    return (
        torch.stack(values, dim)
        if values
        else torch.empty(shape, dtype=dtype, device=device)
    )
