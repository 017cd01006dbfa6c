"""The most that some graphs have in common."""

from __future__ import annotations

from typing import Any

from dataflow_ir._gc import gc_paused
from dataflow_ir.functions import Lambda
from dataflow_ir.linear import is_constant
from dataflow_ir.nest import leaves, map_nest, shape
from dataflow_ir.node import Node, inp
from dataflow_ir.ops import INPUT
from dataflow_ir.structure import labels
from dataflow_ir.walk import nodes

_EFFORT = 8
"""How many tuples of nodes are compared for each node; beyond that, whatever is left becomes a parameter."""

Substitution = tuple[Node | None, ...]


@gc_paused
def antiunify(a: Any, b: Any, *more: Any) -> tuple[Lambda, list[Substitution]]:
    """Generalise graphs: return a function, and for each graph the arguments for which it returns just that.

    The graphs are compared in lock-step from their roots down (Plotkin 1970). Where all agree, in operation,
    attributes and the number of inputs, the body has a node; where they do not, it has a parameter, the same one
    wherever the same nodes meet. Constants that are equal everywhere are part of the body; inputs never are.
    Cycles of the graphs are cycles of the body.

    Args:
        a: A node or a nest of them.
        b: A nest of the same shape, as are the others.
        *more: Further graphs.

    Raises:
        ValueError: If the nests differ in shape.

    >>> from dataflow_ir import const, node
    >>> x, y = inp("x"), inp("y")
    >>> f, arguments = antiunify(
    ...     node("add", node("mul", x, const(2)), x), node("add", node("mul", node("neg", y), const(2)), y)
    ... )
    >>> f
    <Lambda (a0, a1) -> add(mul(a0, 2), a1)>
    >>> arguments
    [(x, x), (neg(y), y)]
    """
    graphs = (a, b, *more)
    if len({shape(g) for g in graphs}) > 1:
        raise ValueError("the graphs are nests of different shapes")
    return _Antiunifier(graphs).run()


class _Antiunifier:
    def __init__(self, graphs: tuple[Any, ...]) -> None:
        self.graphs = graphs
        self.label = labels(list(graphs))
        self.budget = _EFFORT * max(len(nodes(g)) for g in graphs)
        self.made: dict[tuple[Any, ...], Any] = {(None,) * len(graphs): None}
        self.params: dict[tuple[Any, ...], Node] = {}

    def run(self) -> tuple[Lambda, list[Substitution]]:
        roots = list(zip(*[leaves(g) for g in self.graphs], strict=True))
        open_nodes: list[tuple[Any, ...]] = []
        stack = roots[::-1]
        while stack:
            same = stack.pop()
            if same in self.made:
                continue
            first = same[0]
            if not self.agree(same):
                self.made[same] = self.params[same] = inp(f"a{len(self.params)}")
            elif is_constant(first):
                self.made[same] = first
            else:
                self.made[same] = first.rebuild(())
                open_nodes.append(same)
                stack += list(self.operands(same))[::-1]
        for same in open_nodes:
            self.made[same].inputs = tuple([self.made[each] for each in self.operands(same)])
        results = iter(roots)
        body = map_nest(lambda v: self.made[next(results)], self.graphs[0])
        arguments = [tuple([same[at] for same in self.params]) for at in range(len(self.graphs))]
        return Lambda(self.params.values(), body), arguments

    def agree(self, same: tuple[Any, ...]) -> bool:
        """Tell whether the body is to have a node where these are in the graphs."""
        first, *rest = same
        if self.budget <= 0 or first is None or first.op == INPUT:
            return False
        self.budget -= 1
        if any(v is None or len(v.inputs) != len(first.inputs) for v in rest):
            return False
        label = self.label(first)
        return all(self.label(v) == label for v in rest)

    def operands(self, same: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        return list(zip(*[v.inputs for v in same], strict=True))
