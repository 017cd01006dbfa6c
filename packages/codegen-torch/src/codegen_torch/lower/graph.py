"""Lowering: an ONNX graph becomes a dataflow graph of torch expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from onnx_proto import Graph, Model, Node, Tensor

import codegen_torch.ops  # noqa: F401  # registers the operators
from codegen_torch.clean.trained import trained_values
from codegen_torch.dtypes import DType
from codegen_torch.errors import InvalidModelError, Obstacle, UnsupportedError
from codegen_torch.expr import Expr, Origin, UnknownRank, constant, graph_input, originating, weight
from codegen_torch.facts import Array
from codegen_torch.lower.attributes import attribute_values
from codegen_torch.lower.registry import Context, NotApplicable, definitions, ranges
from codegen_torch.lower.strings import code_strings, strings
from codegen_torch.lower.types import Symbols, UnsupportedType, fact_of
from codegen_torch.modules.scopes import scope_of
from codegen_torch.symbols import FactError
from codegen_torch.tensors import TensorRef

KNOWN_ELEMENTS = 1 << 16
"""Constants of at most this many elements are looked at during conversion; larger ones stay in the file."""


@dataclass(slots=True)
class Lowered:
    """A model as expressions.

    Attributes:
        inputs: The graph's inputs, in order.
        outputs: The graph's outputs by name, in order.
        nodes: How many ONNX nodes they came from.
    """

    inputs: list[Expr]
    outputs: dict[str, Expr]
    nodes: int


@dataclass(slots=True)
class _Lowering:
    source: str
    opsets: Mapping[str, int]
    trained: frozenset[str]
    used: frozenset[str]
    values: dict[str, Expr] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def define(self, name: str, value: Expr) -> None:
        """Give a name its value; ONNX graphs assign every name once."""
        if name in self.values:
            raise InvalidModelError(f"{self.source}: {name!r} is defined more than once")
        self.values[name] = value

    def refuse(self, kind: str, name: str, reason: str) -> None:
        """Note something that is no node and cannot be converted."""
        self.obstacles.append(Obstacle(kind, self.opsets.get("", 0), name, reason))


def lower(model: Model, source: str, positions: Mapping[tuple[str, ...], int] | None = None) -> Lowered:
    """Turn a cleaned model into expressions.

    Args:
        model: The model, in topological order.
        source: How errors call it.
        positions: Where nodes stand in the file, by what they compute; by default, where they stand here.

    Raises:
        UnsupportedError: Operators, versions or features stand in the way; all of them are listed.
        InvalidModelError: The model contradicts itself.
    """
    graph = model.graph
    used = {name for node in graph.nodes for name in node.inputs} | {output.name for output in graph.outputs}
    opsets = {opset.domain: opset.version for opset in model.opset_imports}
    state = _Lowering(source, opsets, trained_values(graph), frozenset(used))
    inputs = _lower_inputs(state, graph)
    for tensor in graph.initializers:
        if DType.of_onnx(tensor.dtype) is None:
            state.refuse("initializer", tensor.name, f"tensors of {tensor.dtype.name} are not supported")
            state.broken.add(tensor.name)
            continue
        state.define(tensor.name, _lower_tensor(tensor, trained=tensor.name in state.trained))
    for order, node in enumerate(graph.nodes):
        _lower_node(state, node, order, order if positions is None else positions[node.outputs])
    if state.obstacles:
        raise UnsupportedError(source, state.obstacles)
    return Lowered(inputs, _outputs(state, graph), len(graph.nodes))


def _outputs(state: _Lowering, graph: Graph) -> dict[str, Expr]:
    if not graph.outputs:
        raise InvalidModelError(f"{state.source}: the graph has no outputs")
    outputs: dict[str, Expr] = {}
    for output in graph.outputs:
        if output.name not in state.values:
            raise InvalidModelError(f"{state.source}: output {output.name!r} is computed by no node")
        if output.name in outputs:
            raise InvalidModelError(f"{state.source}: output {output.name!r} is listed more than once")
        outputs[output.name] = state.values[output.name]
    return outputs


def _lower_inputs(state: _Lowering, graph: Graph) -> list[Expr]:
    initialized = {tensor.name for tensor in graph.initializers}
    symbols = Symbols(graph)
    inputs: list[Expr] = []
    for value in graph.inputs:
        if value.name in initialized:
            continue  # old files list every weight as an input
        try:
            expr = graph_input(value.name, fact_of(value, symbols))
        except UnsupportedType as error:
            state.refuse("graph input", value.name, str(error))
            state.broken.add(value.name)
            continue
        state.define(value.name, expr)
        inputs.append(expr)
    return inputs


def _lower_tensor(tensor: Tensor, *, trained: bool) -> Expr:
    ref = TensorRef.of_onnx(tensor)
    with originating(Origin(name=tensor.name)):
        if ref.dtype is DType.STRING:
            return strings(tensor.numpy(), tensor.name)
        if trained:
            return weight(ref)
        value: Array | None = None
        if ref.size <= KNOWN_ELEMENTS and ref.dtype.in_numpy:
            value = tensor.numpy()
        return constant(ref, value)


def _lower_node(state: _Lowering, node: Node, order: int, position: int) -> None:
    name = node.name or (node.outputs[0] if node.outputs else f"node {position}")
    if any(value in state.broken for value in node.inputs):
        state.broken.update(node.outputs)
        _check_defined(state, node)
        return
    inputs: list[Expr | None] = []
    for value in node.inputs:
        if value and value not in state.values:
            raise InvalidModelError(f"{state.source}: node {name!r} reads {value!r}, which nothing computes before it")
        inputs.append(state.values[value] if value else None)
    origin = Origin(order, scope_of(node), node.outputs[0] if node.outputs else "", (position,))
    with originating(origin):
        results = _apply(state, node, name, inputs)
    if results is None:
        state.broken.update(node.outputs)
        return
    for output, result in zip(node.outputs, results, strict=False):
        if output:
            state.define(output, result)
            if result.op not in ("input", "weight", "constant") and result.origin is origin:
                result.meta["origin"] = Origin(order, origin.scope, output, (position,))


def _apply(state: _Lowering, node: Node, name: str, inputs: list[Expr | None]) -> tuple[Expr, ...] | None:
    """The values of a node's outputs, or None after noting why there are none."""
    op = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    version = state.opsets.get(node.domain)
    if version is None:
        raise InvalidModelError(f"{state.source}: node {name!r} is of domain {node.domain!r}, which is not imported")
    candidates = definitions(node.domain, node.op_type, version)
    if not candidates:
        state.obstacles.append(_undefined(node, version))
        return None
    used = tuple(bool(output) and output in state.used for output in node.outputs)
    context = Context(used, version, trained=node.outputs[0] in state.trained)
    reasons: list[str] = []
    coded = code_strings(node, version, inputs)
    for definition in candidates:
        try:
            result = definition.apply(coded.inputs if coded else inputs, attribute_values(node), context)
        except (NotApplicable, UnknownRank) as error:
            reasons.append(str(error))
            continue
        except FactError as error:
            raise InvalidModelError(f"{state.source}: node {name!r} ({op}) is {error}") from error
        results = result if isinstance(result, tuple) else (result,)
        results = coded.decode(results) if coded else results
        wanted = [index for index, used in enumerate(context.outputs) if used]
        if any(index >= len(results) or results[index] is None for index in wanted):
            reasons.append("an output that is used is not supported")
            continue
        return results
    state.obstacles.append(Obstacle(op, version, name, "; ".join(dict.fromkeys(reasons))))
    return None


def _check_defined(state: _Lowering, node: Node) -> None:
    """Note an unknown operator even behind one that could not be converted, so that all are told at once."""
    version = state.opsets.get(node.domain)
    if version is not None and not definitions(node.domain, node.op_type, version):
        state.obstacles.append(_undefined(node, version))


def _undefined(node: Node, version: int) -> Obstacle:
    """Says that an operator is not defined at a version of its domain."""
    op = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    name = node.name or next(iter(node.outputs), "")
    known = ranges(node.domain, node.op_type)
    if not known:
        hint = "define it in a Python file and give that with --ops"
        return Obstacle(op, version, name, "the operator is not supported", hint)
    hint = "onnx.version_converter may bring the model there"
    return Obstacle(op, version, name, f"only opsets {known} are supported", hint)
