"""Where in the module tree each expression belongs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dataflow_ir import users

from codegen_torch.expr import Expr
from codegen_torch.modules.region import data_operands, has_layers
from codegen_torch.scope import Scope

Place = tuple[str, ...]
"""The paths of the modules around an expression, outermost first."""


def places_of(
    order: Iterable[Expr], results: Iterable[Expr], scopes: Mapping[Expr, Scope]
) -> tuple[dict[Expr, Place], dict[str, str | None]]:
    """The place of every expression and the class of every path.

    A value computed inside a module without any of its weights, and used outside of it, is a shared computation
    (a mask, a table of positions) that the exporter met there first: it moves out to where all its users are.

    Args:
        order: The expressions, operands first; leaves are left out.
        results: The outputs of the graph.
        scopes: The modules around every expression.
    """
    order = list(order)
    places, classes = _stated(order, scopes)
    uses = users(list(results))
    learned = _learned_depths(order, places)
    weighty = {places[expr][:depth] for expr, deepest in learned.items() for depth in range(1, deepest + 1)}
    outputs = set(results)
    for expr in reversed(order):
        place = places[expr]
        around = [places[user] for user in uses.get(expr, ()) if user in places]
        outer = common([place, *around]) if around and expr not in outputs else ()
        moves = len(outer) < len(place) and learned[expr] <= len(outer)
        if moves and place[: len(outer) + 1] in weighty:
            places[expr] = outer
    return places, classes


def common(places: list[Place]) -> Place:
    """The innermost place around all of these."""
    first, last = min(places), max(places)
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]


def _stated(order: list[Expr], scopes: Mapping[Expr, Scope]) -> tuple[dict[Expr, Place], dict[str, str | None]]:
    """Places as the scopes state them. A path has one place, the one it is first seen at."""
    chains: dict[str, Place] = {}
    classes: dict[str, str | None] = {}
    places: dict[Expr, Place] = {}
    for expr in order:
        place: Place = ()
        for step in scopes[expr]:
            place = chains.setdefault(step.path, (*place, step.path))
            classes.setdefault(step.path, step.cls)
        places[expr] = place
    return places, classes


def _learned_depths(order: list[Expr], places: Mapping[Expr, Place]) -> dict[Expr, int]:
    """For each expression, the innermost of the modules around it whose weights it depends on, as a depth.

    Only what happens inside that module counts: an activation depends on the weights of the block it is in, not on
    those of the blocks before.
    """
    depths: dict[Expr, int] = {}
    for expr in order:
        place = places[expr]
        depth = len(place) if has_layers(expr) else 0
        for operand in data_operands(expr):
            if operand.op == "weight":
                depth = len(place)
            elif operand in depths and depths[operand] > depth:
                depth = max(depth, min(depths[operand], len(common([places[operand], place]))))
        depths[expr] = depth
    return depths
