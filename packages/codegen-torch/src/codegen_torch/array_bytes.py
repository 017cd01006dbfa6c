"""The bytes of arrays as files have them, a block at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Bytes: TypeAlias = bytes | memoryview

_BLOCKS = 4
"""Blocks of rows that are copied together: columns of a tall matrix are read many at a time, as cache lines are."""
_TILE = 256
"""Rows and columns that are transposed together: few enough to stay in a processor's second cache."""
_LINE = 64
"""Bytes of a cache line."""


def bytes_of(array: Array, block: int) -> Iterator[Bytes]:
    """The little-endian bytes of an array in C order, copying at most four blocks of it at a time.

    Yields:
        At most `block` bytes, or one element, each; what was yielded is valid until the next one.
    """
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.flags.c_contiguous:
        yield from _cut(array, block)
        return

    # As many leading axes are walked one position at a time as it takes for a row of what is left to fit.
    copied = _BLOCKS * block
    axis, row = 0, array.nbytes // array.shape[0]
    while row > copied:
        axis += 1
        row //= array.shape[axis]
    rows = min(copied // row, array.shape[axis])
    copy = np.empty((rows, *array.shape[axis + 1 :]), array.dtype)
    for position in np.ndindex(array.shape[:axis]):
        part = array[position]
        for start in range(0, len(part), rows):
            filled = copy[: len(part) - start]
            _copy(part[start : start + rows], filled)
            yield from _cut(filled, block)


def _cut(array: Array, block: int) -> Iterator[Bytes]:
    """The bytes of an array that has them in order."""
    content = array.reshape(-1).view(np.uint8).data
    for start in range(0, len(content), block):
        yield content[start : start + block]


def _copy(source: Array, target: Array) -> None:
    """Copy elements of any order into C order; transposed matrices in tiles, which is up to ten times as fast.

    Each tile is first copied as it lies, row by row, to where its rows are not a power of two apart: rows that are, as
    in most matrices, displace each other from the cache while columns are read.
    """
    if source.ndim < 2 or source.strides[-2] > source.strides[-1] or math.prod(source.shape[-2:]) < _LINE**2:
        target[...] = source
        return
    tile = np.empty((_TILE, _TILE + _LINE // source.itemsize), source.dtype)
    for position in np.ndindex(source.shape[:-2]):
        columns, rows = source[position].T, target[position]
        for left in range(0, len(columns), _TILE):
            for top in range(0, len(rows), _TILE):
                piece = columns[left : left + _TILE, top : top + _TILE]
                held = tile[: piece.shape[0], : piece.shape[1]]
                held[...] = piece
                rows[top : top + _TILE, left : left + _TILE] = held.T
