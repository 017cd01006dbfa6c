"""Repeats and stacks, which exporters spell as new dimensions that are expanded, joined and merged."""

from __future__ import annotations

from dataflow_ir import Match, P, V, rest

from codegen_torch.expr import Expr
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import torch

RULES = Family()


@RULES(V("merged", op={"Tensor.flatten", "Tensor.reshape"}).where(lambda expr: len(expr.inputs) == 1))
def repeated(merged: Expr) -> Expr | None:
    """A new dimension that is expanded and merged with the one before it, or after it, is a repeat."""
    wide = merged.inputs[0]
    if wide.op not in ("Tensor.expand", "Tensor.repeat") or wide.inputs[0].op != "Tensor.unsqueeze":
        return None
    single = wide.inputs[0]
    x, new = single.inputs[0], single.attrs["dim"] % (single.rank or 1)
    if x.dims is None or wide.dims is None or merged.dims is None or len(wide.dims) != len(x.dims) + 1:
        return None
    count = wide.dims[new]
    if wide.dims != (*x.dims[:new], count, *x.dims[new:]) or not (isinstance(count, int) or count.is_bound()):
        return None
    if new and merged.dims == (*x.dims[: new - 1], x.dims[new - 1] * count, *x.dims[new:]):
        return x.repeat_interleave(count, new - 1)  # type: ignore[no-any-return]
    if new < len(x.dims) and merged.dims == (*x.dims[:new], count * x.dims[new], *x.dims[new + 1 :]):
        return x.repeat(*(count if axis == new else 1 for axis in range(len(x.dims))))  # type: ignore[no-any-return]
    return None


@RULES(P.torch.cat(P.Tensor.unsqueeze(V._), P.Tensor.unsqueeze(V._), *rest()))
def stacked(m: Match) -> Expr | None:
    """Joining tensors along a new dimension of each is torch.stack."""
    rank = m.root.rank
    if rank is None:
        return None
    dim = m.root.attrs.get("dim", 0) % rank
    if any(part.op != "Tensor.unsqueeze" or part.attrs["dim"] % rank != dim for part in m.root.inputs):
        return None
    written = dim - rank if dim == rank - 1 else dim
    return torch.stack([part.inputs[0] for part in m.root.inputs], dim=written)  # type: ignore[no-any-return]
