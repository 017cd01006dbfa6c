"""Rearrangements that undo each other, as they meet where one operator's layout ends and another one's begins."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.expr import Expr, originating

_VIEWS = frozenset({"Tensor.flatten", "Tensor.reshape", "Tensor.squeeze", "Tensor.unflatten", "Tensor.unsqueeze"})


def cancel_movement(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Leave out views and permutations that end where they began, and join permutations in a row."""
    return postwalk(_cancelled, outputs)


def _cancelled(expr: Expr) -> Expr | None:
    if expr.op in _VIEWS:
        return _viewed(expr)
    order = _order(expr)
    if order is None:
        return None
    inner = expr.inputs[0]
    before = _order(inner)
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
    order = _order(expr)
    if order is None:
        return False
    long = [axis for axis in order if expr.inputs[0].dims[axis] != 1]
    return long == sorted(long)


def _order(expr: Expr) -> tuple[int, ...] | None:
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
