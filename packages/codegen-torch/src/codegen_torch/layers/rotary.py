"""Rotary embeddings: the turn by a right angle that they are made of."""

from __future__ import annotations

from dataflow_ir import Match, P, V, once

from codegen_torch.expr import Expr
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import runtime

RULES = Family()


@RULES(P.torch.cat(P.operator.neg(P.operator.getitem(V.parts, index=1)), P.operator.getitem(V.parts, index=0)))
def turned_halves(m: Match, parts: Expr) -> Expr | None:
    """Joining the negated second half to the first one is rotate_half, as rotary embeddings have it."""
    x, last = parts.inputs[0], (m.root.rank or 0) - 1
    if parts.op != "Tensor.chunk" or parts.attrs["chunks"] != 2 or x.dims is None:
        return None
    if m.root.attrs.get("dim", 0) not in (-1, last) or parts.attrs.get("dim", 0) not in (-1, last):
        return None
    size = x.dims[last]
    return runtime.rotate_half(x) if isinstance(size, int) and size % 2 == 0 else None


@RULES(P.Tensor.flatten(once(P.torch.stack(P.operator.neg(V.odd), V.even).named("pairs"))).named("merged"))
def turned_pairs(m: Match, pairs: Expr, odd: Expr, even: Expr, merged: Expr) -> Expr | None:
    """Weaving the negated odd features between the even ones is rotate_pairs, as rotary embeddings have it."""
    rank = pairs.rank or 0
    if pairs.attrs.get("dim", 0) not in (-1, rank - 1) or merged.rank != rank - 1:
        return None
    x = even.inputs[0] if even.inputs else even
    if x.dims is None or merged.dims != x.dims or _every_second(even) != (x, 0) or _every_second(odd) != (x, 1):
        return None
    size = x.dims[-1]
    return runtime.rotate_pairs(x) if isinstance(size, int) and size % 2 == 0 else None


def _every_second(expr: Expr) -> tuple[Expr, int] | None:
    """What every second feature is taken of, and from which on."""
    if expr.op != "index.slice" or len(expr.inputs) != 1 or expr.attrs.get("step", 1) != 2:
        return None
    if expr.attrs["dim"] not in (-1, (expr.rank or 0) - 1) or expr.attrs.get("stop") is not None:
        return None
    return expr.inputs[0], expr.attrs.get("start", 0)
