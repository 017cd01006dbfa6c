"""Nodes and initializers that no output needs disappear, and inputs that were only a name for such an initializer."""

from __future__ import annotations

import dataclasses

from onnx_proto import Graph, Model, Node

from codegen_torch.clean.subgraphs import in_graphs, reads


def eliminate_unused(model: Model) -> Model:
    """Keep what the graph's outputs depend on, and in every subgraph what its outputs do."""
    return in_graphs(_needed, model)


def _needed(graph: Graph) -> Graph:
    needed = {value.name for value in graph.outputs}
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            nodes.append(node)
            needed.update(reads(node))
    nodes.reverse()
    initializers = tuple(tensor for tensor in graph.initializers if tensor.name in needed)
    if len(nodes) == len(graph.nodes) and len(initializers) == len(graph.initializers):
        return graph
    dropped = {tensor.name for tensor in graph.initializers} - needed
    inputs = tuple(value for value in graph.inputs if value.name not in dropped)
    return dataclasses.replace(graph, nodes=tuple(nodes), inputs=inputs, initializers=initializers)
