"""A graph written out as a row of numbers: what is compared when repeats are looked for.

The row has the nodes that compute something, inputs before users. Parameters, constants and inputs are not in it;
they are what instances of one thing may differ in. A node is known by its number in the row, and where operands
are numbers too, what is no node of the row has a negative one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from itertools import count
from typing import Any

from dataflow_ir.node import Node
from dataflow_ir.ops import CONST, FUNCTION, INPUT, OUT
from dataflow_ir.order import iscyclic, sccs
from dataflow_ir.walk import nodes

Predicate = Callable[[Any], bool]
Key = Callable[[Any], Hashable]

VALUE, PARAM, FIXED = range(3)
"""What an operand is: a value that flows, a parameter, or something known beforehand (a constant, or nothing)."""


_FAR = 0.25
"""Uses of a value are far apart if a quarter of the graph is between them."""


def is_constant(v: Node) -> bool:
    """Tell whether a node is a constant, or a function that captures nothing."""
    return not v.inputs and v.op in (CONST, FUNCTION)


class Reading:
    """How a graph is read.

    Attributes:
        param: Tells which nodes are parameters.
        const: Tells which nodes are constants.
        token: What must be equal of nodes that are to count as equal; inputs do not belong to it.
        label: What a node is apart from its inputs.
    """

    def __init__(self, param: Predicate, const: Predicate, token: Key, label: Key) -> None:
        self.param = param
        self.const = const
        self.token = token
        self.label = label
        self.tokens: dict[Hashable, int] = {}
        self.unique = count(-1, -1)

    def intern(self, key: Hashable) -> int:
        """Return the number of a key: the same for equal ones."""
        return self.tokens.setdefault(key, len(self.tokens))


class Line:
    """The row of one graph.

    Attributes:
        nodes: The nodes of the row.
        number: The number of each.
        operands: For each node the numbers of its inputs; ``-1 - i`` is ``leaves[i]``.
        tokens: For each node a number that says what it is but for the identity of its inputs. Nodes on a cycle
            have tokens of their own, which never repeat.
        users: For each node its users, one entry per use.
        used: For each node how often it is used, by the graph's result too.
        leaves: What operands are beside the nodes of the row, of equal constants the first.
        kinds: What each leaf is, `VALUE`, `PARAM` or `FIXED`.
    """

    def __init__(self, order: Iterable[Node], roots: Iterable[Node], looped: set[Node], reading: Reading) -> None:
        self.reading = reading
        self.nodes: list[Node] = []
        self.number: dict[Any, int] = {None: -1}
        self.leaves: list[Node | None] = [None]
        self.kinds = [FIXED]
        self._constants: dict[Hashable, int] = {}
        for v in order:
            if not self._is_leaf(v):
                self.number[v] = len(self.nodes)
                self.nodes.append(v)
        number = self.number
        self.operands = [tuple([number[i] for i in v.inputs]) for v in self.nodes]
        self.tokens = [next(reading.unique) if v in looped else self._token(v) for v in self.nodes]
        self.users: list[list[int]] = [[] for _ in self.nodes]
        for at, operands in enumerate(self.operands):
            for i in operands:
                if i >= 0:
                    self.users[i].append(at)
        self.used = [len(users) for users in self.users]
        self.results = {number[v] for v in roots if number[v] >= 0}
        for at in self.results:
            self.used[at] += 1

    def _is_leaf(self, v: Node) -> bool:
        reading = self.reading
        if reading.param(v) and all(self.number.get(i, 0) < 0 for i in v.inputs):
            kind = PARAM
        elif v.inputs:
            return False
        elif v.op == INPUT:
            kind = VALUE
        elif reading.const(v):
            kind = FIXED
        else:
            return False
        leaf = len(self.leaves)
        if kind == FIXED:
            leaf = self._constants.setdefault(reading.label(v), leaf)
        if leaf == len(self.leaves):
            self.leaves.append(v)
            self.kinds.append(kind)
        self.number[v] = -1 - leaf
        return True

    def _token(self, v: Node) -> int:
        kinds = [self.kind(self.number[i]) if i is not None else -1 for i in v.inputs]
        return self.reading.intern((self.reading.token(v), *kinds))

    def kind(self, operand: int) -> int:
        """Return what an operand is."""
        return VALUE if operand >= 0 else self.kinds[-1 - operand]

    def node(self, operand: int) -> Node | None:
        """Return the node with a number."""
        return self.nodes[operand] if operand >= 0 else self.leaves[-1 - operand]


def in_order(g: Any) -> tuple[list[Node], set[Node]]:
    """Return the nodes inputs first, and the set of those on cycles.

    Any interval of the order that is free of nodes on cycles is convex: no path leaves it and comes back. What is
    used all over the graph, as a mask by all layers, comes first, not in the middle of its first user; outputs come
    right after what they are outputs of.
    """
    if not iscyclic(g):
        return _beside_sources(nodes([_used_far_apart(nodes(g)), g]), set()), set()
    looped: set[Node] = set()
    order = []
    for component in sccs(g):
        order += component
        if len(component) > 1 or component[0] in component[0].inputs:
            looped.update(component)
    return _beside_sources(order, looped), looped


def _used_far_apart(order: list[Node]) -> list[Node]:
    """Return the nodes whose first and last use are far from each other, in order."""
    first: dict[Any, int] = {}
    last: dict[Any, int] = {}
    for at, v in enumerate(order):
        for i in v.inputs:
            first.setdefault(i, at)
            last[i] = at
    far = len(order) * _FAR
    return [v for v in order if v.inputs and last.get(v, 0) - first.get(v, 0) > far]


def _beside_sources(order: list[Node], looped: set[Node]) -> list[Node]:
    """Move outputs to what they are outputs of."""
    outputs: dict[Any, list[Node]] = {}
    for v in order:
        if v.op == OUT and v not in looped:
            outputs.setdefault(v.inputs[0], []).append(v)
    if not outputs:
        return order
    result = []
    for v in order:
        if v.op == OUT and v not in looped:
            continue
        stack = [v]
        while stack:
            w = stack.pop()
            result.append(w)
            stack += reversed(outputs.get(w, ()))
    return result
