"""A graph in pieces that run one after the other, so that no more than a few inner values are in memory at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen_torch.clean.subgraphs import reads
from onnx_proto import Graph, Model, Node, Type, ValueInfo

MOST_VALUES = 64
MOST_BYTES = 256 << 20
"""Of the values that are asked for, and of the weights that are needed for them."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Nodes in a row.

    Attributes:
        nodes: The nodes.
        inputs: The values they need from before, those of initializers and constants left out.
        wanted: The values that are asked for.
        passed_on: The values that later segments need.
        finished: The values that none after this one needs.
    """

    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    wanted: tuple[str, ...]
    passed_on: tuple[str, ...]
    finished: tuple[str, ...]


def segments(graph: Graph, wanted: Mapping[str, int]) -> list[Segment]:
    """Cuts a graph; what comes after the last value that is asked for is left out.

    Args:
        graph: The graph, functions of the file's own written out.
        wanted: The values that are asked for, with the bytes they take.
    """
    constants = {name: node for node in graph.nodes if node.op_type == "Constant" for name in node.outputs}
    nodes = [node for node in graph.nodes if node.op_type != "Constant"]
    groups = list(_groups(nodes, wanted, {tensor.name: tensor.nbytes for tensor in graph.initializers}))
    computed = _computed(graph)
    needs = [[sorted(reads(node) & computed) for node in group] for group in groups]
    last: dict[str, int] = {}
    for number, group_needs in enumerate(needs):
        last.update((name, number) for each in group_needs for name in each)
    result = []
    for number, (group, group_needs) in enumerate(zip(groups, needs, strict=True)):
        made = dict.fromkeys(name for node in group for name in node.outputs if name)
        used = dict.fromkeys(name for each in group_needs for name in each if name not in made)
        copied = dict.fromkeys(constants[name] for name in used if name in constants)
        inputs = tuple(name for name in used if name not in constants)
        result.append(
            Segment(
                nodes=(*copied, *group),
                inputs=inputs,
                wanted=tuple(name for name in made if name in wanted),
                passed_on=tuple(name for name in made if last.get(name, number) > number),
                finished=tuple(name for name in inputs if last[name] == number),
            )
        )
    return result


def _groups(nodes: list[Node], sizes: Mapping[str, int], weights: Mapping[str, int]) -> Iterator[list[Node]]:
    """Nodes in rows, as many as give and take no more than is to be in memory at a time."""
    group: list[Node] = []
    count = nbytes = end = 0
    for node in nodes:
        group.append(node)
        found = [sizes[name] for name in node.outputs if name in sizes]
        count += len(found)
        nbytes += sum(found) + sum(weights.get(name, 0) for name in node.inputs)
        end = len(group) if found else end
        if count >= MOST_VALUES or nbytes >= MOST_BYTES:
            yield group
            group, count, nbytes, end = [], 0, 0, 0
    if count:
        yield group[:end]


def _computed(graph: Graph) -> set[str]:
    """The values that are no weights: nodes read these, and in their subgraphs names of the subgraphs' own."""
    stored = {tensor.name for tensor in graph.initializers} | {tensor.name for tensor in graph.sparse_initializers}
    names = {info.name for info in graph.inputs}.union(*(node.outputs for node in graph.nodes))
    return names - stored - {""}


def segment_model(model: Model, segment: Segment, types: Mapping[str, Type | None]) -> Model:
    """A segment as a model of its own.

    Args:
        model: The model that it is of.
        segment: The segment.
        types: The types of its inputs.
    """
    used = {name for node in segment.nodes for name in reads(node)}
    graph = Graph(
        name=model.graph.name,
        nodes=segment.nodes,
        inputs=tuple(ValueInfo(name, types.get(name)) for name in segment.inputs),
        outputs=tuple(ValueInfo(name) for name in dict.fromkeys((*segment.wanted, *segment.passed_on))),
        initializers=tuple(tensor for tensor in model.graph.initializers if tensor.name in used),
        sparse_initializers=tuple(tensor for tensor in model.graph.sparse_initializers if tensor.name in used),
    )
    return dataclasses.replace(model, graph=graph, training_infos=())
