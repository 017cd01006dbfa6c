"""What the numbers of a tensor look like, found while they stream past."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen_torch.dtypes import DType
from codegen_torch.minifloats import decoded
from codegen_torch.tensors import TensorRef

Array = np.ndarray[Any, np.dtype[Any]]
BINS = 24
_BLOCK = 1 << 20
"""Bytes that are looked at together: few enough to stay in the processor's cache from one step to the next."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """The numbers of a tensor in short; NaN and infinity count among `odd` and nowhere else.

    Attributes:
        count: How many finite numbers there are.
        mean: Their mean; NaN if there are none, as for the next three.
        std: Their standard deviation, that of the whole population.
        low: The least.
        high: The largest.
        zeros: How many of them are zero.
        odd: How many numbers are not finite.
        bins: How many fall into each of equal intervals from `low` to `high`, the upper end of the last included; empty
            if there is but one value.
    """

    count: int
    mean: float
    std: float
    low: float
    high: float
    zeros: int
    odd: int
    bins: tuple[int, ...]


def statistics(ref: TensorRef) -> Statistics | None:
    """Reads a tensor twice, a block at a time; None if its elements are no real numbers.

    Means and deviations of blocks are merged as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm
    for computing sample variances" (1979), in float64.

    Raises:
        onnx_proto.OnnxError: The elements cannot be read.
    """
    if ref.dtype is DType.STRING or ref.dtype.is_complex:
        return None
    with np.errstate(all="ignore"):  # deviations of float64's largest numbers are infinite
        return _statistics(ref)


def _statistics(ref: TensorRef) -> Statistics:
    count = zeros = odd = 0
    mean, squares, low, high = 0.0, 0.0, math.inf, -math.inf
    for block in _blocks(ref):
        finite = _finite(block)
        odd += block.size - finite.size
        if not finite.size:
            continue
        zeros += finite.size - int(np.count_nonzero(finite))
        low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        wide = finite.astype(np.float64)
        block_mean = float(wide.mean())
        wide -= block_mean
        total = count + finite.size
        shift = block_mean - mean
        squares += float(wide @ wide) + shift * shift * count * finite.size / total
        mean += shift * finite.size / total
        count = total
    if not count:
        return Statistics(0, math.nan, math.nan, math.nan, math.nan, zeros, odd, ())
    bins = _bins(ref, low, high) if high > low else ()
    return Statistics(count, mean, math.sqrt(squares / count), low, high, zeros, odd, bins)


def _bins(ref: TensorRef, low: float, high: float) -> tuple[int, ...]:
    width = high / BINS - low / BINS  # which is finite also where high - low is not
    if not width > 0:
        return ()
    counts = np.zeros(BINS, np.int64)
    for block in _blocks(ref):
        wide = _finite(block).astype(np.float64)
        places = (wide / width - low / width).clip(0, BINS - 1).astype(np.uint8)
        counts += np.bincount(places, minlength=BINS)
    return tuple(counts.tolist())


def _blocks(ref: TensorRef) -> Iterator[Array]:
    for chunk in ref.chunks(_BLOCK):
        held = np.frombuffer(chunk, ref.dtype.numpy)
        yield held if ref.dtype.in_numpy else decoded(held, ref.dtype)


def _finite(block: Array) -> Array:
    if block.dtype.kind != "f" or (np.isfinite(block.min()) and np.isfinite(block.max())):
        return block
    return block[np.isfinite(block)]
