"""What compiled patterns call where there is something to search."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from dataflow_ir.node import Node
from dataflow_ir.ops import CONST
from dataflow_ir.values import typed

MISSING = type("Missing", (), {"__repr__": lambda self: "<missing>"})()
"""Stands for an attribute that is not there."""

Link = tuple[Node, Any]
"""The last node of a path, and the link before it or None."""


def same_value(v: Node, w: Node) -> bool:
    """Tell whether two constants have the same value (see `typed`)."""
    return v is w or (w.op == CONST and typed(v.attrs["value"]) == typed(w.attrs["value"]))


def only_used_by(v: Node, matched: Sequence[Node], uses: Mapping[Node, int] | None) -> bool:
    """Tell whether every use of a node is by a matched one."""
    if uses is None:
        raise ValueError("once(...) needs the number of uses of each node")
    return uses.get(v, 0) <= sum([user.inputs.count(v) for user in dict.fromkeys(matched)])


def orders(
    inputs: tuple[Node | None, ...], tests: Sequence[Callable[[Any], Any]]
) -> Iterator[tuple[list[Any], tuple[Any, ...]]]:
    """Yield every choice of one input for each test that passes it, and the inputs that are left.

    That is the matchings of a bipartite graph. A partial choice that no matching completes is left at once
    (augmenting paths, Kuhn 1955), so the time between two results is polynomial.

    >>> [(chosen, left) for chosen, left in orders((1, 2, 3), (lambda i: i > 1 or None, lambda i: i < 3 or None))]
    [([2, 1], (3,)), ([3, 1], (2,)), ([3, 2], (1,))]
    """
    fits = [[at for at, i in enumerate(inputs) if test(i) is not None] for test in tests]
    chosen: list[int] = []

    def choose(row: int) -> Iterator[tuple[list[Any], tuple[Any, ...]]]:
        if row == len(fits):
            left = tuple([i for at, i in enumerate(inputs) if at not in chosen])
            yield [inputs[at] for at in chosen], left
            return
        for at in fits[row]:
            if at in chosen:
                continue
            chosen.append(at)
            if _completes(fits[row + 1 :], chosen):
                yield from choose(row + 1)
            chosen.pop()

    if _completes(fits, chosen):
        yield from choose(0)


def _completes(fits: Sequence[Sequence[int]], taken: Sequence[int]) -> bool:
    """Tell whether each row can have a column of its own beside those that are taken."""
    owner: dict[int, int] = {}

    def place(row: int, tried: set[int]) -> bool:
        for at in fits[row]:
            if at not in taken and at not in tried:
                tried.add(at)
                if at not in owner or place(owner[at], tried):
                    owner[at] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(fits)))


def paths(
    end: Node | None, test: Callable[[Any], Any], least: int, most: int | None
) -> Iterator[tuple[Node | None, Link | None]]:
    """Yield the nodes from which paths of passing nodes lead to ``end``, nearest first, each with its path.

    Args:
        end: The last node of the path, or, if the path has no node, what is yielded itself.
        test: Passes the nodes on the path.
        least: The least number of them.
        most: The largest number, or None.
    """
    seen: set[tuple[Node | None, int]] = {(end, 0)}
    queue: deque[tuple[Node | None, int, Link | None]] = deque([(end, 0, None)])
    while queue:
        v, length, path = queue.popleft()
        if length >= least:
            yield v, path
        if v is None or length == most or test(v) is None:
            continue
        for i in v.inputs:
            state = (i, min(length + 1, least))
            if state not in seen:
                seen.add(state)
                queue.append((i, length + 1, (v, path)))


def unwind(path: Link | None) -> tuple[Node, ...]:
    """Return the nodes of a path, its start first."""
    nodes = []
    while path is not None:
        v, path = path
        nodes.append(v)
    return tuple(nodes)


def above(v: Node, height: int, used_by: Mapping[Node, Sequence[Node]]) -> list[Node]:
    """Return the nodes that use a node over so many steps."""
    level = [v]
    for _ in range(height):
        level = list(dict.fromkeys([user for v in level for user in used_by.get(v, ())]))
    return level
