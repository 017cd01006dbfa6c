"""Finding values among known ones."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def find_numbers(x: Tensor, keys: Tensor) -> Tensor:
    """Give the position of each element among sorted keys, -1 where it is none of them; NaN is found as the last."""
    places = torch.searchsorted(keys, x.contiguous()).clamp(max=len(keys) - 1)
    found = keys[places]
    return torch.where((found == x) | found.isnan() & x.isnan(), places, -1)


def find_strings(x: np.ndarray, keys: np.ndarray, *, device: Any = None) -> Tensor:
    """Give the position of each string among sorted keys, -1 where it is none of them."""
    places = np.searchsorted(keys, x).clip(max=len(keys) - 1)
    found = np.where(keys[places] == x, places, -1)
    return torch.tensor(found, dtype=torch.int64, device=device)


def count_ngrams(
    tensors: list[Tensor], *, vocabulary: int, shortest: int, skips: int, width: int
) -> Tensor:
    """Count n-grams of tokens [rows, length] in the columns that belong to them, [rows, width].

    The tokens are positions in the vocabulary or -1. After them come, for n = 1, 2, …, the known n-grams and their
    columns. An n-gram is a number: the position of its beginning among the shorter ones, times the size of the
    vocabulary, plus its last token. One more column, for what is unknown or only a beginning, is dropped.
    """
    tokens, *tables = tensors
    counts = torch.zeros(tokens.shape[0], width + 1, device=tokens.device)
    for distance in range(1, skips + 2):
        grams = torch.zeros_like(tokens)
        for n, (known, columns) in enumerate(
            zip(tables[::2], tables[1::2], strict=True)
        ):
            later = tokens[:, n * distance :]
            grams = grams[:, : later.shape[1]]
            joined = torch.where(
                (grams < 0) | (later < 0), -1, grams * vocabulary + later
            )
            grams = find_numbers(joined, known)
            # Skipping changes nothing for single tokens.
            if n + 1 >= shortest and (n or distance == 1):
                counts.scatter_add_(
                    1, columns[grams], torch.ones_like(grams, dtype=counts.dtype)
                )
    return counts[:, :width]
