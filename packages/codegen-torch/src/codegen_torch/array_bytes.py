"""The bytes of arrays as files have them, a block at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Bytes: TypeAlias = bytes | memoryview

_TILE = 128
"""Columns that are copied together: few enough that the rows they are of stay in the processor's cache."""


def bytes_of(array: Array, block: int) -> Iterator[Bytes]:
    """The little-endian bytes of an array in C order, copying at most one block of it at a time."""
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.flags.c_contiguous:
        content = array.reshape(-1).view(np.uint8).data
        for start in range(0, len(content), block):
            yield content[start : start + block]
        return

    # As many leading axes are walked one position at a time as it takes for a row of what is left to fit a block.
    axis, row = 0, array.nbytes // array.shape[0]
    while row > block:
        axis += 1
        row //= array.shape[axis]
    rows = block // row
    for position in np.ndindex(array.shape[:axis]):
        part = array[position]
        for start in range(0, len(part), rows):
            yield _contiguous(part[start : start + rows]).reshape(-1).view(np.uint8).data


def _contiguous(array: Array) -> Array:
    """Copy into C order; a matrix in tiles that fit the cache, which is 2–3 times as fast as a copy at once."""
    if array.ndim != 2:
        return np.ascontiguousarray(array)
    copy = np.empty(array.shape, array.dtype)
    for start in range(0, array.shape[1], _TILE):
        copy[:, start : start + _TILE] = array[:, start : start + _TILE]
    return copy
