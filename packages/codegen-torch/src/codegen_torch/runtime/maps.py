"""Maps, which are dicts: ONNX's map(int64, …) and map(string, …)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


def zip_map(x: Tensor, keys: Sequence[Any]) -> list[dict[Any, float]]:
    """Make a dict of every row of x [rows, keys]."""
    return [dict(zip(keys, row, strict=True)) for row in x.tolist()]


def ordered_values(x: Mapping[int, Any], size: int | None = None) -> list[Any]:
    """List the values in the order of their keys; or with each at the place that its key says, and zeros elsewhere."""
    if size is None:
        return [x[key] for key in sorted(x)]
    if any(key < 0 for key in x):
        raise ValueError("a key that is no place in a sparse map")
    return [x.get(place, 0) for place in range(size)]


def looked_up(x: Mapping[Any, Any], keys: Sequence[Any], default: Any = 0) -> list[Any]:
    """List the values of keys, with a default for those that are not there."""
    return [x.get(key, default) for key in keys]


def row_of_numbers(
    values: Sequence[Any], *, dtype: torch.dtype, device: Any = None
) -> Tensor:
    """Make a matrix of one row; fractions are cut off where they do not fit the type, strings are read."""
    numbers = [float(value) if isinstance(value, str) else value for value in values]
    if not dtype.is_floating_point:
        numbers = [int(number) for number in numbers]
    return torch.tensor([numbers], dtype=dtype, device=device)


def row_of_strings(values: Sequence[Any]) -> np.ndarray:
    """Make a matrix of one row; floats are written with six decimals, as C does."""
    texts = [
        f"{value:f}" if isinstance(value, float) else str(value) for value in values
    ]
    return np.array([texts], dtype=object)
