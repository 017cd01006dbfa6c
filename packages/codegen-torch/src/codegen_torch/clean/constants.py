"""Constant nodes that hold a tensor become initializers."""

from __future__ import annotations

import dataclasses

from onnx_proto import Model, Node, Tensor


def constants_to_initializers(model: Model) -> Model:
    """Move the tensors of Constant nodes to the initializers. Other forms of Constant are left to lowering."""
    tensors = {id(node): tensor for node in model.graph.nodes if (tensor := _tensor(node)) is not None}
    if not tensors:
        return model
    graph = dataclasses.replace(
        model.graph,
        nodes=tuple(node for node in model.graph.nodes if id(node) not in tensors),
        initializers=(*model.graph.initializers, *tensors.values()),
    )
    return dataclasses.replace(model, graph=graph)


def _tensor(node: Node) -> Tensor | None:
    if node.op_type != "Constant" or node.domain or list(node.attributes) != ["value"] or len(node.outputs) != 1:
        return None
    value = node.attributes["value"].value
    return dataclasses.replace(value, name=node.outputs[0]) if isinstance(value, Tensor) else None
