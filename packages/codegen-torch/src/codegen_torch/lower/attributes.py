"""ONNX attributes as Python values for operator definitions."""

from __future__ import annotations

from typing import Any

from onnx_proto import AttributeType, Node

from codegen_torch.numbers import shortest_float32


def attribute_values(node: Node) -> dict[str, Any]:
    """The attributes of a node by name: numbers, strings, tuples of them, tensors, graphs.

    Floats are float32 in the file; they are given as the shortest decimals that are the same.
    """
    values: dict[str, Any] = {}
    for name, attribute in node.attributes.items():
        value: Any = attribute.value
        if attribute.type is AttributeType.FLOAT:
            value = shortest_float32(value)
        elif attribute.type is AttributeType.FLOATS:
            value = tuple(shortest_float32(item) for item in value)
        values[name] = value
    return values
