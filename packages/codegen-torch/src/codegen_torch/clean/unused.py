"""Nodes and initializers that no output needs disappear, and inputs that were only a name for such an initializer."""

from __future__ import annotations

import dataclasses

from onnx_proto import Graph, Model, Node


def eliminate_unused(model: Model) -> Model:
    """Keep what the graph's outputs depend on."""
    graph = model.graph
    needed = {value.name for value in graph.outputs}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            nodes.append(node)
            needed.update(_reads(node))
    nodes.reverse()
    initializers = tuple(tensor for tensor in graph.initializers if tensor.name in needed)
    if len(nodes) == len(graph.nodes) and len(initializers) == len(graph.initializers):
        return model
    dropped = {tensor.name for tensor in graph.initializers} - needed
    inputs = tuple(value for value in graph.inputs if value.name not in dropped)
    kept = dataclasses.replace(graph, nodes=tuple(nodes), inputs=inputs, initializers=initializers)
    return dataclasses.replace(model, graph=kept)


def _reads(node: Node) -> set[str]:
    """The names a node reads, also from inside its subgraphs."""
    names: set[str] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        names.update(current.inputs)
        for attribute in current.attributes.values():
            graphs = attribute.value if isinstance(attribute.value, tuple) else (attribute.value,)
            for graph in graphs:
                if isinstance(graph, Graph):
                    stack.extend(graph.nodes)
                    names.update(output.name for output in graph.outputs)
    return names
