"""Which node every use of a node passes through."""

from __future__ import annotations

from typing import Any

from dataflow_ir._gc import gc_paused
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node


@gc_paused
def dominators(g: Any) -> dict[Node, Node | None]:
    """Return for each node the nearest other one through which its value must flow to reach any root.

    None stands where there is no such node: for roots, and for what reaches the roots on separate ways. The
    algorithm is the simple one of Lengauer and Tarjan (TOPLAS 1, 1979), in O(E log V).

    >>> from dataflow_ir import inp, node
    >>> f = node("f", inp("x"))
    >>> g = node("add", node("mul", f, node("g", f)), inp("y"))
    >>> nearest = dominators(g)
    >>> nearest[f[0]], nearest[f], nearest[g]
    (f(x), mul(f(x), g(f(x))), None)
    """
    return _Dominators(g).result()


class _Dominators:
    """The state of one search. Nodes are numbered from 1 as a search from the roots meets them; 0 uses the roots."""

    def __init__(self, g: Any) -> None:
        self.node: list[Any] = [None]
        self.parent: list[int] = [0]
        self.users: list[list[int]] = [[]]
        self.number(list(leaves(g)))
        count = len(self.node)
        self.semi = list(range(count))
        self.label = list(range(count))
        self.ancestor = [-1] * count

    def number(self, roots: list[Node]) -> None:
        index: dict[Node, int] = {}
        stack = [(0, root) for root in reversed(roots)]
        while stack:
            user, v = stack.pop()
            if v not in index:
                index[v] = len(self.node)
                self.node.append(v)
                self.parent.append(user)
                self.users.append([])
                stack += [(index[v], i) for i in reversed(v.inputs) if i is not None]
            self.users[index[v]].append(user)

    def result(self) -> dict[Node, Node | None]:
        semi, parent = self.semi, self.parent
        count = len(self.node)
        bucket: list[list[int]] = [[] for _ in range(count)]
        dominator = [0] * count
        for w in range(count - 1, 0, -1):
            semi[w] = min([semi[self.best(user)] for user in self.users[w]])
            bucket[semi[w]].append(w)
            self.ancestor[w] = parent[w]
            for v in bucket[parent[w]]:
                best = self.best(v)
                dominator[v] = best if semi[best] < semi[v] else parent[w]
            bucket[parent[w]].clear()
        for w in range(1, count):
            if dominator[w] != semi[w]:
                dominator[w] = dominator[dominator[w]]
        return {self.node[w]: self.node[dominator[w]] for w in range(1, count)}

    def best(self, v: int) -> int:
        """Return the number of least ``semi`` on the way from ``v`` up to its tree's root; compress that way."""
        ancestor, label, semi = self.ancestor, self.label, self.semi
        if ancestor[v] < 0:
            return v
        path = []
        while ancestor[ancestor[v]] >= 0:
            path.append(v)
            v = ancestor[v]
        for w in reversed(path):
            above = ancestor[w]
            if semi[label[above]] < semi[label[w]]:
                label[w] = label[above]
            ancestor[w] = ancestor[above]
        return label[path[0] if path else v]
