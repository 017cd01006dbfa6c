"""Constant nodes that hold a tensor become initializers."""

from __future__ import annotations

import dataclasses

from onnx_proto import Graph, Model, Node, Tensor

from codegen_torch.clean.subgraphs import in_graphs


def constants_to_initializers(model: Model) -> Model:
    """Move the tensors of Constant nodes to the initializers. Other forms of Constant are left to lowering."""
    return in_graphs(_moved, model)


def _moved(graph: Graph) -> Graph:
    tensors = {id(node): tensor for node in graph.nodes if (tensor := _tensor(node)) is not None}
    if not tensors:
        return graph
    return dataclasses.replace(
        graph,
        nodes=tuple(node for node in graph.nodes if id(node) not in tensors),
        initializers=(*graph.initializers, *tensors.values()),
    )


def _tensor(node: Node) -> Tensor | None:
    if node.op_type != "Constant" or node.domain or list(node.attributes) != ["value"] or len(node.outputs) != 1:
        return None
    value = node.attributes["value"].value
    return dataclasses.replace(value, name=node.outputs[0]) if isinstance(value, Tensor) else None
