"""Rules of names: a value has one, gets it once, and is there before it is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from onnx_proto import Graph, Model, Node

from codegen_torch.validate.places import place_of, quoted, subgraphs

_Visible = list[dict[str, str]]
"""The names of a graph and of those around it, outermost first, each with the place that gives it its value."""


def check_names(model: Model) -> Iterator[str]:
    """Every name stands for one value, computed before it is read."""
    yield from _graph("graph", model.graph, [])
    for each in model.functions:
        place = f"function {quoted(each.name)}"
        names = dict.fromkeys(each.inputs, f"{place}.input")
        yield from _nodes(place, each.nodes, [names])
        yield from _outputs(place, each.outputs, [names])


def _graph(place: str, graph: Graph, around: _Visible) -> Iterator[str]:
    """The rules for a graph; the reader bounds how deep they are nested."""
    names: dict[str, str] = {}
    for value in graph.inputs:
        yield from _defined(names, value.name, f"{place}.input")
    sparse = (each.name for each in graph.sparse_initializers)
    for name in (*(each.name for each in graph.initializers), *sparse):  # they may be inputs, too
        names[name] = f"{place}.initializer"
    visible = [*around, names]
    yield from _nodes(place, graph.nodes, visible)
    yield from _outputs(place, (each.name for each in graph.outputs), visible)
    if not graph.outputs:
        yield f"{place} has no outputs"


def _nodes(place: str, nodes: Sequence[Node], visible: _Visible) -> Iterator[str]:
    names = visible[-1]
    for index, node in enumerate(nodes):
        for name in node.inputs:
            if name and name not in names and not any(name in each for each in visible):
                yield f"{place_of(place, index, node)} reads {quoted(name)}, {_why_not(name, index, nodes)}"
        if node.attributes:
            for attribute, graph in subgraphs(node):
                yield from _graph(f"{place_of(place, index, node)}.{attribute}", graph, visible)
        for name in node.outputs:
            if not name:
                continue
            if name in names:
                yield f"{place_of(place, index, node)} computes {quoted(name)}, which {names[name]} gives a value too"
            names[name] = f"{place}.node[{index}]"


def _why_not(name: str, index: int, nodes: Sequence[Node]) -> str:
    """Why a name has no value yet; this looks through all nodes, but a problem is found but a few times."""
    later = next((number for number, node in enumerate(nodes) if name in node.outputs), None)
    if later is None:
        return "which nothing computes"
    if later == index:
        return "which it computes itself: a cycle"
    return f"which node[{later}] computes after it: a cycle, or nodes out of order"


def _defined(names: dict[str, str], name: str, place: str) -> Iterator[str]:
    if not name:
        yield f"{place}: one has no name"
    elif name in names:
        yield f"{place}: two are called {quoted(name)}"
    names[name] = place


def _outputs(place: str, outputs: Iterable[str], visible: _Visible) -> Iterator[str]:
    for name in outputs:
        if not any(name in each for each in visible):
            yield f"{place}.output {quoted(name)} is computed by no node"
