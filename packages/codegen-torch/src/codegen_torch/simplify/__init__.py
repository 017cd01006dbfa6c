"""Simplification: exact rewrites that make the graph smaller, in the order of :func:`simplify`."""

from __future__ import annotations

from collections.abc import Hashable

from dataflow_ir import postwalk

from codegen_torch.expr import Expr
from codegen_torch.simplify.fills import write_fills
from codegen_torch.simplify.identities import drop_identities
from codegen_torch.simplify.literals import inline_literals
from codegen_torch.simplify.movement import undo_movement
from codegen_torch.simplify.shapes import write_shapes
from codegen_torch.symbols import SYMBOLS

Outputs = dict[str, Expr]
_DROPS = frozenset({"dropout", "dropout_p"})
"""By what attributes attention and recurrent layers drop something in training."""


def simplify(outputs: Outputs) -> Outputs:
    """Numbers become literals, tensors that hold shapes become host values, equal expressions become one."""
    outputs = write_shapes(outputs)  # first: it decides which integer tensors are left
    outputs = inline_literals(outputs)
    outputs = drop_identities(outputs)  # sees the literals
    outputs = undo_movement(outputs)
    outputs = write_fills(outputs)
    return share(outputs)


def share(outputs: Outputs) -> Outputs:
    """Common subexpression elimination. What has an effect is never shared.

    Blocks stay different even where their code is equal: what is known of their parameters may differ.
    """
    known: dict[Hashable, Expr] = {}
    return postwalk(lambda expr: None if has_effect(expr) else known.setdefault(expr.key, expr), outputs)


def has_effect(expr: Expr) -> bool:
    """Whether two equal calls differ."""
    return expr.op in SYMBOLS and (SYMBOLS[expr.op].effect or not _DROPS.isdisjoint(expr.attrs))
