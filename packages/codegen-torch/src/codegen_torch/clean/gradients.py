"""What Gradient nodes name in their attributes: they differentiate what the graph computes between these values."""

from __future__ import annotations

from onnx_proto import Node


def is_gradient(node: Node) -> bool:
    """Whether a node differentiates others."""
    return (node.domain, node.op_type) == ("ai.onnx.preview.training", "Gradient")


def differentiated(node: Node) -> tuple[str, ...]:
    """What a Gradient names: the values that it differentiates by, others that stay as they are, and what of."""
    if not is_gradient(node):
        return ()
    found = [node.attributes[name].value for name in ("xs", "zs", "y") if name in node.attributes]
    names = [name for value in found for name in (value if isinstance(value, tuple) else (value,))]
    return tuple(name for name in names if isinstance(name, str))
