"""Rearrangements that undo each other, as they meet where one operator's layout ends and another one's begins."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.expr import Expr, call, originating

_VIEWS = frozenset({"Tensor.flatten", "Tensor.reshape", "Tensor.squeeze", "Tensor.unflatten", "Tensor.unsqueeze"})


def cancel_movement(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Leave out views and permutations that end where they began, and join permutations in a row."""
    return postwalk(_cancelled, outputs)


def _cancelled(expr: Expr) -> Expr | None:
    if expr.op in _VIEWS:
        return _viewed(expr) or (_squeezed(expr) if expr.op == "Tensor.squeeze" else None)
    if expr.op == "index.select":
        return _chosen(expr)
    order = order_of(expr)
    if order is None:
        return None
    inner = expr.inputs[0]
    before = order_of(inner)
    if before is None:
        return inner if order == tuple(range(len(order))) else None
    with originating(expr.origin):
        return permuted(inner.inputs[0], tuple(before[axis] for axis in order))


def _viewed(expr: Expr) -> Expr | None:
    """What a view is of, if it has the same shape; the view before this one does not matter."""
    source = expr.inputs[0]
    while (source.op in _VIEWS or _keeps_elements_in_order(source)) and source.dims != expr.dims:
        source = source.inputs[0]
    return source if expr.dims is not None and source.dims == expr.dims else None


def _keeps_elements_in_order(expr: Expr) -> bool:
    """Whether this is a permutation that only moves axes of length 1."""
    order = order_of(expr)
    if order is None:
        return False
    long = [axis for axis in order if expr.inputs[0].dims[axis] != 1]
    return long == sorted(long)


def _squeezed(expr: Expr) -> Expr | None:
    """``x[2:3].squeeze(0)`` is ``x[2]``; an axis that was put in and then moved leaves a permutation."""
    dim, source = expr.attrs.get("dim"), expr.inputs[0]
    if len(expr.inputs) != 1 or source.rank is None:
        return None
    if isinstance(dim, tuple) and len(dim) == 1:
        (dim,) = dim
    if not isinstance(dim, int):
        return None
    axis = dim % source.rank
    with originating(expr.origin):
        position = _single(source, axis)
        if position is not None:
            return call("index.select", source.inputs[0], axis, position)
        if _is_unit(source, axis):
            return call("index.select", source.inputs[0].inputs[0], axis, source.attrs["index"])
        order = order_of(source)
        if order is None or source.inputs[0].op != "Tensor.unsqueeze":
            return None
        single = source.inputs[0]
        put = single.attrs["dim"] % len(order)
        if order[axis] != put:
            return None
        return permuted(single.inputs[0], tuple(old - (old > put) for old in order if old != put))


def _single(expr: Expr, axis: int) -> int | None:
    """The position on an axis of known size that a slice consists of."""
    if expr.op != "index.slice" or len(expr.inputs) != 1 or expr.rank is None or expr.attrs["dim"] % expr.rank != axis:
        return None
    size = expr.inputs[0].dims[axis] if expr.inputs[0].dims is not None else None
    start, stop = expr.attrs.get("start", 0), expr.attrs.get("stop")
    if not isinstance(size, int) or not isinstance(start, int) or not isinstance(stop, int | None):
        return None
    positions = range(size)[start : stop : expr.attrs.get("step", 1)]
    return positions[0] if len(positions) == 1 else None


def _is_unit(expr: Expr, axis: int) -> bool:
    """Whether this is one of the pieces of length 1 that an axis is split into."""
    if expr.op != "operator.getitem" or expr.inputs[0].op != "Tensor.split" or expr.rank is None:
        return False
    pieces = expr.inputs[0].attrs
    return type(pieces["split_size"]) is int and pieces["split_size"] == 1 and pieces.get("dim", 0) % expr.rank == axis


def _chosen(expr: Expr) -> Expr | None:
    """``x.unflatten(-1, (3, 12)).permute(2, 0, 1, 3)[0]`` is ``x.chunk(3, dim=-1)[0]``."""
    source, index = expr.inputs[0], expr.attrs["index"]
    order = order_of(source)
    if order is None or len(expr.inputs) != 1 or not isinstance(index, int):
        return None
    axis = expr.attrs["dim"] % len(order)
    parts = source.inputs[0]
    rest = [old for place, old in enumerate(order) if place != axis]
    if rest != sorted(rest) or parts.op != "Tensor.unflatten" or len(parts.inputs) != 1:
        return None
    x, count = parts.inputs[0], parts.dims[order[axis]]
    last = len(order) - 2  # the axis of x that is unflattened, if it is the last one
    if parts.attrs["dim"] not in (-1, last) or len(parts.attrs["sizes"]) != 2 or order[axis] != last:
        return None
    if not isinstance(count, int) or not isinstance(x.dims[-1], int) or not 0 <= index < count:
        return None
    with originating(expr.origin):
        return x.chunk(count, dim=-1)[index]  # type: ignore[no-any-return]


def order_of(expr: Expr) -> tuple[int, ...] | None:
    """Which axis of the operand each axis of a permutation is."""
    if expr.op not in ("Tensor.permute", "Tensor.transpose") or expr.rank is None:
        return None
    rank = expr.rank
    if expr.op == "Tensor.permute":
        return tuple(axis % rank for axis in expr.attrs["dims"])
    order = list(range(rank))
    first, second = expr.attrs["dim0"] % rank, expr.attrs["dim1"] % rank
    order[first], order[second] = second, first
    return tuple(order)


def permuted(x: Expr, order: tuple[int, ...]) -> Expr:
    """A tensor with its axes in another order: as a transpose, where only two change places."""
    moved = [axis for axis, source in enumerate(order) if axis != source]
    if not moved:
        return x
    if len(moved) == 2:
        return x.transpose(*moved)  # type: ignore[no-any-return]
    return x.permute(*order)  # type: ignore[no-any-return]
