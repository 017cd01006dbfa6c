"""How rules are written and applied: a pattern with its guard, a replacement, one sentence that says it in words."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dataflow_ir import nodes, prewalk

from codegen_torch.expr import Expr, Origin, Scope
from codegen_torch.symbols import SYMBOLS, Kind

MOST_COVERED = 64
"""No pattern covers more expressions."""

Uses = Counter[Expr]
"""How often each expression is an operand or a result."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One way to write a group of expressions better.

    Attributes:
        words: What it does, in a sentence.
        roots: The symbols that the group's last expression may be of.
        rewrite: Builds the replacement, or returns None where the pattern or its guard does not hold.
        shares_scope: Whether the replacement belongs to the innermost module around the whole group, and not to
            that of the group's last expression.
    """

    words: str
    roots: tuple[str, ...]
    rewrite: Callable[[Expr, Uses], Expr | None]
    shares_scope: bool


def rule(*roots: str, shares_scope: bool = False) -> Callable[[Callable[[Expr, Uses], Expr | None]], Rule]:
    """Make a rule of a function; its docstring is the rule in words."""

    def make(rewrite: Callable[[Expr, Uses], Expr | None]) -> Rule:
        return Rule((rewrite.__doc__ or "").strip(), roots, rewrite, shares_scope)

    return make


def apply(rules: Sequence[Rule], outputs: dict[str, Expr]) -> dict[str, Expr]:
    """Replace, from the results down, every group of expressions that a rule applies to; the first one wins.

    Patterns are matched on expressions as they were before, so that the largest group is found first and uses are
    those of the graph that is read. An expression of a group that is used outside of it stays there as well.
    """
    old: list[Expr] = nodes(list(outputs.values()))  # type: ignore[assignment]
    known = set(old)
    uses: Uses = Counter(operand for expr in old for operand in expr.inputs if operand is not None)
    uses.update(outputs.values())
    by_root: dict[str, list[Rule]] = {}
    for candidate in rules:
        for root in candidate.roots:
            by_root.setdefault(root, []).append(candidate)

    def rewritten(expr: Expr) -> Expr | None:
        for candidate in by_root.get(expr.op, ()) if expr in known else ():
            new = candidate.rewrite(expr, uses)
            if new is not None:
                _inherit(expr, new, known, candidate.shares_scope)
                return new
        return None

    def visit(expr: Expr) -> Expr | None:
        result = new = rewritten(expr)
        while new is not None:
            result = new
            new = rewritten(new)  # which may be an operand of the group, and the last of another group
        return result

    return prewalk(visit, outputs)


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
    )
    for expr in made:
        if expr.inputs:
            expr.meta["origin"] = origin


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
