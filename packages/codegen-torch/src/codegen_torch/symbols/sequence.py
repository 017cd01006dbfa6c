"""Symbols of lists, which are ONNX's sequences, and of values that may be None. Lists are made anew, never changed."""

from __future__ import annotations

import functools
from typing import TypeAlias

from codegen_torch.dims import Dim, divide
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Facts, KindError, OptionalOf, SequenceOf, Size, elements, joined
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.shape import like, normal

Tensor: TypeAlias = Fact
Value: TypeAlias = Fact
Values: TypeAlias = list[Fact]
List: TypeAlias = Fact


def element_of(xs: Fact) -> Fact:
    """What holds of one element. A size of which only a name is known may differ between elements."""
    assert isinstance(xs, SequenceOf)
    return freshened(xs.element)


def freshened(fact: Fact) -> Fact:
    """The same facts without the sizes that were only known by a name of their own."""
    if isinstance(fact, SequenceOf):
        return SequenceOf(freshened(fact.element), fact.length)
    if isinstance(fact, OptionalOf):
        return OptionalOf(freshened(fact.element), absent=fact.absent)
    if fact.host or fact.dims is None:
        return fact
    return Fact(fact.dtype, tuple(dim if isinstance(dim, int) or dim.is_bound() else Dim.fresh() for dim in fact.dims))


def _length(xs: Fact) -> Size | None:
    assert isinstance(xs, SequenceOf)
    return xs.length


def _together(one: Fact, other: Fact) -> Fact:
    try:
        return joined(one, other)
    except KindError as error:
        raise FactError(f"a sequence of {error}") from error


@symbol("list.of")
def of(values: Values) -> Fact:
    """``[a, b]``; what an empty list is of, its maker states."""
    if not values:
        return SequenceOf(Fact(DType.FLOAT32, None), 0)
    return SequenceOf(functools.reduce(_together, values), len(values))


@symbol("list.item")
def item(xs: List, position: Size) -> Fact:
    """``xs[position]``."""
    length = _length(xs)
    if isinstance(length, int) and isinstance(position, int) and not -length <= position < length:
        raise FactError(f"position {position} of {xs}")
    return element_of(xs)


@symbol("list.inserted")
def inserted(xs: List, x: Value, position: Size | None = None) -> Fact:
    """``[*xs, x]``, or with ``x`` before a position."""
    length = _length(xs)
    element = x if length == 0 else _together(element_of(xs), x)
    return SequenceOf(element, None if length is None else length + 1)


@symbol("list.without")
def without(xs: List, position: Size = -1) -> Fact:
    """``xs[:position] + xs[position + 1 :]``."""
    length = _length(xs)
    if length == 0:
        raise FactError(f"position {position} of {xs}")
    return SequenceOf(element_of(xs), None if length is None else length - 1)


@symbol("runtime.erase")
def erase(xs: List, position: Size) -> Facts:
    return without(xs, position)


@symbol("list.len")
def len_(xs: List) -> Fact:
    """``len(xs)``, an int."""
    length = _length(xs)
    known = isinstance(length, int) or (length is not None and length.is_bound())
    return Fact(DType.INT64, (), elements([length], ()) if known else None, host=True)


@symbol("list.split")
def split(x: Tensor, split_size: Size | tuple[Size, ...], dim: int = 0) -> Fact:
    """``list(x.split(split_size, dim))``."""
    return _parts(x, split_size, dim)


@symbol("runtime.parts")
def parts(x: Tensor, size: Size, dim: int) -> Fact:
    return _parts(x, size, dim)


def _parts(x: Fact, size: object, dim: int) -> Fact:
    """A list of parts of one size, which is known of all of them if the size divides the dimension, or of several."""
    if x.dims is None:
        return SequenceOf(Fact(x.dtype, None))
    axis = normal(dim, len(x.dims))
    step: Size = Dim.fresh()
    length: Size | None = None
    if isinstance(size, int):
        if size < 1:
            raise FactError(f"a split into parts of {size}")
        length = divide(x.dims[axis], size)
        step = step if length is None else size
    return SequenceOf(like(x, (*x.dims[:axis], step, *x.dims[axis + 1 :])), length)


@symbol("list.unbind")
def unbind(x: Tensor, dim: int = 0) -> Fact:
    """``list(x.unbind(dim))``."""
    if x.dims is None:
        return SequenceOf(Fact(x.dtype, None))
    axis = normal(dim, len(x.dims))
    return SequenceOf(like(x, (*x.dims[:axis], *x.dims[axis + 1 :])), x.dims[axis])


@symbol("list.cat")
def cat(xs: List, *, dim: int = 0) -> Fact:
    """``torch.cat(xs, dim)`` of a list that is not written out."""
    element = element_of(xs)
    if element.dims is None:
        return element
    axis = normal(dim, len(element.dims))
    return Fact(element.dtype, (*element.dims[:axis], Dim.fresh(), *element.dims[axis + 1 :]))


@symbol("list.stack")
def stack(xs: List, *, dim: int = 0) -> Fact:
    """``torch.stack(xs, dim)`` of a list that is not written out."""
    element, length = element_of(xs), _length(xs)
    if element.dims is None:
        return element
    axis = normal(dim, len(element.dims) + 1)
    count = Dim.fresh() if length is None else length
    return Fact(element.dtype, (*element.dims[:axis], count, *element.dims[axis:]))


@symbol("list.reversed")
def reversed_(xs: List) -> Fact:
    """``xs[::-1]``."""
    return xs


@symbol("runtime.stack", creates=True)
def stack_or_empty(xs: List, shape: tuple[Size, ...], dim: int, *, dtype: DType) -> Fact:
    element, length = element_of(xs), _length(xs)
    if element.dims is None:
        return element
    axis = normal(dim, len(element.dims) + 1)
    count = Dim.fresh() if length is None else length
    # Of no element, not even the unknown sizes are what they are of others.
    return Fact(element.dtype, (*element.dims[:axis], count, *element.dims[axis:]))


@symbol("runtime.parts_of_strings")
def parts_of_strings(x: Tensor, sizes: tuple[Size, ...] | Size | None, dim: int, *, keepdim: bool) -> Fact:
    if x.dims is None:
        return SequenceOf(Fact(x.dtype, None))
    axis = normal(dim, len(x.dims))
    before, after = x.dims[:axis], x.dims[axis + 1 :]
    if sizes is None:
        return SequenceOf(Fact(x.dtype, (*before, *((1,) if keepdim else ()), *after)), x.dims[axis])
    return SequenceOf(Fact(x.dtype, (*before, Dim.fresh(), *after)))


@symbol("runtime.join_strings")
def join_strings(xs: List, dim: int, *, new_axis: bool = False, empty: tuple[Size, ...] = ()) -> Fact:
    element = element_of(xs)
    rank = None if element.dims is None else len(element.dims) + new_axis
    return Fact(element.dtype, None if rank is None else tuple(Dim.fresh() for _ in range(rank)))


@symbol("maybe.is_there")
def is_there(x: Value) -> Fact:
    """``x is not None``, a bool."""
    return Fact(DType.BOOL, (), host=True)


@symbol("maybe.is_missing")
def is_missing(x: Value) -> Fact:
    """``x is None``, a bool."""
    return Fact(DType.BOOL, (), host=True)


@symbol("maybe.value")
def value(x: Value) -> Fact:
    """A value of which it is known that it is there."""
    assert isinstance(x, OptionalOf)
    return freshened(x.element)
