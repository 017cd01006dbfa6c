"""Lookups in stored tables become layers."""

from __future__ import annotations

from dataflow_ir import P, V

from codegen_torch.expr import Expr
from codegen_torch.layers.refs import parameter
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import nn

RULES = Family()


@RULES(P.F.embedding(V.indices, V.table))
def embedding(indices: Expr, table: Expr) -> Expr | None:
    """A lookup in a stored table of vectors is an nn.Embedding layer."""
    weight = parameter(table)
    return None if weight is None or weight.rank != 2 else nn.Embedding(indices, weight)
