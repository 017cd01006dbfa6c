"""What is known about a value before the model runs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen_torch.dims import Dim, Minimum, product
from codegen_torch.dtypes import DType

Size = int | Dim
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """The facts of one tensor or one host value (a Python number, list or tuple).

    Attributes:
        dtype: The element type. A host int is INT64, a host float FLOAT64, a host bool BOOL.
        dims: The sizes of the dimensions, or None where even the rank is unknown.
        value: The elements, if known: numbers of the dtype, or, in an object array, ints, sizes and host
            expressions (the elements of a tensor that holds a shape).
        fill: The number that every element equals, where that is known though the sizes may not be.
        host: Whether this is a Python value, not a tensor.
    """

    dtype: DType
    dims: tuple[Size, ...] | None
    value: Array | None = None
    fill: bool | int | float | None = None
    host: bool = False

    @property
    def rank(self) -> int | None:
        """The number of dimensions, if known."""
        return None if self.dims is None else len(self.dims)

    @property
    def size(self) -> Size | None:
        """The number of elements, if known."""
        return None if self.dims is None else product(self.dims)

    @property
    def is_constant(self) -> bool:
        """Whether every element is a known number."""
        return self.value is not None and (self.value.dtype != object or self.dtype is DType.STRING)

    @property
    def is_static(self) -> bool:
        """Whether all sizes are known numbers."""
        return self.dims is not None and all(isinstance(dim, int) for dim in self.dims)

    def __str__(self) -> str:
        dims = "…" if self.dims is None else ", ".join(map(str, self.dims))
        return f"{'host ' if self.host else ''}{self.dtype.value}[{dims}]"


Facts = Fact | tuple["Facts", ...]
"""The facts of a result: of one value, or of a nest of tuples as torch returns them."""


def elements(values: list[Any], shape: tuple[int, ...]) -> Array:
    """An object array of host values; numpy is never asked to look inside them."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array.reshape(shape)


def broadcast(*shapes: tuple[Size, ...] | None) -> tuple[Size, ...] | None:
    """The shape of an elementwise operation's result.

    The rule is numpy's (ONNX "Multidirectional Broadcasting"). Where two unknown sizes meet, one of which may
    turn out to be 1, the result's size is a fresh one.
    """
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes):
        return None
    rank = max((len(shape) for shape in known), default=0)
    result: list[Size] = []
    for axis in range(-rank, 0):
        sizes = [shape[axis] for shape in known if len(shape) >= -axis]
        distinct = list(dict.fromkeys(size for size in sizes if size != 1))
        fixed = [size for size in distinct if isinstance(size, int)]
        if fixed:
            result.append(fixed[0])
        else:
            result.append(functools.reduce(_meet, distinct) if distinct else 1)
    return tuple(result)


def _meet(left: Size, right: Size) -> Size:
    """The size where two unknown ones are broadcast against each other.

    ``table[:seq]`` has ``min(seq, 512)`` rows: it goes with ``seq`` only where that is the smaller one.
    """
    if _is_part_of(left, right):
        return right
    return left if _is_part_of(right, left) else Dim.fresh()


def _is_part_of(part: Size, whole: Size) -> bool:
    """Whether a size is the minimum of another one and a number above 1, and no sum or product."""
    if not isinstance(part, Dim) or len(part.terms) != 1 or part.terms[0][1] != 1 or len(part.terms[0][0]) != 1:
        return False
    atom = part.terms[0][0][0]
    return isinstance(atom, Minimum) and atom.left == whole and isinstance(atom.right, int) and atom.right > 1
