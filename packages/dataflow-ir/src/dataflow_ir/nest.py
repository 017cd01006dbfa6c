"""Nests: a node, None, or any nest of lists, tuples and dicts of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any

from dataflow_ir.node import Node


def leaves(nest: Any) -> Iterator[Node]:
    """Yield the nodes of a nest from left to right, skipping None.

    Raises:
        TypeError: If something in the nest is no node.
    """
    if isinstance(nest, Node):
        yield nest
    elif isinstance(nest, (list, tuple)):
        for item in nest:
            yield from leaves(item)
    elif isinstance(nest, dict):
        for item in nest.values():
            yield from leaves(item)
    elif nest is not None:
        raise _no_nest(nest)


def map_nest(change: Callable[[Any], Any], nest: Any, leaf: type = Node) -> Any:
    """Return a nest of the same shape with ``change`` applied to each of its nodes (or other leaves).

    >>> map_nest(lambda v: v.op, [Node("a"), {"k": (Node("b"), None)}])
    ['a', {'k': ('b', None)}]
    """
    if isinstance(nest, leaf):
        return change(nest)
    if isinstance(nest, (list, tuple)):
        items = [map_nest(change, item, leaf) for item in nest]
        return type(nest)(*items) if hasattr(nest, "_fields") else type(nest)(items)
    if isinstance(nest, dict):
        return {key: map_nest(change, item, leaf) for key, item in nest.items()}
    if nest is not None:
        raise _no_nest(nest)
    return None


def shape(nest: Any) -> Hashable:
    """Return a key of the nest's shape, the same for nests that differ in their nodes alone."""
    if isinstance(nest, Node):
        return Node
    if isinstance(nest, (list, tuple)):
        return (type(nest), *map(shape, nest))
    if isinstance(nest, dict):
        return (dict, *[(key, shape(item)) for key, item in nest.items()])
    if nest is not None:
        raise _no_nest(nest)
    return None


def _no_nest(thing: Any) -> TypeError:
    return TypeError(f"expected a Node or a nest of lists, tuples and dicts of Nodes, got a {type(thing).__name__}")
