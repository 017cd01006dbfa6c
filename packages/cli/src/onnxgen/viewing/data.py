"""What the page tells about a model: nodes, values, boxes, lines and weights, as plain data for JSON."""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.generated import Generated
from codegen_torch.lower.registry import definitions
from codegen_torch.statistics import Statistics, statistics
from codegen_torch.tensors import TensorRef
from onnx_proto import Attribute, Graph, Model, Node, SparseTensor, Tensor, TensorType, ValueInfo

from onnxgen.viewing.bodies import Body, Inner, nodes_and_bodies
from onnxgen.viewing.boxes import Box, sort_into_boxes
from onnxgen.viewing.source import class_lines
from onnxgen.words import counted, size

Data = dict[str, Any]
FEW = 8
"""Constants of at most this many elements are written out."""
LONGEST = 200
"""Characters of an attribute or a constant that are shown."""

# The colours that nodes have in common, by the module of codegen_torch.ops that defines their operator.
_KINDS = {
    "conv": "layer",
    "linalg": "layer",
    "rnn": "layer",
    "attention": "layer",
    "norm": "norm",
    "batch_norm": "norm",
    "activation": "activation",
    "pool": "pool",
    "resize": "pool",
    "reduction": "pool",
    "math": "math",
    "logical": "math",
    "bitwise": "math",
    "controlflow": "control",
    "quantization": "quantization",
}


def page_data(
    model: Model, generated: Generated, *, with_statistics: bool = True, advance: Callable[[int], None] | None = None
) -> Data:
    """Gathers what the page tells.

    Args:
        model: The file.
        generated: What was generated from it.
        with_statistics: Whether to read the weights.
        advance: Is told how many bytes of weights were read.
    """
    graph, report = model.graph, generated.report
    everything, bodies = nodes_and_bodies(graph)
    shown = [position for position, inner in enumerate(everything) if not _is_constant(inner.node)]
    boxes = sort_into_boxes(graph.nodes, shown, report.modules, bodies)
    values = _Values(graph, generated, bodies)
    nodes = _nodes(model, {position: everything[position] for position in shown}, generated, values)
    numbers = {position: number for number, position in enumerate(shown)}
    weights = {tensor.name for tensor in graph.initializers}
    return {
        "file": report.source.name,
        "title": report.class_name,
        "facts": _facts(model, generated),
        "inputs": [values.number(info.name) for info in graph.inputs if info.name not in weights],
        "outputs": [values.number(info.name) for info in graph.outputs],
        "nodes": nodes,
        "boxes": _boxes(boxes, numbers, generated),
        "weights": _weights(generated, advance) if with_statistics else _shapes(generated),
        "values": values.listed,
    }


def _is_constant(node: Node) -> bool:
    return node.op_type == "Constant" and not node.domain


def _facts(model: Model, generated: Generated) -> list[tuple[str, str]]:
    report = generated.report
    return [
        ("file", report.source.name),
        ("producer", f"{model.producer_name} {model.producer_version}".strip() or "unknown"),
        ("opsets", ", ".join(f"{opset.domain or 'ai.onnx'} {opset.version}" for opset in model.opset_imports)),
        ("graph", counted(report.nodes, "node")),
        ("source", f"{counted(report.lines, 'line')}, class {report.class_name}"),
        (
            "weights",
            f"{counted(report.tensors, 'tensor')}, {counted(report.parameters, 'parameter')}, {size(generated.nbytes)}",
        ),
    ]


class _Values:
    """The values that nodes read and write, numbered as they are met.

    Attributes:
        listed: For each value its name, its type and, where it is a small constant, its elements.
    """

    def __init__(self, graph: Graph, generated: Generated, bodies: Sequence[Body]) -> None:
        self.listed: list[Data] = []
        self._numbers: dict[str, int] = {}
        self._types = {info.name: _type(info) for info in (*graph.inputs, *graph.value_infos, *graph.outputs)}
        self._types |= generated.types()  # what was inferred is certain
        self._constants: dict[str, Tensor | str] = {tensor.name: tensor for tensor in graph.initializers}
        for node in graph.nodes:
            if _is_constant(node):
                self._constants |= {name: _constant(node) for name in node.outputs if name}
        for body in bodies:
            self._add(body)

    def _add(self, body: Body) -> None:
        """What a body tells of its values; of what a loop carries, it is known already."""
        inside = body.graph
        for info in (*inside.inputs, *inside.value_infos, *inside.outputs):
            self._types.setdefault(body.names.get(info.name, info.name), _type(info))
        self._constants |= {body.names[tensor.name]: tensor for tensor in inside.initializers}
        for node in filter(_is_constant, inside.nodes):
            self._constants |= {body.names[name]: _constant(node) for name in node.outputs if name}

    def number(self, name: str) -> int:
        if name not in self._numbers:
            self._numbers[name] = len(self.listed)
            self.listed.append(self._described(name))
        return self._numbers[name]

    def _described(self, name: str) -> Data:
        found: Data = {"name": name}
        constant = self._constants.get(name)
        if isinstance(constant, Tensor):
            found["type"] = _tensor_type(constant)
            if constant.size <= FEW and not constant.is_external:
                found["elements"] = _shortened(str(constant.numpy().tolist()))
        elif constant is not None:
            found["elements"] = constant
        if kind := self._types.get(name):
            found["type"] = kind
        return found


def _constant(node: Node) -> Tensor | str:
    """What a Constant node holds: a tensor, or anything else in words."""
    attribute = next(iter(node.attributes.values()), None)
    if attribute is None:
        return ""
    return attribute.value if isinstance(attribute.value, Tensor) else _value_text(attribute.value)


def _type(info: ValueInfo) -> str:
    match info.type:
        case TensorType(elem_type, shape):
            dims = "…" if shape is None else ", ".join("?" if dim is None else str(dim) for dim in shape)
            return f"{elem_type.label}[{dims}]"
        case None:
            return ""
        case other:
            return type(other).__name__.removesuffix("Type").lower()


def _tensor_type(tensor: Tensor) -> str:
    return f"{tensor.dtype.label}[{', '.join(map(str, tensor.shape))}]"


def _nodes(model: Model, shown: Mapping[int, Inner], generated: Generated, values: _Values) -> list[Data]:
    versions = {opset.domain: opset.version for opset in model.opset_imports}
    lines: dict[int, list[int]] = {}
    for line in generated.report.source_map:
        for position in line.nodes:
            lines.setdefault(position, []).append(line.line)
    keys: dict[int, list[str]] = {}
    for key, positions in generated.report.keys.items():
        for position in positions:
            keys.setdefault(position, []).append(key)
    exactly = {each.value: each.line for each in generated.report.counterparts if each.conditional and each.line}
    found: list[Data] = []
    for position, inner in shown.items():
        node = inner.node
        inputs, outputs = ([inner.called(name) for name in names] for names in (node.inputs, node.outputs))
        more = [*inner.results, *(inner.elements[name] for name in inputs if name in inner.elements)]
        own = sorted({exactly[name] for name in outputs if name in exactly})
        found.append(
            {
                "at": inner.outer,
                "inside": inner.outer != position,
                "op": f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
                "name": node.name,
                "kind": _kind(node, versions),
                "in": [values.number(name) if name else -1 for name in inputs],
                "more": [values.number(name) for name in more if name],
                "out": [values.number(name) if name else -1 for name in outputs],
                "lines": own or lines.get(inner.outer, []),
                "attrs": [(name, _attribute(attribute)) for name, attribute in node.attributes.items()],
                "keys": keys.get(position, []),
            }
        )
    return found


def _kind(node: Node, versions: Mapping[str, int]) -> str:
    for definition in definitions(node.domain, node.op_type, versions.get(node.domain, 1)):
        return _KINDS.get(definition.meaning.__module__.rpartition(".")[2], "other")
    return "other"


def _attribute(attribute: Attribute) -> str:
    return attribute.ref_attr_name or _value_text(attribute.value)


def _value_text(value: Any) -> str:
    match value:
        case Graph():
            return f"a graph of {counted(len(value.nodes), 'node')}"
        case Tensor() if value.size <= FEW and not value.is_external:
            return _shortened(f"{_tensor_type(value)} {value.numpy().tolist()}")
        case Tensor():
            return _tensor_type(value)
        case SparseTensor():
            return f"sparse {value.dtype.label}{list(value.shape)}"
        case tuple():
            shown = ", ".join(map(_value_text, value[:32]))
            return _shortened(f"[{shown}{', …' if len(value) > 32 else ''}]")
        case str():
            return _shortened(repr(value))
        case float():
            return f"{value:.7g}"  # which tells float32 apart, and no more
        case _:
            return _shortened(str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _boxes(boxes: Sequence[Box], numbers: Mapping[int, int], generated: Generated) -> list[Data]:
    classes = class_lines(generated.text)
    keys: dict[str, list[str]] = {}
    for key in generated.tensors:
        keys.setdefault(key.rpartition(".")[0], []).append(key)
    owners = {box.path: box for box in boxes if box.class_name in classes}
    found: list[Data] = []
    for box in boxes:
        lines: dict[str, int] = {}
        if box.class_name in classes:
            lines["class"] = classes[box.class_name].line
        if box.path and (owner := next((owners[path] for path in _above(box.path) if path in owners), None)):
            inside = box.path[len(owner.path) + 1 :] if owner.path else box.path
            around = classes[owner.class_name]
            if built := around.line_of(inside):
                lines["built"] = built
            if used := around.used.get(inside.partition(".")[0]):
                lines["used"] = used
        found.append(
            {
                "path": box.path,
                "name": box.name,
                "cls": box.class_name,
                "parent": box.parent,
                "nodes": [numbers[node] for node in box.nodes],
                "children": box.children,
                "open": box.is_open,
                "lines": lines,
                "keys": keys.get(box.path, []) if box.path or box.class_name else [],
            }
        )
    return found


def _above(path: str) -> Iterator[str]:
    """The paths around a module, innermost first; the model's own is empty and the last."""
    while path:
        path = path.rpartition(".")[0]
        yield path


def _shapes(generated: Generated) -> Data:
    return {key: _shape(key, ref, generated) for key, ref in generated.tensors.items()}


def _weights(generated: Generated, advance: Callable[[int], None] | None) -> Data:
    """The weights with their statistics; a tensor that several keys share is read once."""
    found = _shapes(generated)
    known: dict[TensorRef, Statistics | None] = {}
    for key, ref in generated.tensors.items():
        if ref not in known:
            known[ref] = statistics(ref)
            if advance is not None:
                advance(ref.nbytes)
        if (told := known[ref]) is not None:
            found[key] |= {
                "count": told.count,
                "numbers": [_number(number) for number in (told.mean, told.std, told.low, told.high)],
                "zeros": told.zeros,
                "odd": told.odd,
                "bins": told.bins,
            }
    return found


def _shape(key: str, ref: TensorRef, generated: Generated) -> Data:
    dtype = "string" if ref.dtype is DType.STRING else ref.dtype.value
    found: Data = {"type": f"{dtype}[{', '.join(map(str, ref.shape))}]"}
    if owner := generated.report.tied.get(key):
        found["tied"] = owner
    return found


def _number(number: float) -> float | None:
    """A number to six digits; JSON has no others than finite ones."""
    return float(f"{number:.6g}") if math.isfinite(number) else None
