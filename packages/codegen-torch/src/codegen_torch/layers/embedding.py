"""Lookups in stored tables become layers."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.layers.refs import parameter
from codegen_torch.layers.rules import Uses, rule
from codegen_torch.symbols.namespaces import nn


@rule("F.embedding")
def embedding(expr: Expr, uses: Uses) -> Expr | None:
    """A lookup in a stored table of vectors is an nn.Embedding layer."""
    indices, table = expr.inputs
    weight = parameter(table)
    if weight is None or weight.rank != 2:
        return None
    return nn.Embedding(indices, weight)  # type: ignore[no-any-return]


RULES = (embedding,)
