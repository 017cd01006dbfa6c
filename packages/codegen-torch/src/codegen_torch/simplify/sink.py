"""What only one branch needs is computed in that branch."""

from __future__ import annotations

import dataclasses

from dataflow_ir import nodes, postwalk, prewalk, stop

from codegen_torch.blocks import Block, Outputs, blocks_of, close, has_blocks, with_blocks
from codegen_torch.expr import Expr
from codegen_torch.modules.region import LEAVES
from codegen_torch.symbols import SYMBOLS

Home = tuple[Expr, str]
"""A branch: the expression, and the attribute that holds it."""


def sink(outputs: Outputs) -> Outputs:
    """Move expressions into the branch that has all their users, at every depth, the outermost first.

    Not into loops, where they would be computed again and again; and nothing that has an effect or blocks of its own.
    """
    homes = _homes(outputs)
    moved: dict[Home, list[Expr]] = {}
    for expr, home in homes.items():
        moved.setdefault(home, []).append(expr)

    def visit(expr: Expr) -> Expr | None:
        blocks = blocks_of(expr)
        news = {name: _grown(block, moved.get((expr, name), [])) for name, block in blocks.items()}
        return with_blocks(expr, news) if any(news[name] is not blocks[name] for name in blocks) else None

    def inside(expr: Expr) -> Expr | None:
        blocks = blocks_of(expr)
        return with_blocks(expr, {name: _inner(block) for name, block in blocks.items()}) if blocks else None

    return postwalk(inside, prewalk(visit, outputs) if moved else outputs)


def _inner(block: Block) -> Block:
    code = block.code
    results = sink({str(index): result for index, result in enumerate(code.body)})
    return close(
        code.number, code.params, list(results.values()), dict(zip(code.captured, block.captures, strict=True))
    )


def _homes(outputs: Outputs) -> dict[Expr, Home]:
    """The branch that every user of an expression is in, operands first."""
    order: list[Expr] = nodes(outputs)  # type: ignore[assignment]
    around: dict[Expr, Home | None] = dict.fromkeys(outputs.values())
    for expr in reversed(order):
        home = around.get(expr) if _moves(expr) else None
        if home is not None and expr.origin.scope != home[0].origin.scope:
            home = None  # it belongs to another module
        around[expr] = home
        captures = [(value, (expr, name)) for name, block in blocks_of(expr).items() for value in block.captures]
        heads = expr.inputs[: len(expr.inputs) - len(captures)]
        for value in heads:
            _meet(around, value, home)
        for value, branch in captures:
            _meet(around, value, branch if expr.op == "control.branch" else None)
    return {expr: home for expr in order if (home := around[expr]) is not None}


def _meet(around: dict[Expr, Home | None], value: Expr | None, home: Home | None) -> None:
    if value is not None:
        around[value] = home if around.get(value, home) == home else None


def _moves(expr: Expr) -> bool:
    """Whether an expression may be computed elsewhere, or not at all."""
    if expr.op in LEAVES or has_blocks(expr) or isinstance(expr.fact, tuple) or expr.op == "operator.getitem":
        return False
    return expr.op in SYMBOLS and not SYMBOLS[expr.op].effect


def _grown(block: Block, moved: list[Expr]) -> Block:
    """A block that computes some of what it captures itself; these are given operands first."""
    if not moved:
        return block
    code = block.code
    inside: dict[Expr, Expr] = {}
    for expr in moved:
        inputs = tuple(inside.get(value, value) if value is not None else None for value in expr.inputs)
        inside[expr] = expr.rebuild(inputs)
        inside[expr].meta["origin"] = dataclasses.replace(expr.origin, order=-1, block=code.number)
    known = dict(zip(code.captured, block.captures, strict=True))
    news = {param: inside[value] for param, value in known.items() if value in inside}
    results = prewalk(lambda expr: stop(news[expr]) if expr in news else None, code.body)
    return close(code.number, code.params, results, known)
