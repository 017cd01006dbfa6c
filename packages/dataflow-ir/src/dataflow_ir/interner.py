"""Hash-consing as a tool: of equal nodes, the first."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from dataflow_ir.node import Node
from dataflow_ir.values import FrozenDict


class Interner:
    """Returns for every node the first equal one it has met: same operation, attributes and inputs.

    Args:
        has_effect: Tells which nodes are never merged, because each run of them counts.

    >>> from dataflow_ir import inp
    >>> cons, x = Interner(), inp("x")
    >>> cons.node("neg", x) is cons.node("neg", x), len(cons)
    (True, 1)
    >>> from dataflow_ir import postwalk, parse
    >>> g = postwalk(cons, parse("add(neg(x), neg(x))"))
    >>> g[0] is g[1]
    True
    """

    def __init__(self, has_effect: Callable[[Any], bool] = lambda v: False) -> None:
        self.table: dict[Hashable, Node] = {}
        self.has_effect = has_effect

    def __call__(self, v: Node) -> Node:
        """Return the first node that is equal to this one."""
        return v if self.has_effect(v) else self.table.setdefault(v.key, v)

    def node(self, op: Hashable, *inputs: Node | None, **attrs: Hashable) -> Node:
        """Build a node, or return the one that was built before."""
        return self(Node(op, inputs, FrozenDict(attrs)))

    def __len__(self) -> int:
        return len(self.table)

    def __contains__(self, v: Node) -> bool:
        return self.table.get(v.key) is v
