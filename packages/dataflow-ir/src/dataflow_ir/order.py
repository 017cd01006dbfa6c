"""Questions of order: who comes before whom, who uses whom, what is on a cycle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import chain
from typing import Any, Literal, overload

from dataflow_ir._gc import gc_paused
from dataflow_ir.cycles import CycleError
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node
from dataflow_ir.walk import nodes


@overload
def topo(
    g: Any, key: Callable[[Any], Any] | None = None, *, cycles: Literal["error", "break"] = "error"
) -> list[Node]: ...
@overload
def topo(g: Any, key: Callable[[Any], Any] | None = None, *, cycles: Literal["scc"]) -> list[list[Node]]: ...


@gc_paused
def topo(g: Any, key: Callable[[Any], Any] | None = None, *, cycles: str = "error") -> list[Any]:
    """Return every node once, inputs before users.

    Args:
        g: A node or a nest of them.
        key: Among the nodes whose inputs have all been listed, the one with the smallest key comes next, ties
            in the order without a key: depth first, roots and inputs from left to right.
        cycles: What a cycle is: an ``"error"``; something to ``"break"``, so that the inputs that close it come
            after their users; or, for ``"scc"``, one item of a list of groups (see `sccs`). The latter take no key.

    Raises:
        CycleError: If there is a cycle that there must not be; its path is in the error.

    >>> from dataflow_ir import inp, node
    >>> g = node("add", node("late", inp("x"), line=2), node("early", inp("y"), line=1))
    >>> [v.op for v in topo(g, key=lambda v: v.attrs.get("line", 0))]
    ['input', 'input', 'early', 'late', 'add']
    """
    if cycles != "error":
        if cycles not in ("break", "scc") or key is not None:
            raise ValueError(f"cycles is 'error', or 'break' or 'scc' without a key; got {cycles!r}")
        return nodes(g) if cycles == "break" else sccs(g)
    order = _acyclic(g)
    return order if key is None else _by_key(order, key)


def _acyclic(g: Any) -> list[Node]:
    order: list[Node] = []
    finished: dict[Node | None, bool] = {None: True}
    for root in leaves(g):
        stack: list[Any] = [root]  # a node to visit; or, below a None, a node whose inputs are finished
        while stack:
            v = stack.pop()
            if v is None:
                v = stack.pop()
                finished[v] = True
                order.append(v)
                continue
            if v in finished:
                continue
            inputs = v.inputs
            if not inputs:
                finished[v] = True
                order.append(v)
                continue
            finished[v] = False
            stack += v, None
            for i in reversed(inputs):
                state = finished.get(i)
                if state is None:
                    stack.append(i)
                elif not state:
                    raise _cycle(stack, i)
    return order


def _cycle(stack: list[Any], start: Node) -> CycleError:
    path = [stack[at - 1] for at, v in enumerate(stack) if v is None]
    return CycleError("the graph has a cycle", path[path.index(start) :])


def _by_key(order: list[Node], key: Callable[[Any], Any]) -> list[Node]:
    place = {v: at for at, v in enumerate(order)}
    uses: list[list[int]] = [[] for _ in order]
    missing = [0] * len(order)
    for at, v in enumerate(order):
        for i in v.inputs:
            if i is not None:
                uses[place[i]].append(at)
                missing[at] += 1
    ready = [(key(v), at) for at, v in enumerate(order) if not missing[at]]
    heapify(ready)
    result = []
    while ready:
        _, at = heappop(ready)
        result.append(order[at])
        for user in uses[at]:
            missing[user] -= 1
            if not missing[user]:
                heappush(ready, (key(order[user]), user))
    return result


@gc_paused
def users(g: Any) -> dict[Node, list[Node]]:
    """Return for each node the nodes that use it, one entry per use; both in the order of `nodes`.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> len(users(node("add", x, x))[x])
    2
    """
    order = nodes(g)
    result: dict[Any, list[Node]] = {v: [] for v in order}
    for v in order:
        for i in v.inputs:
            if i is not None:
                result[i].append(v)
    return result


def count_uses(g: Any, order: list[Node] | None = None) -> Counter[Any]:
    """Return how often each node is used, by nodes and as a result.

    Args:
        g: A node or a nest of them.
        order: The nodes, if they are at hand.
    """
    uses = Counter(leaves(g))
    uses.update(chain.from_iterable([v.inputs for v in (nodes(g) if order is None else order)]))
    return uses


@gc_paused
def sccs(g: Any) -> list[list[Node]]:
    """Return the strongly connected components, inputs before users; a node on no cycle is one of its own.

    The algorithm is Tarjan's (SIAM J. Comput. 1, 1972).
    """
    components: list[list[Node]] = []
    index: dict[Any, int] = {}
    low: dict[Any, int] = {}  # of the nodes not yet in a component
    pending: list[Node] = []
    for root in leaves(g):
        stack: list[Any] = [root]
        while stack:
            v = stack.pop()
            if v is None:
                v = stack.pop()
                low[v] = min([low[i] for i in v.inputs if i in low], default=low[v])
                if low[v] == index[v]:
                    at = len(pending)
                    while pending[at - 1] is not v:
                        at -= 1
                    component = pending[at - 1 :]
                    del pending[at - 1 :]
                    for member in component:
                        del low[member]
                    components.append(component)
            elif v not in index:
                index[v] = low[v] = len(index)
                pending.append(v)
                stack += v, None
                stack += [i for i in reversed(v.inputs) if i is not None and i not in index]
    return components


def iscyclic(g: Any) -> bool:
    """Tell whether the graph has a cycle."""
    try:
        _acyclic(g)
    except CycleError:
        return True
    return False


def isreaching(source: Node, g: Any) -> bool:
    """Tell whether the value of ``source`` flows into the graph, be it only as its root."""
    seen: set[Node | None] = {None}
    stack: list[Any] = list(leaves(g))
    while stack:
        v = stack.pop()
        if v is source:
            return True
        if v not in seen:
            seen.add(v)
            stack += v.inputs
    return False
