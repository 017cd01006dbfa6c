"""Slices of slices, and new dimensions beside each other, as one subscript."""

from __future__ import annotations

from dataflow_ir import P, V, once

from codegen_torch.expr import Expr, call
from codegen_torch.layers.rules import Family

RULES = Family()


@RULES(P.index.slice(V("inner", op={"index.slice", "index.slices"})).named("outer"))
def slice_of_a_slice(inner: Expr, outer: Expr) -> Expr | None:
    """A slice of a slice along another dimension is one of both dimensions."""
    x: Expr = inner.inputs[0]
    if x.rank is None or len(inner.inputs) > 1 or len(outer.inputs) > 1:
        return None
    cuts = _cuts(inner) | _cuts(outer)
    if len(cuts) < len(_cuts(inner)) + 1:
        return None
    return call("index.slices", x, tuple((dim, *cuts[dim]) for dim in sorted(cuts)))


def _cuts(expr: Expr) -> dict[int, tuple[int, int | None, int]]:
    """Start, stop and step by dimension."""
    if expr.op == "index.slices":
        return {dim: (start, stop, step) for dim, start, stop, step in expr.attrs["cuts"]}
    attrs, rank = expr.attrs, expr.rank or 1
    return {attrs["dim"] % rank: (attrs.get("start", 0), attrs.get("stop"), attrs.get("step", 1))}


_INSERTIONS = frozenset({"Tensor.unsqueeze", "index.spread"})


@RULES(once(V("inner", op=_INSERTIONS)) >> V("outer", op=_INSERTIONS))
def new_dimensions(inner: Expr, outer: Expr) -> Expr | None:
    """A new dimension beside new dimensions is one more ``None`` in the subscript."""
    if outer.rank is None or inner.origin.scope != outer.origin.scope:
        return None
    new = _inserted(outer)
    old = [axis for axis in range(outer.rank) if axis not in new]
    return call("index.spread", inner.inputs[0], tuple(sorted((*new, *(old[axis] for axis in _inserted(inner))))))


def _inserted(expr: Expr) -> tuple[int, ...]:
    """The new dimensions, counted in the result."""
    if expr.op == "index.spread":
        dims: tuple[int, ...] = expr.attrs["dims"]
        return dims
    return (expr.attrs["dim"] % (expr.rank or 1),)
