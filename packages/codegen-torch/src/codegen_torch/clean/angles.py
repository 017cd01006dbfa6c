"""Constants that only turn positions into angles: nobody trains the frequencies of a rotary embedding.

A frequency that is learned, as in ``sin(alpha * x)``, is multiplied with what the model computes, not with positions.
"""

from __future__ import annotations

from collections.abc import Iterable

from onnx_proto import DataType, Graph, Node, TensorType

_WAVES = frozenset({"Cos", "Sin"})
_PRODUCTS = frozenset({"Div", "MatMul", "Mul"})
_MOVEMENT = frozenset({"Cast", "Concat", "Expand", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
_ARITHMETIC = frozenset({"Add", "CumSum", "Gather", "Sub"}) | _MOVEMENT | _PRODUCTS
_INTEGERS = frozenset({DataType.INT32, DataType.INT64})


def frequencies(graph: Graph, nodes: Iterable[Node]) -> frozenset[str]:
    """The initializers that do nothing but multiply or divide positions, of which sines and cosines are taken.

    Args:
        graph: The graph.
        nodes: Its nodes in order, those of its subgraphs among them.
    """
    ordered = list(nodes)
    lines = {tensor.name for tensor in graph.initializers if sum(size > 1 for size in tensor.shape) == 1}
    if not any(node.op_type in _WAVES for node in ordered) or not lines:
        return frozenset()
    positions = _positions(graph, ordered)
    turning: set[str] = set()
    otherwise = {value.name for value in graph.outputs}
    for node in reversed(ordered):
        only_turned = turning.issuperset(node.outputs) and otherwise.isdisjoint(node.outputs)
        turns = node.op_type in _PRODUCTS and only_turned and not positions.isdisjoint(node.inputs)
        moves = node.op_type in _MOVEMENT and only_turned
        (turning if turns or moves or node.op_type in _WAVES else otherwise).update(node.inputs)
    return frozenset((turning - otherwise) & lines)


def _positions(graph: Graph, nodes: list[Node]) -> set[str]:
    """The values that are computed from whole numbers and sizes alone, perhaps scaled by constants."""
    found = {tensor.name for tensor in graph.initializers if tensor.dtype in _INTEGERS}
    found |= {
        value.name for value in graph.inputs if isinstance(value.type, TensorType) and value.type.elem_type in _INTEGERS
    }
    known = found | {tensor.name for tensor in graph.initializers} | {""}
    for node in nodes:
        counts = node.op_type in ("Range", "Shape")
        if node.op_type in _ARITHMETIC:
            counts = known.issuperset(node.inputs) and not found.isdisjoint(node.inputs)
            counts &= node.op_type != "Gather" or node.inputs[0] in found
        if counts:
            found.update(node.outputs)
            known.update(node.outputs)
    return found
