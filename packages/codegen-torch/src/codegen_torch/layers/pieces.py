"""Pieces: slices that take a tensor apart are its chunks, and those that change places are a roll."""

from __future__ import annotations

from dataflow_ir import nodes, postwalk

from codegen_torch.expr import Expr, call, originating

_Axis = tuple[Expr, int]


def join_slices(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Write all the slices that a tensor is cut into as one ``x.chunk(n, dim)`` or ``x.split(sizes, dim)``."""
    outputs = postwalk(_rolled, outputs)
    order: list[Expr] = nodes(outputs)  # type: ignore[assignment]
    cuts = _cuts(order)
    if not cuts:
        return outputs
    places = {piece: (axis, place) for axis, pieces in cuts.items() for place, piece in enumerate(pieces)}
    news: dict[Expr, Expr] = {}
    parts: dict[_Axis, tuple[Expr, ...]] = {}
    for expr in order:
        if expr not in places:
            inputs = tuple(None if operand is None else news[operand] for operand in expr.inputs)
            news[expr] = expr if inputs == expr.inputs else expr.rebuild(inputs)
            continue
        axis, place = places[expr]
        if axis not in parts:
            source, dim = axis
            parts[axis] = _taken_apart(news[source], dim, cuts[axis])
        news[expr] = parts[axis][place]
    return {name: news[result] for name, result in outputs.items()}


def _cuts(order: list[Expr]) -> dict[_Axis, list[Expr]]:
    """The slices that cut a computed tensor, along one dimension of known size, into pieces without gap or overlap."""
    found: dict[_Axis, dict[int, Expr]] = {}
    for expr in order:
        if expr.op == "index.slice" and len(expr.inputs) == 1 and expr.attrs.get("step", 1) == 1:
            source = expr.inputs[0]
            if source.dims is not None and source.op not in ("weight", "constant"):
                dim = expr.attrs["dim"] % len(source.dims)
                bounds = _bounds(expr, source.dims[dim])
                if bounds is not None:
                    found.setdefault((source, dim), {}).setdefault(bounds[0], expr)
    return {axis: pieces for axis, starts in found.items() if (pieces := _whole(axis, starts)) is not None}


def _bounds(expr: Expr, size: object) -> tuple[int, int] | None:
    """Where a slice begins and ends, if both are known and inside."""
    start, stop = expr.attrs.get("start", 0), expr.attrs.get("stop")
    if not isinstance(size, int) or not isinstance(start, int) or not isinstance(stop, int | None):
        return None
    start, stop, _ = slice(start, stop).indices(size)
    return (start, stop) if start < stop else None


def _whole(axis: _Axis, starts: dict[int, Expr]) -> list[Expr] | None:
    """The pieces in their order, if each begins where the one before it ends, and the last at the end."""
    source, dim = axis
    assert source.dims is not None
    reached = 0
    pieces: list[Expr] = []
    while reached in starts:
        pieces.append(starts[reached])
        bounds = _bounds(pieces[-1], source.dims[dim])
        assert bounds is not None
        reached = bounds[1]
    if len({(piece.origin.scope, piece.origin.block) for piece in pieces}) > 1:
        return None  # each is cut off where it is needed, in a module of its own
    return pieces if len(pieces) == len(starts) > 1 and reached == source.dims[dim] else None


def _taken_apart(source: Expr, dim: int, pieces: list[Expr]) -> tuple[Expr, ...]:
    sizes = [piece.dims[dim] for piece in pieces if piece.dims is not None]
    assert source.dims is not None
    where = dim - len(source.dims) if dim == len(source.dims) - 1 else dim
    with originating(pieces[0].origin):
        if len(set(sizes)) == 1:
            return tuple(source.chunk(len(sizes), dim=where))
        return tuple(source.split(tuple(sizes), dim=where))


def _rolled(expr: Expr) -> Expr | None:
    """``torch.cat([x[k:], x[:k]])`` is ``torch.roll(x, -k)``; several dimensions are rolled at once."""
    if expr.op != "torch.cat" or len(expr.inputs) != 2 or expr.rank is None:
        return None
    dim = expr.attrs.get("dim", 0) % expr.rank
    last, first = expr.inputs
    if any(part.op != "index.slice" or len(part.inputs) != 1 for part in expr.inputs):
        return None
    x = first.inputs[0]
    if last.inputs[0] is not x or x.dims is None or any(not _cuts_only(part, dim) for part in expr.inputs):
        return None
    size = x.dims[dim]
    head, tail = _bounds(first, size), _bounds(last, size)
    if head is None or tail is None or head[0] != 0 or head[1] != tail[0] or tail[1] != size:
        return None
    shift = -head[1] if 2 * head[1] <= tail[1] else tail[1] - head[1]
    with originating(expr.origin):
        if x.op != "torch.roll" or dim in x.attrs["dims"]:
            return call("torch.roll", x, (shift,), (dim,))
        return call("torch.roll", x.inputs[0], (*x.attrs["shifts"], shift), (*x.attrs["dims"], dim))


def _cuts_only(part: Expr, dim: int) -> bool:
    return part.rank is not None and part.attrs["dim"] % part.rank == dim and part.attrs.get("step", 1) == 1
