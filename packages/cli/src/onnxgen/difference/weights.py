"""How the weights of two models differ; no more than a few megabytes of them are in memory at a time."""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from codegen_torch.dtypes import DType
from codegen_torch.minifloats import decoded
from codegen_torch.tensors import TensorRef


@dataclass(frozen=True, slots=True)
class Change:
    """A tensor that is not the same on both sides.

    Attributes:
        key: Its key in the ``state_dict``.
        kind: ``added``, ``removed``, ``dtype``, ``shape`` or ``values``.
        before: Its type and shape in the first model; empty if it is not there.
        after: The same in the second.
        changed: How many numbers are not the same, bit by bit.
        size: How many there are.
        largest: The largest difference of two finite numbers.
        mean: The mean of all these differences.
    """

    key: str
    kind: str
    before: str = ""
    after: str = ""
    changed: int = 0
    size: int = 0
    largest: float = 0.0
    mean: float = 0.0


def changes(first: Mapping[str, TensorRef], second: Mapping[str, TensorRef]) -> Iterator[Change]:
    """The tensors that differ, in the order of their keys."""
    for key in sorted(first.keys() | second.keys()):
        one, other = first.get(key), second.get(key)
        if one is None or other is None:
            yield Change(key, "removed" if other is None else "added", _form(one), _form(other))
        elif one.dtype is not other.dtype or one.shape != other.shape:
            yield Change(key, "shape" if one.shape != other.shape else "dtype", _form(one), _form(other))
        elif one is not other:
            found = _values(key, one, other)
            if found is not None:
                yield found


def _form(ref: TensorRef | None) -> str:
    return f"{ref.dtype.value} [{', '.join(map(str, ref.shape))}]" if ref is not None else ""


def _values(key: str, one: TensorRef, other: TensorRef) -> Change | None:
    changed, largest, total, finite = 0, 0.0, 0.0, 0
    for left, right in _pieces(one, other):
        if np.array_equal(left, right):
            finite += left.size // one.dtype.itemsize
            continue
        changed += int((left.reshape(-1, one.dtype.itemsize) != right.reshape(-1, one.dtype.itemsize)).any(1).sum())
        numbers = [_numbers(part, one.dtype) for part in (left, right)]
        with np.errstate(invalid="ignore", over="ignore"):
            distance = np.abs(numbers[0] - numbers[1])
        distance = distance[np.isfinite(distance)]
        finite += distance.size
        total += float(distance.sum())
        largest = max(largest, float(distance.max(initial=0.0)))
    form = _form(one)
    return Change(key, "values", form, form, changed, one.size, largest, total / max(finite, 1)) if changed else None


def _numbers(part: npt.NDArray[np.uint8], dtype: DType) -> npt.NDArray[np.float64] | npt.NDArray[np.complex128]:
    array = part.view(dtype.numpy)
    if dtype.is_complex:
        return array.astype(np.complex128)
    return (array if dtype.in_numpy else decoded(array, dtype)).astype(np.float64)


def _pieces(one: TensorRef, other: TensorRef) -> Iterator[tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]]:
    """The bytes of two tensors of one size side by side, however each comes in chunks."""
    streams = [one.chunks(), other.chunks()]
    left = right = np.empty(0, np.uint8)
    while True:
        if not left.size:
            left = np.frombuffer(next(streams[0], b""), np.uint8)
        if not right.size:
            right = np.frombuffer(next(streams[1], b""), np.uint8)
        length = min(left.size, right.size)
        if not length:
            return
        yield left[:length], right[:length]
        left, right = left[length:], right[length:]
