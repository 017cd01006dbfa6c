"""Nodes of torch's default exporter that tell no scope, as the casts of ``type_as`` do, among those that do."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

from onnx_proto import Model, Node

from codegen_torch.modules.scopes import metadata_around, scope_of


def tell_scopes(model: Model) -> Model:
    """The model with a scope for every node that tells none and lies between nodes of one module: that module.

    A cast is in the module of what it casts, which may well end with it.
    """
    graph = model.graph
    told = [bool(scope_of(node)) for node in graph.nodes]
    if all(told) or not any(told):
        return model
    users: defaultdict[str, list[Node]] = defaultdict(list)
    for node in graph.nodes:
        for name in node.inputs:
            users[name].append(node)
    results = {value.name for value in graph.outputs}
    made: dict[str, Node] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        if not scope_of(node) and results.isdisjoint(node.outputs):
            before = [made[name] for name in node.inputs if name in made]
            behind = [user for name in node.outputs for user in users[name]]
            if before and behind:
                around = before if node.op_type == "Cast" else [*before, *behind]
                node = dataclasses.replace(node, metadata=metadata_around(around) or node.metadata)
        nodes.append(node)
        made.update(dict.fromkeys(node.outputs, node))
    return dataclasses.replace(model, graph=dataclasses.replace(graph, nodes=tuple(nodes)))
