"""Lists of tensors."""
# mypy: disable-error-code="no-untyped-call"

from torch import Tensor


def parts(x: Tensor, size: int, dim: int) -> list[Tensor]:
    """Split into parts of a size, the last of which may be smaller; nothing has no parts."""
    total = x.shape[dim]
    return [x.narrow(dim, start, min(size, total - start)) for start in range(0, total, size)]


def erase(values: list[Tensor], position: int) -> list[Tensor]:
    """Leave one element out; negative positions count from the end."""
    kept = list(values)
    del kept[position]
    return kept
