"""What is asked of models and graphs again and again."""

from __future__ import annotations

from onnx_proto import Graph, Model


def onnx_opset(model: Model) -> int:
    """The version of ONNX's own domain; 1 where a file from before there were any does not tell."""
    return next((opset.version for opset in model.opset_imports if not opset.domain), 1)


def value_names(graph: Graph) -> dict[str, None]:
    """The names of a graph's values, each once: its inputs, its initializers, and what its own nodes compute."""
    inputs = (value.name for value in graph.inputs)
    tensors = (tensor.name for tensor in graph.initializers)
    outputs = (name for node in graph.nodes for name in node.outputs if name)
    return dict.fromkeys([*inputs, *tensors, *outputs])
