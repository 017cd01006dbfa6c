"""Sizes for the symbolic dimensions of a model's inputs."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from operator import add, floordiv, mul, sub

from onnx_proto import Dim, Graph, Node, TensorType, ValueInfo

CHOICES = {"batch": (2, 3, 1), "image": (64, 96, 64), "length": (8, 12, 1)}
"""Sizes of each kind of dimension. 1 comes last: broadcasting hides mistakes there, but it is what most people use."""
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: add,
    ast.FloorDiv: floordiv,
    ast.Mult: mul,
    ast.Sub: sub,
}


def given_inputs(graph: Graph) -> list[ValueInfo]:
    """The inputs that a caller gives: those without an initializer."""
    weights = {tensor.name for tensor in graph.initializers}
    return [info for info in graph.inputs if info.name not in weights]


def symbol(name: str, axis: int, dim: Dim) -> str:
    """What a symbolic dimension is called; one without a name is alone with its size."""
    return dim if isinstance(dim, str) and dim else f"{name}.{axis}"


def size_choices(graph: Graph) -> list[dict[str, int]]:
    """Several sizes for every symbol of the inputs; a single empty choice if there is none."""
    kinds: dict[str, str] = {}
    for info in given_inputs(graph):
        for axis, dim in enumerate(_shape(info)):
            if not isinstance(dim, int):
                kinds.setdefault(symbol(info.name, axis, dim), _kind(axis, dim))
    if not kinds:
        return [{}]
    demanded = _demanded(graph)
    choices = [{name: demanded.get(name, CHOICES[kind][number]) for name, kind in kinds.items()} for number in range(3)]
    return [{name: _computed(name, choice) or size for name, size in choice.items()} for choice in choices]


def _shape(info: ValueInfo) -> tuple[Dim, ...]:
    return (info.type.shape or ()) if isinstance(info.type, TensorType) else ()


def _kind(axis: int, dim: Dim) -> str:
    words = str(dim).lower()
    if any(word in words for word in ("height", "width")) or words in ("h", "w"):
        return "image"
    return "batch" if "batch" in words or (axis == 0 and "len" not in words and "seq" not in words) else "length"


def _computed(name: str, sizes: Mapping[str, int]) -> int | None:
    """The size of a symbol like ``past + sequence``, which others determine; None for any other."""
    try:
        return _value(ast.parse(name, mode="eval").body, sizes)
    except (SyntaxError, KeyError, ValueError, ZeroDivisionError, RecursionError):
        return None


def _value(node: ast.expr, sizes: Mapping[str, int]) -> int:
    match node:
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            return _OPERATORS[type(operator)](_value(left, sizes), _value(right, sizes))
        case ast.Name(name):
            return sizes[name]
        case ast.Constant(int(number)):
            return number
    raise ValueError


def _demanded(graph: Graph) -> dict[str, int]:
    """Sizes that a weight asks for: the channels of a convolution, the features of a product."""
    inputs = {info.name: _shape(info) for info in given_inputs(graph)}
    weights = {tensor.name: tensor.shape for tensor in graph.initializers}
    demanded: dict[str, int] = {}
    for node in graph.nodes:
        shape = inputs.get(node.inputs[0]) if len(node.inputs) > 1 else None
        found = _asked_for(node, weights.get(node.inputs[1])) if shape else None
        if shape and found is not None:
            axis, size = found[0] % len(shape), found[1]
            if not isinstance(shape[axis], int):
                demanded[symbol(node.inputs[0], axis, shape[axis])] = size
    return demanded


def _asked_for(node: Node, weight: tuple[int, ...] | None) -> tuple[int, int] | None:
    """Which axis of a node's first input must have which size."""
    if not weight or len(weight) < 2:
        return None
    match node.op_type:
        case "Conv":
            return 1, weight[1] * _integer(node, "group", 1)
        case "MatMul":
            return -1, weight[-2]
        case "Gemm" if not _integer(node, "transA", 0):
            return 1, weight[1 if _integer(node, "transB", 0) else 0]
    return None


def _integer(node: Node, name: str, default: int) -> int:
    value = node.attributes[name].value if name in node.attributes else default
    return value if isinstance(value, int) else default


def described(sizes: Mapping[str, int] | Iterable[tuple[str, int]]) -> str:
    """Sizes in words: ``batch 2, sequence 8``; ``as stated`` if there are none."""
    return ", ".join(f"{name} {size}" for name, size in dict(sizes).items()) or "as stated"
