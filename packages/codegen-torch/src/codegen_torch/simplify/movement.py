"""Movements that undo each other disappear: picking a part out of what was just put together."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.expr import Expr, call, originating
from codegen_torch.facts import broadcast


def undo_movement(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Run the rules of this module bottom-up."""
    return postwalk(_undone, outputs)


def _undone(expr: Expr) -> Expr | None:
    if expr.op == "index.select":
        return _part_of_join(expr)
    if expr.op == "index.tuple":
        return _without_expansion(expr)
    return None


def _part_of_join(expr: Expr) -> Expr | None:
    """``torch.cat([a, b], dim)[..., i]`` is ``a[..., i]`` or ``b[..., j]``; ``x.unsqueeze(dim)[..., 0]`` is ``x``."""
    join, index = expr.inputs[0], expr.attrs["index"]
    if join.op == "Tensor.unsqueeze" and join.rank is not None and index in (0, -1):
        return join.inputs[0] if (join.attrs["dim"] - expr.attrs["dim"]) % join.rank == 0 else None
    if join.op != "torch.cat" or join.rank is None or not isinstance(index, int):
        return None
    dim = expr.attrs["dim"] % join.rank
    if join.attrs.get("dim", 0) % join.rank != dim or index < 0:
        return None
    for part in join.inputs:
        size = None if part.dims is None else part.dims[dim]
        if not isinstance(size, int):
            return None
        if index < size:
            return _selected(expr, part, dim, index)
        index -= size
    return None


def _selected(expr: Expr, part: Expr, dim: int, index: int) -> Expr:
    if part.op == "Tensor.unsqueeze" and part.attrs["dim"] % (part.rank or 1) == dim:
        return part.inputs[0]  # type: ignore[no-any-return]
    with originating(expr.origin):
        return call("index.select", part, dim, index)


def _without_expansion(expr: Expr) -> Expr | None:
    """Index tensors broadcast against each other: expanding one of them first is not needed."""
    x, *indices = expr.inputs
    bare: list[Expr] = [index.inputs[0] if index.op == "Tensor.expand" else index for index in indices]
    before, after = broadcast(*(i.dims for i in indices)), broadcast(*(i.dims for i in bare))
    if bare == indices or before is None or before != after:
        return None
    return expr.rebuild((x, *bare))
