"""How rules are applied: a pattern over expressions, a guard, a replacement, one sentence that says it in words.

Patterns and rules are `dataflow_ir`'s; what is added here is where a replacement comes from in the file.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Collection, Iterator, Sequence

from dataflow_ir import Rules, nodes, rewrite
from dataflow_ir.rewrite import Step

from codegen_torch.expr import Expr, Origin
from codegen_torch.scope import Scope
from codegen_torch.symbols import SYMBOLS, Kind

MOST_COVERED = 64
"""No pattern covers more expressions."""
MOST_ROUNDS = 64
"""More layers than this are not made one out of the other."""


class Family(Rules):
    """The rules of one family, first come, first served.

    Args:
        shares_scope: The rules whose replacement belongs to the innermost module around the whole group, and not to
            that of the group's last expression.
    """

    def __init__(self, *, shares_scope: Collection[str] = ()) -> None:
        super().__init__(commutative={"operator.add", "operator.mul", "operator.and_"})
        self.shares_scope = frozenset(shares_scope)

    def apply(self, outputs: dict[str, Expr]) -> dict[str, Expr]:
        """Replace, from the results down, every group of expressions that a rule applies to, until none does.

        A round matches expressions as they were before it, so that the largest group is found first. An expression
        of a group that is used outside of it stays there as well.
        """
        for _ in range(MOST_ROUNDS):
            known: set[Expr] = set(nodes(outputs))  # type: ignore[arg-type]

            def inherit(step: Step, known: set[Expr] = known) -> None:
                _inherit(step.old, step.new, known, step.rule.name in self.shares_scope)  # type: ignore[arg-type]

            rewritten = rewrite(outputs, self, strategy="topdown", fixpoint=False, trace=inherit)
            if all(rewritten[name] is outputs[name] for name in outputs):
                break
            outputs = rewritten
        return outputs


def _inherit(root: Expr, new: Expr, known: set[Expr], shares_scope: bool) -> None:
    """Give new expressions the origin of the group they replace."""
    made, frontier = _made(new, known)
    covered = list(_covered(root, frontier))
    scope = _common([expr.origin.scope for expr in covered if expr.origin.order >= 0]) if shares_scope else None
    origin = Origin(
        root.origin.order,
        root.origin.scope if scope is None else scope,
        root.origin.name,
        tuple(sorted({position for expr in covered for position in expr.origin.nodes})),
        root.origin.block,
    )
    for expr in made:
        if expr.inputs:
            expr.meta["origin"] = dataclasses.replace(origin, value=root.origin.value) if expr is new else origin


def _made(new: Expr, known: set[Expr]) -> tuple[list[Expr], set[Expr]]:
    """The expressions that a rule built, and the old ones that they use."""
    made: list[Expr] = []
    frontier: set[Expr] = set()
    stack = [new]
    seen = set(stack)
    while stack:
        expr = stack.pop()
        if expr in known:
            frontier.add(expr)
            continue
        made.append(expr)
        fresh = [operand for operand in expr.inputs if operand is not None and operand not in seen]
        seen.update(fresh)
        stack += fresh
    return made, frontier


def _covered(root: Expr, frontier: set[Expr]) -> Iterator[Expr]:
    """The group between a root and the operands that stay; sizes, which are computed elsewhere, are no part of it."""
    stack = [root]
    seen = {root, *frontier}
    while stack and len(seen) < MOST_COVERED + len(frontier):
        expr = stack.pop()
        yield expr
        fresh = [operand for operand in tensor_operands(expr) if operand is not None and operand not in seen]
        seen.update(fresh)
        stack += fresh


def tensor_operands(expr: Expr) -> tuple[Expr | None, ...]:
    """The operands without the host values that stand in attributes."""
    symbol = SYMBOLS.get(expr.op)
    if symbol is None or any(parameter.kind is Kind.TENSORS for parameter in symbol.parameters):
        return expr.inputs
    return expr.inputs[: sum(parameter.is_input for parameter in symbol.parameters)]


def _common(scopes: Sequence[Scope]) -> Scope:
    """The modules around all of these scopes."""
    if not scopes:
        return ()
    levels = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*scopes, strict=False))
    return tuple(level[0] for level in levels)
