"""Recovering layers: rules that turn expressions into torch.nn modules and fused functions, one family per file."""

from __future__ import annotations

from codegen_torch.expr import Expr
from codegen_torch.layers import (
    activation,
    attention,
    conv,
    einsum,
    embedding,
    heads,
    joins,
    linear,
    masks,
    norm,
    pixels,
    quantization,
    rotary,
    subscripts,
    views,
)
from codegen_torch.layers.heads import keep_samples_first
from codegen_torch.layers.leading import drop_leading
from codegen_torch.layers.movement import cancel_movement
from codegen_torch.layers.pieces import join_slices
from codegen_torch.layers.recurrent import join_recurrent
from codegen_torch.layers.rules import Family

PASSES: tuple[Family, ...] = (
    quantization.RULES,  # first: what it makes is a layer's input
    conv.RULES,
    embedding.RULES,
    linear.RULES,
    linear.UNFLATTENED,  # sees the layers that the rules before it made
    norm.SPELLED_OUT,
    norm.RULES,  # the scale of a spelled-out norm may be stored, too
    activation.RULES,
    heads.RULES,
    einsum.RULES,
    attention.RULES,  # sees the products that were einsums
    heads.RETURNED,
    joins.RULES,  # heads that are repeated for groups of queries are attention's
    pixels.RULES,
    rotary.RULES,  # sees what was stacked
    views.RULES,  # what is left of the shapes that layers and attention take
    subscripts.RULES,  # last: no other rule looks for what these make
)
"""The families of rules, in the order they are applied in."""


def recover_layers(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Write groups of expressions as the layers and functions they were before the export.

    Args:
        outputs: The results of a graph by name.

    Returns:
        The same results computed by better expressions.
    """
    outputs = join_slices(drop_leading(cancel_movement(masks.RULES.apply(outputs))))
    for rules in PASSES:
        outputs = rules.apply(outputs)
    return keep_samples_first(join_recurrent(outputs))
