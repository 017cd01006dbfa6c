"""Names of tf2onnx and keras2onnx: ``StatefulPartitionedCall/model/block_1/dense/MatMul`` is in ``block_1.dense``.

What is left out: the calls of functions that a saved model is wrapped in, the model's own name, which all names begin
with, and the functions inside of TensorFlow's layers (``dense/Tensordot``, ``layer_normalization/batchnorm``).
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping

from onnx_proto import Model, Node

from codegen_torch.modules.scopes import metadata_of

Modules = tuple[str, ...]
"""The modules around something, outermost first, each by its own name."""

_PRODUCERS = ("tf2onnx", "keras2onnx")
_VARIABLE = re.compile(r".+/ReadVariableOp(_\d+)?:0")
_READ = re.compile(r"ReadVariableOp(_\d+)?")
_CALL = re.compile(r"(Stateful)?PartitionedCall(_\d+)?")
_FUNCTION = re.compile(
    r"(Tensordot|batchnorm|moments|einsum|embedding_lookup|Gelu|Softmax|(Fused)?BatchNorm(V3)?)(_\d+)?"
)
# What tf2onnx appends to the names of nodes that it makes.
_MADE = re.compile(r"(_\w+?)?__\d+$")
_LIST_ENTRY = re.compile(r"(\w+?)_\._(\d+)", flags=re.ASCII)
_COUNTED = re.compile(r"(.*?)(?:_(\d+))?", flags=re.DOTALL)
_MAX_DEPTH = 60
_MAX_LENGTH = 1000
# The role of a tensor in an operator of ONNX, by its position.
_ROLES: Mapping[str, Mapping[int, str]] = {
    "Conv": {1: "weight", 2: "bias"},
    "ConvTranspose": {1: "weight", 2: "bias"},
    "Gemm": {1: "weight", 2: "bias"},
    "MatMul": {0: "weight", 1: "weight"},
    "Einsum": {0: "weight", 1: "weight"},
    "Gather": {0: "weight"},
    "BatchNormalization": {1: "weight", 2: "bias", 3: "running_mean", 4: "running_var"},
    "LayerNormalization": {1: "weight", 2: "bias"},
    "Add": {0: "bias", 1: "bias"},
    "Sub": {0: "bias"},
    "Mul": {0: "weight", 1: "weight"},
}
# The role of a variable, by what Keras calls it or by the operation that reads it.
_VARIABLES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "embeddings": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "MatMul": "weight",
    "Conv2D": "weight",
    "depthwise": "weight",
    "Einsum": "weight",
    "BiasAdd": "bias",
}


def tell_scopes(model: Model) -> Model:
    """The model with the scopes of its nodes in their metadata, if most of them are in modules that hold others.

    The names of a flat model tell layers only, some of which may have parts. What it repeats tells more.
    """
    if not _is_tensorflow(model):
        return model
    nodes = model.graph.nodes
    modules = _modules_of_nodes(nodes)
    outer = {path[0] for path in modules.values() if len(path) > 1}
    if 2 * sum(path[0] in outer for path in modules.values()) <= len(modules):
        return model
    stored = {tensor.name for tensor in model.graph.initializers}
    projections = {modules.get(node.name, ()) for node in nodes if node.op_type == "Einsum" and stored & {*node.inputs}}
    told = tuple(_told(node, modules.get(node.name, ()), projections) for node in nodes)
    return dataclasses.replace(model, graph=dataclasses.replace(model.graph, nodes=told))


def tensor_names(model: Model) -> Mapping[str, str]:
    """Names as in a ``state_dict``: the modules around the node that uses a tensor, and the tensor's role in it."""
    if not _is_tensorflow(model):
        return {}
    stored = {tensor.name for tensor in model.graph.initializers}
    names = _names_of_variables(stored)
    modules = _modules_of_nodes(model.graph.nodes)
    for node in model.graph.nodes:
        around = modules.get(node.name)
        if not around:
            continue
        for position, role in _ROLES.get(node.op_type, {}).items():
            if position < len(node.inputs) and node.inputs[position] in stored:
                names[node.inputs[position]] = ".".join((*around, role))
    return names


def _is_tensorflow(model: Model) -> bool:
    """Optimizers and quantizers put their own name in the place of the exporter's, but leave the names in the graph."""
    if model.producer_name.startswith(_PRODUCERS):
        return True
    return any(_VARIABLE.fullmatch(tensor.name) for tensor in model.graph.initializers)


def _told(node: Node, modules: Modules, projections: Container[Modules]) -> Node:
    """A node with its modules; one that multiplies by a tensor in an Einsum is Keras's EinsumDense."""
    if not modules or node.metadata:
        return node
    around = [modules[: depth + 1] for depth in range(len(modules))]
    classes = ["EinsumDense" if each in projections else "" for each in around]
    return dataclasses.replace(node, metadata=metadata_of([".".join(each) for each in around], classes))


def _names_of_variables(stored: Iterable[str]) -> dict[str, str]:
    """What the variables' own names tell: ``model/dense/kernel:0`` is the weight of ``dense``."""
    modules: dict[str, Modules] = {}
    roles: dict[str, str] = {}
    for name in sorted(stored):
        words = _segments(name)
        if len(words) > 1 and _READ.fullmatch(words[-1]):
            words.pop()
        if len(words) > 1 and words[-1] in _VARIABLES:
            modules[name], roles[name] = tuple(words[:-1]), _VARIABLES[words[-1]]
    return {name: ".".join((*around, roles[name])) for name, around in _below_common(modules).items()}


def _modules_of_nodes(nodes: Iterable[Node]) -> dict[str, Modules]:
    """The modules around every node that tells them, by the node's name."""
    names = {node.name for node in nodes}
    found = {name: tuple(segments[:-1]) for name in sorted(names) if (segments := _segments(name))}
    found = _below_common({name: modules for name, modules in found.items() if modules})
    return _counted_anew(found)


def _segments(name: str) -> list[str]:
    """The parts of a name that are words of its model, the operation last; none where they are no such words."""
    if not name or name.startswith("/") or len(name) > _MAX_LENGTH:
        return []
    parts = re.sub(r":\d+$", "", name).split("/")
    parts[-1] = _MADE.sub("", parts[-1])
    kept = [part for part in parts[:-1] if not _CALL.fullmatch(part) and not _FUNCTION.fullmatch(part)]
    words = [_word(part) for part in (*kept, parts[-1])]
    return words if all(words) and len(words) <= _MAX_DEPTH else []


def _word(part: str) -> str:
    """A part of a name as a part of a path; ``layer_._3`` is the fourth of the list ``layer``."""
    if entry := _LIST_ENTRY.fullmatch(part):
        return f"{entry[1]}.{int(entry[2])}" if len(entry[2]) < 5 else ""
    return re.sub(r"\W+", "_", part, flags=re.ASCII).strip("_")


def _below_common(found: Mapping[str, Modules]) -> dict[str, Modules]:
    """Without the modules that all are in, which are the model; the last one stays if it is all there is.

    Keras 3 appends a number to every name when it exports: if the model and all in it have it, none has.
    """
    if not found:
        return {}
    first, last = min(found.values()), max(found.values())
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    if first == last:
        depth -= 1
    inner = {name: modules[depth:] for name, modules in found.items() if modules[depth:]}
    words = {word for modules in inner.values() for word in modules}
    bare = {word: word.removesuffix("_1") for word in words}
    is_exported = depth > 0 and first[depth - 1].endswith("_1") and all(word.endswith("_1") for word in words)
    if not is_exported or len(set(bare.values())) < len(words):
        return inner
    return {name: tuple(bare[word] for word in modules) for name, modules in inner.items()}


def _counted_anew(found: Mapping[str, Modules]) -> dict[str, Modules]:
    """Keras counts layers through the whole model. Inside of one of several equal blocks they are counted from 0.

    Thus ``block_1/dense_2`` and ``block_1/dense_3`` are called what ``block/dense`` and ``block/dense_1`` are.
    """
    children: dict[Modules, dict[str, None]] = defaultdict(dict)
    for modules in found.values():
        for depth, module in enumerate(modules):
            children[modules[:depth]][module] = None
    renamed: dict[Modules, Modules] = {(): ()}
    counted: dict[Modules, bool] = {(): False}
    for around in sorted(children, key=len):
        groups: dict[str, list[str]] = defaultdict(list)
        for module in sorted(children[around], key=_number):
            groups[_base(module)].append(module)
        for base, group in groups.items():
            for count, module in enumerate(group):
                name = (f"{base}_{count}" if count else base) if counted[around] else module
                renamed[*around, module] = (*renamed[around], name)
                counted[*around, module] = counted[around] or len(group) > 1
    return {name: renamed[modules] for name, modules in found.items()}


def _base(module: str) -> str:
    found = _COUNTED.fullmatch(module)
    return found[1] if found and found[1] else module


def _number(module: str) -> tuple[int, str]:
    found = _COUNTED.fullmatch(module)
    number = found[2] if found else None
    return int(number) if number and len(number) < 10 else 0, module
