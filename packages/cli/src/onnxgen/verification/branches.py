"""Branches of an If as a part of the graph around it: what is inside of one that ran is a value like any other."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from codegen_torch.clean.subgraphs import BRANCHES, graphs_of, subgraphs, value_in_branch
from onnx_proto import Attribute, Graph, Model, Node, ValueInfo

CONDITION = "condition of "
"""What a condition is called as an output, before the name of the If's first output."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A node, maybe in a branch, with the names that its values have in the model.

    Attributes:
        node: The node.
        outputs: The names of its outputs in the model.
        outer: The node of the graph that it is, or is in.
    """

    node: Node
    outputs: tuple[str, ...]
    outer: Node


def placed_nodes(graph: Graph) -> Iterator[Placed]:
    """The nodes of a graph and of the branches in it, each If after what is in its branches."""
    stack: list[tuple[Node, Node, tuple[str, str] | None, bool]]
    stack = [(node, node, None, False) for node in reversed(graph.nodes)]
    while stack:
        node, outer, place, is_done = stack.pop()
        outputs = tuple(_called(name, place) for name in node.outputs)
        branches = {} if is_done else branches_of(node)
        if not branches:
            yield Placed(node, outputs, outer)
            continue
        stack.append((node, outer, place, True))
        for branch, inside in reversed(branches.items()):
            stack.extend((inner, outer, (branch, outputs[0]), False) for inner in reversed(inside.nodes))


def branches_of(node: Node) -> dict[str, Graph]:
    """The branches of an If whose first output has a name; of any other node none."""
    if node.op_type != "If" or node.domain or not node.outputs or not node.outputs[0] or not node.inputs:
        return {}
    found = {name: node.attributes[name].value for name in BRANCHES if name in node.attributes}
    return {name: value for name, value in found.items() if isinstance(value, Graph)}


def values_in_loops(graph: Graph) -> int:
    """How many values there are in the bodies of loops, counted once for all iterations."""
    count = 0
    stack = [(node, False) for node in graph.nodes]
    while stack:
        node, in_loop = stack.pop()
        count += sum(map(bool, node.outputs)) if in_loop else 0
        inside = in_loop or not branches_of(node)
        stack.extend((inner, inside) for graph in subgraphs(node) for inner in graph.nodes)
    return count


def asked(model: Model) -> tuple[Model, list[str]]:
    """A model that gives the conditions of the Ifs of its graph, and what they are called; none if there are none."""
    pairs = {CONDITION + node.outputs[0]: node.inputs[0] for node in model.graph.nodes if branches_of(node)}
    nodes = [Node("Identity", inputs=(condition,), outputs=(name,)) for name, condition in pairs.items()]
    outputs = tuple(ValueInfo(name) for name in pairs)
    graph = dataclasses.replace(model.graph, nodes=(*model.graph.nodes, *nodes), outputs=outputs)
    return dataclasses.replace(model, graph=graph, training_infos=()), list(pairs)


def with_taken(model: Model, conditions: Mapping[str, bool]) -> Model:
    """A model in which the branches that are taken stand in the place of the Ifs of its graph.

    Args:
        model: The model.
        conditions: The conditions, by what `asked` calls them.
    """
    graph = model.graph
    nodes: list[Node] = []
    tensors, sparse = list(graph.initializers), list(graph.sparse_initializers)
    for node in graph.nodes:
        branches = branches_of(node)
        if not branches:
            nodes.append(node)
            continue
        branch = BRANCHES[0] if conditions[CONDITION + node.outputs[0]] else BRANCHES[1]
        inside = branches[branch]
        names = {name: value_in_branch(name, branch, node.outputs[0]) for name in _defined(inside)}
        nodes += [_renamed(inner, names) for inner in inside.nodes]
        tensors += [dataclasses.replace(tensor, name=names[tensor.name]) for tensor in inside.initializers]
        sparse += [
            dataclasses.replace(each, values=dataclasses.replace(each.values, name=names[each.values.name]))
            for each in inside.sparse_initializers
        ]
        nodes += [
            Node("Identity", inputs=(names.get(result.name, result.name),), outputs=(name,))
            for result, name in zip(inside.outputs, node.outputs, strict=True)
            if name
        ]
    changed = dataclasses.replace(
        graph, nodes=tuple(nodes), initializers=tuple(tensors), sparse_initializers=tuple(sparse)
    )
    return dataclasses.replace(model, graph=changed)


def _called(name: str, place: tuple[str, str] | None) -> str:
    return value_in_branch(name, *place) if name and place else name


def _defined(graph: Graph) -> Iterator[str]:
    """The names that a graph gives values to itself."""
    yield from (value.name for value in graph.inputs)
    yield from (tensor.name for tensor in graph.initializers)
    yield from (each.values.name for each in graph.sparse_initializers)
    yield from (name for node in graph.nodes for name in node.outputs if name)


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    """A node with other names for values, also where its subgraphs capture them: what they define hides a name.

    The depth of the recursion is that of the nesting, which conversion limits.
    """
    attributes = {
        name: _renamed_graphs(attribute, names) if graphs_of(attribute) else attribute
        for name, attribute in node.attributes.items()
    }
    return dataclasses.replace(
        node,
        inputs=tuple(names.get(name, name) for name in node.inputs),
        outputs=tuple(names.get(name, name) for name in node.outputs),
        attributes=attributes,
    )


def _renamed_graphs(attribute: Attribute, names: Mapping[str, str]) -> Attribute:
    changed = tuple(_renamed_captures(graph, names) for graph in graphs_of(attribute))
    return dataclasses.replace(attribute, value=changed if isinstance(attribute.value, tuple) else changed[0])


def _renamed_captures(graph: Graph, names: Mapping[str, str]) -> Graph:
    hidden: Collection[str] = set(_defined(graph))
    seen = {name: other for name, other in names.items() if name not in hidden}
    return dataclasses.replace(
        graph,
        nodes=tuple(_renamed(node, seen) for node in graph.nodes),
        outputs=tuple(dataclasses.replace(each, name=seen.get(each.name, each.name)) for each in graph.outputs),
    )
