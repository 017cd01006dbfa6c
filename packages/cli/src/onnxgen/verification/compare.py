"""Holding a value against the one it should be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from codegen_torch.dtypes import DType

from onnxgen.verification.values import Array, Numbers, Value

TOLERANCES = {
    DType.FLOAT64: 1e-6,
    DType.COMPLEX128: 1e-6,
    DType.FLOAT32: 1e-4,
    DType.COMPLEX64: 1e-4,
    DType.FLOAT16: 2e-2,
    DType.BFLOAT16: 5e-2,
}
"""How large an error may be. Narrower floats are stored, not computed with: they may be one step apart."""
NARROW_TOLERANCE = 0.3
MASKED = 1e8
"""Elements of this magnitude are what masks put in the place of minus infinity: no measure of the others."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """A tensor in short.

    Attributes:
        dtype: The type of its elements.
        shape: Its sizes.
        mean: The mean of its finite elements, as of the numbers below.
        std: Their standard deviation.
        low: The least.
        high: The largest.
        not_finite: How many elements are NaN or infinite.
    """

    dtype: str
    shape: tuple[int, ...]
    mean: float
    std: float
    low: float
    high: float
    not_finite: int

    def __str__(self) -> str:
        sizes = ", ".join(map(str, self.shape))
        text = f"{self.dtype} [{sizes}] mean {self.mean:.6g}, std {self.std:.6g}, {self.low:.6g} … {self.high:.6g}"
        return f"{text}, {self.not_finite} not finite" if self.not_finite else text


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far a value is from the one it should be.

    Attributes:
        agrees: Whether the error is within the tolerance.
        error: The largest difference, each relative to the element that is wanted plus the mean magnitude of all;
            infinite where types, shapes or the places of NaN and infinity differ.
        tolerance: How large it may be; 0 where elements must be equal.
        reason: What differs, if it is no number.
        found: What the generated model gave; None for what is no tensor of numbers.
        wanted: What the ONNX file gave.
        worst: Where the largest difference is, and the two elements there.
    """

    agrees: bool
    error: float
    tolerance: float
    reason: str = ""
    found: Statistics | None = None
    wanted: Statistics | None = None
    worst: tuple[tuple[int, ...], float, float] | None = None


def compare(found: Value, wanted: Value, tolerance: float | None = None) -> Comparison:
    """Compares two values.

    Args:
        found: What the generated model gave.
        wanted: What the ONNX file gave.
        tolerance: How large the error of a floating-point tensor may be; by default what `TOLERANCES` has for its type.
            Everything else must be equal.
    """
    match found, wanted:
        case Numbers(), Numbers():
            return _compare_numbers(found, wanted, tolerance)
        case list(), list():
            return _compare_items(found, wanted, tolerance)
        case dict(), dict():
            return _compare_maps(found, wanted, tolerance)
        case None, None:
            return Comparison(True, 0.0, 0.0)
    return _refused(f"a {_kind(found)} where a {_kind(wanted)} is wanted")


def statistics(numbers: Numbers) -> Statistics | None:
    """A tensor in short; None for strings."""
    array = numbers.array
    if array.dtype.kind == "O":
        return None
    magnitudes = np.abs(array) if array.dtype.kind == "c" else array
    values = magnitudes.astype(np.float64)
    finite = values[np.isfinite(values)]
    finite = finite if finite.size else np.zeros(1)
    return Statistics(
        dtype=numbers.dtype.held.value,
        shape=array.shape,
        mean=float(finite.mean()),
        std=float(finite.std()),
        low=float(finite.min()),
        high=float(finite.max()),
        not_finite=int(np.size(values) - np.isfinite(values).sum()),
    )


def _compare_numbers(found: Numbers, wanted: Numbers, tolerance: float | None) -> Comparison:
    both = statistics(found), statistics(wanted)
    if found.array.shape != wanted.array.shape:
        return _refused(f"shape {list(found.array.shape)} where {list(wanted.array.shape)} is wanted", *both)
    if found.dtype.held is not wanted.dtype.held:
        return _refused(f"{found.dtype.held.value} where {wanted.dtype.held.value} is wanted", *both)
    if wanted.array.dtype.kind not in "fc":
        return _compare_exactly(found.array, wanted.array, both)
    limit = _limit(wanted.dtype) if tolerance is None else tolerance
    finite = np.isfinite(wanted.array)
    if not np.array_equal(found.array[~finite], wanted.array[~finite], equal_nan=True):
        return Comparison(False, math.inf, limit, "NaN or infinity in other places", *both)
    if not np.isfinite(found.array[finite]).all():
        return Comparison(False, math.inf, limit, "NaN or infinity in other places", *both)
    errors = relative_errors(found.array, wanted.array)
    if not errors.size:
        return Comparison(True, 0.0, limit, "", *both)
    place = np.unravel_index(int(errors.argmax()), errors.shape)
    error = float(errors[place])
    return Comparison(error <= limit, error, limit, "", *both, _worst(place, found.array, wanted.array))


def relative_errors(found: Array, wanted: Array) -> Array:
    """The difference of each element, relative to the one wanted plus the mean magnitude; 0 where none is finite."""
    wide = np.complex128 if wanted.dtype.kind == "c" else np.float64
    finite = np.isfinite(wanted)
    target = np.where(finite, wanted, 0).astype(wide)
    difference = np.abs(np.where(finite, found, 0).astype(wide) - target)
    magnitude = np.abs(target)
    ordinary = magnitude[finite & (magnitude < MASKED)]
    scale = float(ordinary.mean()) if ordinary.size else 0.0
    return np.asarray(difference / (magnitude + (scale or 1.0)))


def _compare_exactly(found: Array, wanted: Array, both: tuple[Statistics | None, Statistics | None]) -> Comparison:
    different = np.asarray(found != wanted)
    if not different.any():
        return Comparison(True, 0.0, 0.0, "", *both)
    count = int(different.sum())
    reason = f"{count} of {different.size} elements are not equal"
    if wanted.dtype.kind == "O":
        return Comparison(False, math.inf, 0.0, reason, *both)
    place = np.unravel_index(int(different.argmax()), different.shape)
    distance = np.abs(found.astype(np.float64) - wanted.astype(np.float64)).max()
    return Comparison(False, float(distance), 0.0, reason, *both, _worst(place, found, wanted))


def _worst(place: Any, found: Array, wanted: Array) -> tuple[tuple[int, ...], float, float] | None:
    if wanted.dtype.kind == "c":
        return None
    return tuple(map(int, place)), float(found[place]), float(wanted[place])


def _compare_items(found: list[Value], wanted: list[Value], tolerance: float | None) -> Comparison:
    if len(found) != len(wanted):
        return _refused(f"{len(found)} items where {len(wanted)} are wanted")
    each = [compare(one, other, tolerance) for one, other in zip(found, wanted, strict=True)]
    return max(each, key=lambda item: (not item.agrees, item.error), default=Comparison(True, 0.0, 0.0))


def _compare_maps(found: dict[Any, Any], wanted: dict[Any, Any], tolerance: float | None) -> Comparison:
    if found.keys() != wanted.keys():
        return _refused("a map with other keys")
    arrays = [np.asarray([values[key] for key in wanted]) for values in (found, wanted)]
    dtype = DType.of(arrays[1].dtype)
    return _compare_numbers(Numbers(arrays[0], dtype), Numbers(arrays[1], dtype), tolerance)


def _limit(dtype: DType) -> float:
    return TOLERANCES.get(dtype, NARROW_TOLERANCE)


def _kind(value: Value) -> str:
    kinds = {Numbers: "tensor", list: "sequence", dict: "map", type(None): "missing value"}
    return kinds.get(type(value), type(value).__name__)


def _refused(reason: str, found: Statistics | None = None, wanted: Statistics | None = None) -> Comparison:
    return Comparison(False, math.inf, 0.0, reason, found, wanted)
