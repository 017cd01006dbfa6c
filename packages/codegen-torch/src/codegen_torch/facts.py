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

    Values of other kinds have facts of their own: :class:`SequenceOf`, :class:`OptionalOf`, :class:`MapOf`.

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

    @property
    def is_tensor(self) -> bool:
        """Whether this lives in torch; tensors of strings are numpy arrays."""
        return not self.host and self.dtype is not DType.STRING

    @property
    def annotation(self) -> str:
        """How generated code annotates the value."""
        if not self.host:
            return "np.ndarray" if self.dtype is DType.STRING else "Tensor"
        if self.dtype is DType.STRING:
            return "str"
        return "bool" if self.dtype is DType.BOOL else "int" if self.dtype.is_int else "float"

    def __str__(self) -> str:
        dims = "…" if self.dims is None else ", ".join(map(str, self.dims))
        return f"{'host ' if self.host else ''}{self.dtype.value}[{dims}]"


class SequenceOf(Fact):
    """The facts of a list. As a value it is a host value about whose dims nothing is said.

    Attributes:
        element: What holds for every element.
        length: How many there are, if known.
    """

    __slots__ = ("element", "length")

    element: Fact
    length: Size | None

    def __init__(self, element: Fact, length: Size | None = None) -> None:
        Fact.__init__(self, element.dtype, None, host=True)
        object.__setattr__(self, "element", element)
        object.__setattr__(self, "length", length)

    @property
    def annotation(self) -> str:
        """How generated code annotates the value."""
        return f"list[{self.element.annotation}]"

    def __str__(self) -> str:
        return f"list[{self.element}]" if self.length is None else f"list[{self.element} × {self.length}]"


class OptionalOf(Fact):
    """The facts of a value that may be None; what is certainly there is just that value.

    Attributes:
        element: What holds if it is there.
        absent: Whether it certainly is not.
    """

    __slots__ = ("absent", "element")

    element: Fact
    absent: bool

    def __init__(self, element: Fact, *, absent: bool = False) -> None:
        Fact.__init__(self, element.dtype, None, host=True)
        object.__setattr__(self, "element", element)
        object.__setattr__(self, "absent", absent)

    @property
    def annotation(self) -> str:
        """How generated code annotates the value."""
        return f"{self.element.annotation} | None"

    def __str__(self) -> str:
        return "None" if self.absent else f"{self.element} | None"


class MapOf(Fact):
    """The facts of a dict from ints or strings.

    Attributes:
        key: The type of the keys, INT64 or STRING for most.
        element: What holds for every value; a number where ONNX has a tensor of rank 0.
    """

    __slots__ = ("element", "key")

    key: DType
    element: Fact

    def __init__(self, key: DType, element: Fact) -> None:
        Fact.__init__(self, element.dtype, None, host=True)
        object.__setattr__(self, "key", key)
        object.__setattr__(self, "element", element)

    @property
    def annotation(self) -> str:
        """How generated code annotates the value."""
        return f"dict[{'str' if self.key is DType.STRING else 'int'}, {self.element.annotation}]"

    def __str__(self) -> str:
        return f"dict[{self.key.value}, {self.element}]"


Container = SequenceOf | OptionalOf | MapOf
"""The kinds of values that are neither tensors nor numbers."""

Facts = Fact | tuple["Facts", ...]
"""The facts of a result: of one value, or of a nest of tuples as torch returns them."""


def elements(values: list[Any], shape: tuple[int, ...]) -> Array:
    """An object array of host values; numpy is never asked to look inside them."""
    array = np.empty(len(values), dtype=object)
    for index, value in enumerate(values):
        array[index] = value
    return array.reshape(shape)


def joined(left: Fact, right: Fact) -> Fact:
    """What holds of a value that is one or the other.

    Raises:
        KindError: The two are of different kinds or element types, which ONNX has no type for.
    """
    if isinstance(left, OptionalOf) or isinstance(right, OptionalOf):
        return _joined_optionals(left, right)
    if isinstance(left, SequenceOf) and isinstance(right, SequenceOf):
        length = left.length if left.length == right.length else None
        if left.length == 0 or right.length == 0:  # nothing is said of what is not there
            return SequenceOf(right.element if left.length == 0 else left.element, length)
        return SequenceOf(joined(left.element, right.element), length)
    if isinstance(left, MapOf) and isinstance(right, MapOf) and left.key is right.key:
        return MapOf(left.key, joined(left.element, right.element))
    kinds = [(isinstance(fact, Container), fact.host, fact.dtype) for fact in (left, right)]
    if kinds[0] != kinds[1] or kinds[0][0]:
        raise KindError(f"{left} on one side and {right} on the other")
    if left.dims is None or right.dims is None or len(left.dims) != len(right.dims):
        return Fact(left.dtype, None, host=left.host)
    dims = tuple(one if one == other else Dim.fresh() for one, other in zip(left.dims, right.dims, strict=True))
    return Fact(left.dtype, dims, host=left.host)


def _joined_optionals(left: Fact, right: Fact) -> Fact:
    absent = [isinstance(fact, OptionalOf) and fact.absent for fact in (left, right)]
    inner = [fact.element if isinstance(fact, OptionalOf) else fact for fact in (left, right)]
    if any(absent):
        return OptionalOf(inner[0] if absent[1] else inner[1], absent=all(absent))
    return OptionalOf(joined(*inner))


class FactError(Exception):
    """The operands contradict each other: the file is invalid."""


class KindError(Exception):
    """Values that cannot be one."""


def broadcast(*shapes: tuple[Size, ...] | None) -> tuple[Size, ...] | None:
    """The shape of an elementwise operation's result.

    The rule is numpy's (ONNX "Multidirectional Broadcasting"). Where two unknown sizes meet, one of which may
    turn out to be 1, the result's size is a fresh one.

    Raises:
        FactError: Two sizes differ, and neither is 1.
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
        if len(fixed) > 1:
            raise FactError(f"an operation on shapes {' and '.join(map(shape_text, known))}")
        if fixed:
            result.append(fixed[0])
        else:
            result.append(functools.reduce(_meet, distinct) if distinct else 1)
    return tuple(result)


def shape_text(shape: tuple[Size | str, ...]) -> str:
    """A shape in words of errors."""
    return f"[{', '.join(map(str, shape))}]"


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
