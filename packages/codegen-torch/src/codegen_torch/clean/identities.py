"""Identity nodes disappear: their users read what they copied."""

from __future__ import annotations

import dataclasses

from onnx_proto import Graph, Model, Node

from codegen_torch.clean.gradients import is_gradient


def eliminate_identities(model: Model) -> Model:
    """Rename the users of Identity nodes. One that makes a graph output stays, to keep the output's name."""
    graph = model.graph
    outputs = {value.name for value in graph.outputs}
    if any(_has_subgraph(node) or is_gradient(node) for node in graph.nodes):
        return model  # names are read inside of subgraphs and in attributes, too
    renamed: dict[str, str] = {}
    nodes: list[Node] = []
    for node in graph.nodes:
        inputs = tuple(renamed.get(name, name) for name in node.inputs)
        if _is_identity(node) and node.outputs[0] not in outputs:
            renamed[node.outputs[0]] = inputs[0]
            continue
        nodes.append(node if inputs == node.inputs else dataclasses.replace(node, inputs=inputs))
    return dataclasses.replace(model, graph=dataclasses.replace(graph, nodes=tuple(nodes))) if renamed else model


def _is_identity(node: Node) -> bool:
    return node.op_type == "Identity" and not node.domain and len(node.inputs) == len(node.outputs) == 1


def _has_subgraph(node: Node) -> bool:
    return any(isinstance(attribute.value, Graph) for attribute in node.attributes.values())
