"""The graphs inside of a graph's nodes: branches and bodies."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from onnx_proto import Attribute, Graph, Model, Node

from codegen_torch.clean.gradients import differentiated

BRANCHES = ("then_branch", "else_branch")
_DEEPEST = 40
"""Deeper ones stay as they are: lowering refuses them anyway."""


def reads(node: Node) -> set[str]:
    """The names a node reads, also from inside its subgraphs, and those between which it differentiates."""
    names: set[str] = set()
    for each in with_nested(node):
        names.update(each.inputs, differentiated(each))
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
    return [graph for attribute in node.attributes.values() for graph in graphs_of(attribute)]


def graphs_of(attribute: Attribute) -> list[Graph]:
    """The graphs that an attribute holds."""
    values = attribute.value if isinstance(attribute.value, tuple) else (attribute.value,)
    return [value for value in values if isinstance(value, Graph)]


def value_in_branch(name: str, branch: str, of: str) -> str:
    """What a value of a branch is called among all values of a model; branches may use the same names.

    Args:
        name: Its name in the branch.
        branch: One of `BRANCHES`.
        of: What the first output of the branch's If is called, for one in a branch again by this function.
    """
    return f"{name} in {branch} of {of}"


def in_graphs(change: Callable[[Graph], Graph], model: Model) -> Model:
    """Apply a clean-up to the graph of a model and to every graph inside of it, those inside first."""
    graph = _changed(model.graph, change, 0)
    return model if graph is model.graph else dataclasses.replace(model, graph=graph)


def _changed(graph: Graph, change: Callable[[Graph], Graph], depth: int) -> Graph:
    if depth == _DEEPEST:
        return graph
    nodes = tuple(_with_changed(node, change, depth) if subgraphs(node) else node for node in graph.nodes)
    if any(new is not old for new, old in zip(nodes, graph.nodes, strict=True)):
        graph = dataclasses.replace(graph, nodes=nodes)
    return change(graph)


def _with_changed(node: Node, change: Callable[[Graph], Graph], depth: int) -> Node:
    attributes = dict(node.attributes)
    for name, attribute in node.attributes.items():
        if isinstance(attribute.value, Graph):
            attributes[name] = _with_value(attribute, _changed(attribute.value, change, depth + 1))
    same = all(attributes[name] is attribute for name, attribute in node.attributes.items())
    return node if same else dataclasses.replace(node, attributes=attributes)


def _with_value(attribute: Attribute, graph: Graph) -> Attribute:
    return attribute if graph is attribute.value else dataclasses.replace(attribute, value=graph)
