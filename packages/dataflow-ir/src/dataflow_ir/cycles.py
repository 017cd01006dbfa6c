"""Closing cycles: forward cells are replaced by the nodes they stood for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dataflow_ir.node import Forward, Node


class CycleError(ValueError):
    """A cycle where there must be none.

    Attributes:
        path: The nodes of the cycle; each is an input of the one before, and the first of the last.
    """

    def __init__(self, message: str, path: Iterable[Node] = ()) -> None:
        self.path = list(path)
        ops = [str(v.op) for v in self.path]
        if len(ops) > 12:
            ops[6:-5] = [f"… {len(ops) - 11} more …"]
        super().__init__(f"{message}: {' <- '.join([*ops, ops[0]])}" if ops else message)


def tie(roots: Iterable[Node], finals: Mapping[Forward, Node], clean: set[Node | None] | None = None) -> None:
    """Replace, in place and in everything reachable from the roots, each forward cell by its node.

    Args:
        roots: Where to start.
        finals: The node for each cell.
        clean: Nodes known to reach no cell; they are not entered, and what has been seen is added.
    """
    seen: set[Node | None] = {None} if clean is None else clean
    stack: list[Any] = list(roots)
    while stack:
        v = stack.pop()
        if v in seen:
            continue
        seen.add(v)
        inputs = v.inputs
        for i in inputs:
            if i.__class__ is Forward and i in finals:
                inputs = v.inputs = tuple([finals.get(i, i) for i in inputs])
                break
        stack.extend(inputs)


def fix(build: Callable[[Any], Node]) -> Node:
    """Return the node that ``build`` makes when it is given that very node: a cycle by construction.

    Raises:
        ValueError: If ``build`` returns its argument, which would define nothing.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> total = fix(lambda self: node("add", x, node("delay", self)))
    >>> total[1][0] is total
    True
    """
    cell = Forward()
    result = build(cell)
    if result is cell:
        raise ValueError("fix: the function returned its argument, so the node is defined by nothing")
    tie([result], {cell: result})
    return result
