"""How the elements of a value are distributed on both sides."""

from __future__ import annotations

import numpy as np

from onnxgen.verification.compare import MASKED
from onnxgen.verification.result import Histogram
from onnxgen.verification.values import Array, Numbers

BINS = 48


def histogram(name: str, found: Numbers, wanted: Numbers) -> Histogram | None:
    """Counts the finite elements of both in the same bins; None where there are none to count."""
    both = [_ordinary(numbers.array) for numbers in (found, wanted)]
    if any(array is None or not array.size for array in both):
        return None
    low = min(float(array.min()) for array in both if array is not None)
    high = max(float(array.max()) for array in both if array is not None)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    counts = [np.histogram(array, edges)[0] for array in both if array is not None]
    return Histogram(name, tuple(edges.tolist()), tuple(counts[0].tolist()), tuple(counts[1].tolist()))


def _ordinary(array: Array) -> Array | None:
    if array.dtype.kind not in "biuf":
        return None
    numbers = array.astype(np.float64)
    return np.asarray(numbers[np.isfinite(numbers) & (np.abs(numbers) < MASKED)])
