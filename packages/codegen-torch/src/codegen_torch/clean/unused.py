"""Nodes and initializers that no output needs disappear, and inputs that were only a name for such an initializer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from onnx_proto import Graph, Model, Node


def eliminate_unused(model: Model) -> Model:
    """Keep what the graph's outputs depend on."""
    graph = model.graph
    needed = {value.name for value in graph.outputs}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            nodes.append(node)
            needed.update(reads(node))
    nodes.reverse()
    initializers = tuple(tensor for tensor in graph.initializers if tensor.name in needed)
    if len(nodes) == len(graph.nodes) and len(initializers) == len(graph.initializers):
        return model
    dropped = {tensor.name for tensor in graph.initializers} - needed
    inputs = tuple(value for value in graph.inputs if value.name not in dropped)
    kept = dataclasses.replace(graph, nodes=tuple(nodes), inputs=inputs, initializers=initializers)
    return dataclasses.replace(model, graph=kept)


def reads(node: Node) -> set[str]:
    """The names a node reads, also from inside its subgraphs."""
    names: set[str] = set()
    for each in with_nested(node):
        names.update(each.inputs)
        for graph in subgraphs(each):
            names.update(output.name for output in graph.outputs)
    return names


def with_nested(node: Node) -> Iterator[Node]:
    """A node and all nodes of its subgraphs."""
    stack = [node]
    while stack:
        current = stack.pop()
        yield current
        for graph in reversed(subgraphs(current)):
            stack.extend(reversed(graph.nodes))


def subgraphs(node: Node) -> list[Graph]:
    """The graphs among a node's attributes."""
    values = (attribute.value for attribute in node.attributes.values())
    lists = (value if isinstance(value, tuple) else (value,) for value in values)
    return [value for each in lists for value in each if isinstance(value, Graph)]
