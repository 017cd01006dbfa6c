"""What an ONNX file says about itself: everything that can be told without reading a weight."""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx_proto
from codegen_torch.clean.subgraphs import subgraphs
from codegen_torch.modules.scopes import root_class, scope_of
from codegen_torch.operators import is_supported, supported_versions
from onnx_proto import Graph, Model, Node, Tensor, TensorType, ValueInfo


@dataclass(frozen=True, slots=True)
class Value:
    """An input or an output of the graph.

    Attributes:
        name: Its name.
        type: The type of its elements, or the kind of value it is where it is no tensor.
        shape: A size or the name of a symbolic one per dimension, None where the file does not tell one; None as a
            whole if not even the rank is known.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...] | None


@dataclass(slots=True)
class Module:
    """A module of the original model, with all that is inside it.

    Attributes:
        path: Where it is, dotted; empty for the model itself.
        class_name: Its class, where the file tells.
        nodes: How many nodes it has.
        parameters: How many numbers its weights have.
        nbytes: How many bytes its weights take in the file.
    """

    path: str
    class_name: str | None = None
    nodes: int = 0
    parameters: int = 0
    nbytes: int = 0


@dataclass(frozen=True, slots=True)
class Unsupported:
    """An operator that cannot be converted at the version the model asks for.

    Attributes:
        operator: Its name, with the domain where that is not ONNX's own.
        version: The version of its domain.
        count: How many nodes call it.
        supported: The versions that can be converted, in words; empty if there is none.
    """

    operator: str
    version: int
    count: int
    supported: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a file says about itself.

    Attributes:
        path: The file.
        producer: Who wrote it, with the version; empty if the file does not tell.
        ir_version: The version of the file format.
        opsets: Versions of the operator domains; ONNX's own is called ``ai.onnx``.
        inputs: What the graph takes; inputs that have an initializer are weights and not among them.
        outputs: What it gives.
        operators: How many nodes call each operator, those in subgraphs and functions included, most frequent first.
        modules: The modules of the original, the model itself first, each before what is in it.
        unsupported: Operators that cannot be converted. An operator that is not listed may still be used in a way that
            cannot; `codegen_torch.check` looks at every node.
    """

    path: Path
    producer: str
    ir_version: int
    opsets: dict[str, int]
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    operators: dict[str, int]
    modules: tuple[Module, ...]
    unsupported: tuple[Unsupported, ...]


def inspect_model(path: Path) -> Inspection:
    """Reads what a file says about itself, and none of its weights.

    Raises:
        onnx_proto.OnnxError: The file is not a valid ONNX model.
        OSError: It cannot be read.
    """
    model = onnx_proto.load(path)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializers}
    return Inspection(
        path=path,
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        ir_version=model.ir_version,
        opsets={opset.domain or "ai.onnx": opset.version for opset in model.opset_imports},
        inputs=tuple(_value(info) for info in graph.inputs if info.name not in weights),
        outputs=tuple(map(_value, graph.outputs)),
        operators=_operators(model),
        modules=_modules(graph),
        unsupported=_unsupported(model),
    )


def _value(info: ValueInfo) -> Value:
    match info.type:
        case TensorType(elem_type, shape):
            return Value(info.name, elem_type.label, shape)
        case None:
            return Value(info.name, "unknown", None)
        case other:
            return Value(info.name, type(other).__name__.removesuffix("Type").lower(), None)


def _calls(model: Model) -> Iterator[tuple[Node, Mapping[str, int]]]:
    """Yields every node, those in subgraphs and functions included, with the versions of its domains."""
    ours = {opset.domain: opset.version for opset in model.opset_imports}
    bodies = [(model.graph.nodes, ours)]
    bodies += [
        (function.nodes, ours | {opset.domain: opset.version for opset in function.opset_imports})
        for function in model.functions
    ]
    while bodies:
        nodes, versions = bodies.pop()
        for node in nodes:
            yield node, versions
            bodies += [(graph.nodes, versions) for graph in subgraphs(node)]


def _operators(model: Model) -> dict[str, int]:
    counts = Counter(_operator(node) for node, _ in _calls(model))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _operator(node: Node) -> str:
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type


def _unsupported(model: Model) -> tuple[Unsupported, ...]:
    local = {(function.domain, function.name) for function in model.functions}
    counts = Counter(
        (node.domain, node.op_type, versions.get(node.domain, 1))
        for node, versions in _calls(model)
        if (node.domain, node.op_type) not in local
    )
    return tuple(
        Unsupported(f"{domain}.{op_type}" if domain else op_type, version, count, supported_versions(domain, op_type))
        for (domain, op_type, version), count in sorted(counts.items())
        if op_type != "Constant" and not is_supported(domain, op_type, version)
    )


def _modules(graph: Graph) -> tuple[Module, ...]:
    modules = {"": Module("", next(filter(None, map(root_class, graph.nodes)), None))}
    homes: dict[str, tuple[str, ...]] = {}
    for node in graph.nodes:
        paths = [""]
        for step in scope_of(node):
            paths.append(step.path)
            module = modules.setdefault(step.path, Module(step.path))
            module.class_name = module.class_name or step.cls
        for path in paths:
            modules[path].nodes += 1
        for name in node.inputs:
            homes.setdefault(name, tuple(paths))
    for tensor in graph.initializers:
        for path in _home(tensor, homes.get(tensor.name, ("",)), modules):
            modules[path].parameters += tensor.size
            modules[path].nbytes += tensor.nbytes
    order = {path: number for number, path in enumerate(modules)}
    return tuple(
        sorted(modules.values(), key=lambda module: [order[path] for path in _prefixes(module.path) if path in order])
    )


def _home(tensor: Tensor, consumer: tuple[str, ...], modules: Mapping[str, Module]) -> tuple[str, ...]:
    """The modules that hold a weight: those its name tells where they exist, else those of the node that uses it.

    A folded BatchNorm leaves its scope on a convolution whose weight still says ``conv1``.
    """
    prefix = tensor.name.rpartition(".")[0]
    return tuple(path for path in _prefixes(prefix) if path in modules) if prefix in modules and prefix else consumer


def _prefixes(path: str) -> list[str]:
    """The paths of the modules around a path and its own, outermost, which is the model, first."""
    parts = path.split(".")
    return ["", *(".".join(parts[:count]) for count in range(1, len(parts) + 1))] if path else [""]
