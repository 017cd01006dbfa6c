"""What is inside of nodes: the branches of an If, the bodies of loops, as nodes and values of the page's one graph.

Positions go on behind those of the file's own nodes. A value inside is called after its body, for bodies may use the
same names; the first value of what a loop carries is the one that the loop is given.
"""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from codegen_torch.clean.subgraphs import graphs_of, value_in_branch
from onnx_proto import Graph, Node


@dataclass(slots=True)
class Inner:
    """A node, of the graph or of a body.

    Attributes:
        node: The node.
        names: What the values that it sees are called on the page, where that is not their name.
        outer: The position of the graph's own node that it is, or is in.
        results: What the bodies inside of it give, by the names on the page.
        elements: The lists that values which it may see are elements of, by the names on the page.
    """

    node: Node
    names: Mapping[str, str]
    outer: int
    results: list[str] = field(default_factory=list)
    elements: Mapping[str, str] = field(default_factory=dict)

    def called(self, name: str) -> str:
        """What a value is called on the page."""
        return self.names.get(name, name)


@dataclass(frozen=True, slots=True)
class Body:
    """A body, after the one it is in.

    Attributes:
        owner: The position of the node that it is a part of.
        title: What that node is called.
        name: The attribute that holds it.
        graph: The body.
        names: As for its nodes.
        nodes: Their positions.
    """

    owner: int
    title: str
    name: str
    graph: Graph
    names: Mapping[str, str]
    nodes: tuple[int, ...]


def nodes_and_bodies(graph: Graph) -> tuple[list[Inner], list[Body]]:
    """The nodes of a graph, at their positions, those of bodies behind them; and the bodies."""
    nodes = [Inner(node, {}, position) for position, node in enumerate(graph.nodes)]
    bodies: list[Body] = []
    position = 0
    while position < len(nodes):
        inner = nodes[position]
        for name, body in _graphs(inner.node):
            names, elements = _names(inner, name, body)
            first = len(nodes)
            nodes += [Inner(each, names, inner.outer, elements=elements) for each in body.nodes]
            bodies.append(Body(position, _title(inner.node), name, body, names, tuple(range(first, len(nodes)))))
            inner.results += [names.get(result.name, result.name) for result in body.outputs]
        position += 1
    return nodes, bodies


def _title(node: Node) -> str:
    return f"{node.op_type} {node.name}".strip()


def _graphs(node: Node) -> Iterator[tuple[str, Graph]]:
    for name, attribute in node.attributes.items():
        graphs = graphs_of(attribute)
        yield from ((name if len(graphs) == 1 else f"{name} {number}", graph) for number, graph in enumerate(graphs))


def _names(inner: Inner, name: str, body: Graph) -> tuple[dict[str, str], dict[str, str]]:
    """What the values of a body are called, and the lists that some are elements of."""
    of = inner.called(next(filter(None, inner.node.outputs), "")) or f"node {inner.outer}"
    defined = [value.name for value in body.inputs] + [tensor.name for tensor in body.initializers]
    defined += [output for node in body.nodes for output in node.outputs if output]
    names = {**inner.names, **{each: value_in_branch(each, name, of) for each in defined}}
    first, carried, lists = _given(inner.node)
    inside = [value.name for value in body.inputs[first:]]
    names |= {each: inner.called(outside) for each, outside in zip(inside, carried, strict=False)}
    elements = {
        names[each]: inner.called(outside) for each, outside in zip(inside[len(carried) :], lists, strict=False)
    }
    return names, {**inner.elements, **elements}


def _given(node: Node) -> tuple[int, Sequence[str], Sequence[str]]:
    """From which of its body's inputs on a loop carries values; with which it begins; the lists it goes through."""
    if node.op_type == "Loop":
        return 2, node.inputs[2:], ()
    scanned = node.attributes.get("num_scan_inputs")
    if node.op_type == "Scan" and scanned is not None and isinstance(scanned.value, int):
        first = max(0, len(node.inputs) - scanned.value)
        return 0, node.inputs[:first], node.inputs[first:]
    return 0, (), ()
