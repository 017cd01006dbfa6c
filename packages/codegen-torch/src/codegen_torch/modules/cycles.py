"""Strongly connected components of a small directed graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

V = TypeVar("V")


def components(graph: Mapping[V, set[V]]) -> Iterator[list[V]]:
    """The groups of two or more vertices that can all reach each other (Tarjan 1972, without recursion)."""
    index: dict[V, int] = {}
    low: dict[V, int] = {}
    open_: dict[V, None] = {}
    for start in graph:
        if start in index:
            continue
        work = [(start, iter(graph.get(start, ())))]
        index[start] = low[start] = len(index)
        open_[start] = None
        while work:
            vertex, rest = work[-1]
            for neighbour in rest:
                if neighbour not in index:
                    index[neighbour] = low[neighbour] = len(index)
                    open_[neighbour] = None
                    work.append((neighbour, iter(graph.get(neighbour, ()))))
                    break
                if neighbour in open_:
                    low[vertex] = min(low[vertex], index[neighbour])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[vertex])
                if low[vertex] == index[vertex]:
                    component = _close(open_, vertex)
                    if len(component) > 1:
                        yield component


def _close(open_: dict[V, None], root: V) -> list[V]:
    component: list[V] = []
    while True:
        vertex, _ = open_.popitem()
        component.append(vertex)
        if vertex is root or vertex == root:
            return component
