"""Where in a model something stands, in words, and the graphs and bodies that a model consists of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from onnx_proto import Function, Graph, Model, Node

from codegen_torch.clean.subgraphs import graphs_of


class Body(NamedTuple):
    """Nodes that stand together.

    Attributes:
        place: Where: ``graph``, ``graph.node[3] "If_1".then_branch``, ``function "f"``.
        nodes: The nodes.
        opsets: The versions of the domains there.
        function: The function this is in, if any.
    """

    place: str
    nodes: tuple[Node, ...]
    opsets: Mapping[str, int]
    function: Function | None = None


def quoted(text: str) -> str:
    """A name from the file as one bounded line."""
    return repr(text if len(text) <= 80 else text[:79] + "…")


def place_of(place: str, index: int, node: Node) -> str:
    """Where a node stands."""
    return f"{place}.node[{index}] {quoted(node.name)}" if node.name else f"{place}.node[{index}]"


def subgraphs(node: Node) -> Iterator[tuple[str, Graph]]:
    """The graphs among a node's attributes, with the attributes' names."""
    return ((name, graph) for name, attribute in node.attributes.items() for graph in graphs_of(attribute))


def bodies(model: Model) -> Iterator[Body]:
    """Every graph, graphs within graphs, and every function's body."""
    opsets = {opset.domain: opset.version for opset in model.opset_imports}
    stack = [
        Body(
            f"function {quoted(each.name)}",
            each.nodes,
            {opset.domain: opset.version for opset in each.opset_imports},
            each,
        )
        for each in reversed(model.functions)
    ]
    stack.append(Body("graph", model.graph.nodes, opsets))
    while stack:
        body = stack.pop()
        yield body
        for index, node in enumerate(body.nodes):
            if node.attributes:
                stack += [
                    body._replace(place=f"{place_of(body.place, index, node)}.{name}", nodes=graph.nodes)
                    for name, graph in subgraphs(node)
                ]
