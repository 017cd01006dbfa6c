"""Which nodes stand for the same expression: equal once all sharing and all cycles are unfolded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any

from dataflow_ir.node import Node
from dataflow_ir.walk import nodes

Label = Callable[[Node], Hashable]


def classes(g: Any, label: Label, order: list[Node] | None = None) -> dict[Node, int]:
    """Number the nodes so that two have the same number if and only if their unfoldings are equal.

    What does not depend on a cycle is numbered from the leaves up; the rest is refined as the states of an
    automaton are (Hopcroft 1971), in O(E log V).

    Args:
        g: A node or a nest of them.
        label: What a node is apart from its inputs.
        order: The nodes, if they are at hand.
    """
    number: dict[Any, int] = {None: -1}
    known: dict[Hashable, int] = {}
    looping: list[Node] = []
    for v in nodes(g) if order is None else order:
        try:
            key = (label(v), *[number[i] for i in v.inputs])
        except KeyError:
            looping.append(v)
        else:
            number[v] = known.setdefault(key, len(known))
    if looping:
        _refine(looping, label, number, len(known))
    del number[None]
    return number


def _refine(looping: list[Node], label: Label, number: dict[Any, int], first: int) -> None:
    """Number the nodes that depend on a cycle."""
    users: dict[Node, list[tuple[int, Node]]] = {v: [] for v in looping}
    by_label: dict[Hashable, set[Node]] = defaultdict(set)
    for v in looping:
        for position, i in enumerate(v.inputs):
            if i in users:
                users[i].append((position, v))
        by_label[label(v), *[number.get(i, -2) for i in v.inputs]].add(v)
    blocks = list(by_label.values())
    block_of = {v: at for at, block in enumerate(blocks) for v in block}
    waiting = set(range(len(blocks)))
    while waiting:
        splitter = waiting.pop()
        by_position: dict[int, list[Node]] = defaultdict(list)
        for v in blocks[splitter]:
            for position, user in users[v]:
                by_position[position].append(user)
        for using in by_position.values():
            for at, inside in _by_block(using, block_of).items():
                outside = len(blocks[at]) - len(inside)
                if not outside:
                    continue
                new = len(blocks)
                blocks[at].difference_update(inside)
                blocks.append(set(inside))
                block_of.update(dict.fromkeys(inside, new))
                waiting.add(new if at in waiting or len(inside) <= outside else at)
    numbers: dict[int, int] = {}
    for v in looping:
        number[v] = first + numbers.setdefault(block_of[v], len(numbers))


def _by_block(found: list[Node], block_of: dict[Node, int]) -> dict[int, list[Node]]:
    result: dict[int, list[Node]] = defaultdict(list)
    for v in found:
        result[block_of[v]].append(v)
    return result
