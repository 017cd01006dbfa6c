"""Views and permutations in a row, as the fewest that say the same."""

from __future__ import annotations

import dataclasses

from dataflow_ir import V, once, postwalk

from codegen_torch.dims import Dim
from codegen_torch.expr import Expr
from codegen_torch.layers.movement import permuted
from codegen_torch.layers.rules import Family
from codegen_torch.reshaped import reshaped
from codegen_torch.scope import Scope

RULES = Family()

_VIEWS = frozenset({"Tensor.flatten", "Tensor.reshape", "Tensor.squeeze", "Tensor.unflatten", "Tensor.unsqueeze"})
_TURNS = frozenset({"Tensor.permute", "Tensor.transpose"})
_ARRANGEMENTS = _TURNS | {"Tensor.squeeze", "Tensor.unsqueeze"}
_Places = tuple[int | None, ...]
"""Which axis of the operand each axis of the result is; None for a new one."""


@RULES(once(V("inner", op=_VIEWS)) >> V("outer", op=_VIEWS))
def view_of_a_view(inner: Expr, outer: Expr) -> Expr | None:
    """A view of a view is a view, where its sizes are as easy to read."""
    x = inner.inputs[0]
    if outer.inputs[0] is not inner or x.dims is None or not _in_one_module(inner, outer):
        return None
    if inner.op == outer.op == "Tensor.unsqueeze":
        return None  # a subscript says it better
    view = _viewed(x, outer)
    if view is None or view.inputs[:1] != (x,):
        return None
    sizes = [size for size in view.dims or () if isinstance(size, Dim)]
    return None if view.op == "Tensor.reshape" and len(sizes) > 1 else view


@RULES(once(V("inner", op=_ARRANGEMENTS)) >> V("outer", op=_ARRANGEMENTS))
def arrangement_of_an_arrangement(inner: Expr, outer: Expr) -> Expr | None:
    """An arrangement of axes is one permutation: what it drops is squeezed before, and what is new unsqueezed after."""
    first, second = _places(inner), _places(outer)
    if outer.inputs[0] is not inner or first is None or second is None or not _in_one_module(inner, outer):
        return None
    x: Expr = inner.inputs[0]
    places = tuple(None if axis is None else first[axis] for axis in second)
    if x.dims is None:
        return None
    long = [axis for axis in places if axis is not None and x.dims[axis] != 1]
    if long == sorted(long):
        view = _viewed(x, outer)
        is_one = view is x or (view is not None and view.op in _ARRANGEMENTS and view.inputs[0] is x)
        return view if is_one else None
    is_in_order = outer.op == "Tensor.unsqueeze" or (outer.op in _TURNS and inner.op != "Tensor.unsqueeze")
    arranged = _arranged(x, places)
    return arranged if _steps(arranged, x) < (2 if is_in_order else 3) else None


def _viewed(x: Expr, view: Expr) -> Expr | None:
    """A tensor in the shape that a view of it has, if that can be said."""
    if view.dims is None:
        return None
    sizes = [size if isinstance(size, int) or size.is_bound() else -1 for size in view.dims]
    return None if sizes.count(-1) > 1 else reshaped(x, sizes)


def _places(expr: Expr) -> _Places | None:
    operand, rank = expr.inputs[0], expr.inputs[0].rank
    if rank is None or len(expr.inputs) > 1:
        return None
    if expr.op == "Tensor.permute":
        return tuple(axis % rank for axis in expr.attrs["dims"])
    order: list[int | None] = list(range(rank))
    if expr.op == "Tensor.transpose":
        one, other = expr.attrs["dim0"] % rank, expr.attrs["dim1"] % rank
        order[one], order[other] = order[other], order[one]
    elif expr.op == "Tensor.unsqueeze":
        order.insert(expr.attrs["dim"] % (rank + 1), None)
    else:
        dims = expr.attrs.get("dim")
        if dims is None:
            return None
        gone = {axis % rank for axis in (dims if isinstance(dims, tuple) else (dims,))}
        if any(operand.dims is None or operand.dims[axis] != 1 for axis in gone):
            return None  # torch keeps what turns out to be longer
        order = [axis for axis in order if axis not in gone]
    return tuple(order)


def _arranged(x: Expr, places: _Places) -> Expr:
    """A tensor with its axes at these places."""
    kept = [axis for axis in places if axis is not None]
    gone = [axis for axis in range(x.rank or 0) if axis not in kept]
    if gone:
        x = x.squeeze(gone[0] if len(gone) == 1 else tuple(gone))
    ranks = {axis: rank for rank, axis in enumerate(sorted(kept))}
    x = permuted(x, tuple(ranks[axis] for axis in kept))
    for position, axis in enumerate(places):
        if axis is None:
            x = x.unsqueeze(position)
    return x


def _steps(expr: Expr, x: Expr) -> int:
    """How many operations lie between a tensor and an arrangement of it."""
    count = 0
    while expr is not x:
        expr, count = expr.inputs[0], count + 1
    return count


def _in_one_module(inner: Expr, outer: Expr) -> bool:
    """Whether both were written in one place: where a module hands its result on, its shape is meant."""
    return inner.origin.scope == outer.origin.scope


def own_views(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Let every module make the views of new dimensions that it needs: none is handed out of another one for that."""
    copies: dict[tuple[Expr, Scope], Expr] = {}

    def near(view: Expr | None, user: Expr) -> Expr | None:
        if view is None or view.op not in ("Tensor.unsqueeze", "index.spread"):
            return view
        scope = user.origin.scope
        if scope[: len(view.origin.scope)] == view.origin.scope:
            return view
        if (view, scope) not in copies:
            copies[view, scope] = view.rebuild(view.inputs)
            copies[view, scope].meta["origin"] = dataclasses.replace(view.origin, scope=scope)
        return copies[view, scope]

    def visit(expr: Expr) -> Expr | None:
        inputs = tuple(near(operand, expr) for operand in expr.inputs)
        return None if inputs == expr.inputs else expr.rebuild(inputs)

    return postwalk(visit, outputs)
