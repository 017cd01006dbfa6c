"""Sequences: Python lists of tensors."""

from __future__ import annotations

from onnx_proto import DataType

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank, array
from codegen_torch.facts import Fact, SequenceOf
from codegen_torch.lower.registry import Int, List, Strings, Value, host_elements, op
from codegen_torch.ops.cast import dtype_of
from codegen_torch.ops.tensor import split_at
from codegen_torch.symbols.namespaces import host, list_, runtime, torch
from codegen_torch.symbols.shape import normal


@op("SequenceConstruct", since=11)
def sequence_construct(*xs: Value) -> Expr:
    return list_.of(xs)  # type: ignore[no-any-return]


@op("SequenceEmpty", since=11)
def sequence_empty(*, dtype: int = int(DataType.FLOAT)) -> Expr:
    empty: Expr = list_.of(())
    empty.fact = SequenceOf(Fact(dtype_of(dtype), None), 0)
    return empty


@op("SequenceAt", since=11)
def sequence_at(xs: List, position: Int) -> Expr:
    count = len(xs.inputs)
    if xs.op == "list.of" and isinstance(position, int) and -count <= position < count:
        return xs.inputs[position]  # type: ignore[no-any-return]
    return list_.item(xs, position)  # type: ignore[no-any-return]


@op("SequenceInsert", since=11)
def sequence_insert(xs: List, x: Expr | Strings, position: Int | None = None) -> Expr:
    """Before a position, which counts from the end if it is negative; at the end without one."""
    if xs.op == "list.of" and (position is None or isinstance(position, int)):
        values = list(xs.inputs)
        values.insert(len(values) if position is None else position, x)
        return list_.of(values)  # type: ignore[no-any-return]
    return list_.inserted(xs, x, position)  # type: ignore[no-any-return]


@op("SequenceErase", since=11)
def sequence_erase(xs: List, position: Int | None = None) -> Expr:
    """At a position, or the last one."""
    position = -1 if position is None else position
    if not isinstance(position, int):
        return runtime.erase(xs, position)  # type: ignore[no-any-return]
    return list_.without(xs, position)  # type: ignore[no-any-return]


@op("SequenceLength", since=11)
def sequence_length(xs: List) -> Expr:
    length = list_.len(xs)
    known = length.fact.value
    if known is not None and isinstance(known.item(), int):
        return array(known.item(), DType.INT64)
    return host.tensor(length, dtype=DType.INT64)  # type: ignore[no-any-return]


@op("SplitToSequence", since=11)
def split_to_sequence(x: Expr, split: Expr | None = None, *, axis: int = 0, keepdims: int = 1) -> Expr:
    """The parts' sizes, or one size for all; without them parts of one, whose dimension goes unless ``keepdims``."""
    if split is None:
        return parts_of(x, 1, axis) if keepdims else unbound(x, axis)
    if split.rank is None:
        raise UnknownRank(split)
    if split.rank == 0:
        known = split.fact.value
        return parts_of(x, host.item(split) if known is None else known.item(), axis)
    sizes = host_elements(split)
    if sizes is None:
        return list_.split(x, host.tolist(split), axis)  # type: ignore[no-any-return]
    return list_.of(split_at(x, sizes, axis))  # type: ignore[no-any-return]


@op("SplitToSequence", since=11)
def split_strings_to_sequence(x: Strings, split: Expr | None = None, *, axis: int = 0, keepdims: int = 1) -> Expr:
    sizes = None if split is None else host.item(split) if split.rank == 0 else host.tolist(split)
    return runtime.parts_of_strings(x, sizes, axis, keepdim=bool(keepdims))  # type: ignore[no-any-return]


def unbound(x: Expr, axis: int) -> Expr:
    """The slices along an axis, as a list."""
    if x.dtype is DType.STRING:
        return runtime.parts_of_strings(x, None, axis, keepdim=False)  # type: ignore[no-any-return]
    return list_.unbind(x, axis)  # type: ignore[no-any-return]


def parts_of(x: Expr, size: int | Dim | Expr, axis: int) -> Expr:
    """Parts of one size, the last of which may be smaller. torch makes one part of nothing, ONNX makes none."""
    total = None if x.dims is None else x.dims[normal(axis, len(x.dims))]
    if isinstance(total, int) and total > 0:
        return list_.split(x, size, axis)  # type: ignore[no-any-return]
    return runtime.parts(x, size, axis)  # type: ignore[no-any-return]


@op("ConcatFromSequence", since=11)
def concat_from_sequence(xs: List, *, axis: int, new_axis: int = 0) -> Expr:
    if xs.dtype is DType.STRING:
        return runtime.join_strings(xs, axis, new_axis=bool(new_axis))  # type: ignore[no-any-return]
    if xs.op == "list.of" and xs.inputs:
        return (torch.stack if new_axis else torch.cat)(xs.inputs, dim=axis)  # type: ignore[no-any-return]
    return (list_.stack if new_axis else list_.cat)(xs, dim=axis)  # type: ignore[no-any-return]
