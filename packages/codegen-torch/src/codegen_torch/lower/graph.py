"""Lowering: an ONNX graph becomes a dataflow graph of torch expressions."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from onnx_proto import Graph, Model, Node, Tensor

import codegen_torch.ops  # noqa: F401  # registers the operators
from codegen_torch.clean.subgraphs import reads, value_in_branch, with_nested
from codegen_torch.clean.trained import trained_values
from codegen_torch.dtypes import DType
from codegen_torch.errors import InvalidModelError, Obstacle, UnsupportedError
from codegen_torch.exporters import tensor_names
from codegen_torch.expr import (
    Expr,
    Origin,
    UnknownRank,
    constant,
    current_origin,
    graph_input,
    originating,
    weight,
)
from codegen_torch.facts import Array, FactError
from codegen_torch.lower.attributes import attribute_values
from codegen_torch.lower.registry import Context, NotApplicable, Obstructed, definitions, is_redefined, ranges
from codegen_torch.lower.strings import code_strings, strings
from codegen_torch.lower.types import Symbols, UnsupportedType, fact_of
from codegen_torch.modules.scopes import scope_of
from codegen_torch.scope import Step
from codegen_torch.tensors import TensorRef
from codegen_torch.validate.types import contradiction, type_problem

MAX_NESTING = 20
"""How deep subgraphs may be nested; Python takes no more loops in each other."""
MAX_NODES = 3_000_000
"""How many nodes may be lowered, as often as loops need it."""
_MISTAKES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What Python raises where a definition is given sizes, ranks or numbers that its operator does not take."""
KNOWN_ELEMENTS = 1 << 16
"""Constants of at most this many elements are looked at during conversion; larger ones stay in the file."""


@dataclass(slots=True)
class Lowered:
    """A model as expressions.

    Attributes:
        inputs: The graph's inputs, in order.
        outputs: The graph's outputs by name, in order.
        nodes: How many ONNX nodes they came from.
        values: What the names of the graph stand for.
    """

    inputs: list[Expr]
    outputs: dict[str, Expr]
    nodes: int
    values: Mapping[str, Expr | None]


@dataclass(slots=True)
class _Model:
    """What is one for all graphs of a model.

    Attributes:
        source: How errors call the model.
        opsets: The versions of the domains.
        trained: The names of weights.
        typed: Whether element types that ONNX does not allow are refused.
        names: What tensors are called in a ``state_dict``, where the file calls them otherwise.
        obstacles: What cannot be converted.
        blocks: The numbers of the blocks of code that are made.
        nodes: How many nodes were lowered: bodies of loops are lowered several times.
    """

    source: str
    opsets: Mapping[str, int]
    trained: frozenset[str]
    typed: bool = False
    names: Mapping[str, str] = field(default_factory=dict)
    obstacles: list[Obstacle] = field(default_factory=list)
    blocks: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    nodes: int = 0

    def refuse(self, kind: str, name: str, reason: str) -> None:
        """Note something that is no node and cannot be converted."""
        self.obstacles.append(Obstacle(kind, self.opsets.get("", 0), name, reason))


@dataclass(slots=True)
class _Scope:
    """The names that the nodes of one graph see.

    Attributes:
        model: What is around.
        used: The names that anything in the graph reads, its outputs included.
        around: For a subgraph, the names that its node sees.
        depth: How many subgraphs this is in.
        block: The block of code that the graph becomes a part of.
        place: The branch that the graph is, and of what; empty for the model's own graph, None where values have no
            name in the model: those of a loop are many.
        values: The values of the graph's own names; None for what cannot be converted.
    """

    model: _Model
    used: frozenset[str]
    around: _Scope | None = None
    depth: int = 0
    block: int = 0
    place: tuple[str, str] | tuple[()] | None = ()
    values: dict[str, Expr | None] = field(default_factory=dict)

    def define(self, name: str, value: Expr | None) -> None:
        """Give a name its value; ONNX graphs assign every name once."""
        if name in self.values:
            raise InvalidModelError(f"{self.model.source}: {name!r} is defined more than once")
        self.values[name] = value

    def lookup(self, name: str) -> Expr | None:
        """The value of a name, None where it cannot be converted. Inner names hide outer ones.

        Raises:
            KeyError: There is none.
        """
        scope: _Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.around
        raise KeyError(name)

    def called(self, name: str) -> str:
        """What a value of the graph is called in the model; empty if it has no name there."""
        if not self.place or not name:
            return "" if self.place is None else name
        return value_in_branch(name, *self.place)

    def count(self, value: Expr) -> int:
        """How many names stand for a value."""
        around = 0 if self.around is None else self.around.count(value)
        return around + sum(known is value for known in self.values.values())


@dataclass(frozen=True, slots=True)
class _Site:
    """Where a node with subgraphs stands, for those who lower these."""

    scope: _Scope
    origin: Origin

    @property
    def depth(self) -> int:
        """How many nodes with subgraphs are around."""
        return self.scope.depth

    def here(self, graph: Graph, arguments: Sequence[Expr] = (), *, branch: str = "") -> list[Expr]:
        """The outputs of a subgraph that is written out in the place of its node."""
        return self._lowered(graph, arguments, self.scope.block, self.origin.order, branch)

    def number(self) -> int:
        """A number for a block of code."""
        return next(self.scope.model.blocks)

    def named(self, name: str) -> Expr:
        """The value that a name stands for, which no other name stands for."""
        try:
            value = self.scope.lookup(name)
        except KeyError:
            raise NotApplicable(f"{name!r} is no value of the graph") from None
        if value is None:
            raise Obstructed
        if self.scope.count(value) > 1:
            raise NotApplicable(f"{name!r} and another name stand for one value")
        return value

    def block(self, number: int, graph: Graph, arguments: Sequence[Expr] = (), *, branch: str = "") -> list[Expr]:
        """The outputs of a subgraph that becomes the block with this number."""
        return self._lowered(graph, arguments, number, None, branch)

    def _lowered(
        self, graph: Graph, arguments: Sequence[Expr], block: int, order: int | None, branch: str
    ) -> list[Expr]:
        model = self.scope.model
        if self.scope.depth >= MAX_NESTING:
            raise NotApplicable(f"subgraphs are nested more than {MAX_NESTING} deep")
        if model.nodes > MAX_NODES:
            raise NotApplicable("loops are nested too deeply")
        if len(arguments) != len(graph.inputs):
            raise InvalidModelError(
                f"{model.source}: subgraph {graph.name!r} takes {len(graph.inputs)} values, not {len(arguments)}"
            )
        of = self.scope.called(self.origin.name)
        place = (branch, of) if branch and of else None
        scope = _Scope(model, _used(graph), self.scope, self.scope.depth + 1, block, place)
        for value, argument in zip(graph.inputs, arguments, strict=True):
            scope.define(value.name, argument)
        _lower_initializers(scope, graph)
        for index, node in enumerate(graph.nodes):
            _lower_node(scope, node, index if order is None else order, self.origin.nodes[0], self.origin.scope)
        results = [_output(scope, output.name) for output in graph.outputs]
        found = [result for result in results if result is not None]
        if len(found) < len(results):
            raise Obstructed
        return found


def lower(
    model: Model, source: str, positions: Mapping[tuple[str, ...], int] | None = None, *, typed: bool = False
) -> Lowered:
    """Turn a cleaned model into expressions.

    Args:
        model: The model, in topological order.
        source: How errors call it.
        positions: Where nodes stand in the file, by what they compute; by default, where they stand here.
        typed: Refuse element types that ONNX does not allow an operator, though they have a meaning here.

    Raises:
        UnsupportedError: Operators, versions or features stand in the way; all of them are listed.
        InvalidModelError: The model contradicts itself.
    """
    graph = model.graph
    opsets = {opset.domain: opset.version for opset in model.opset_imports}
    scope = _Scope(_Model(source, opsets, trained_values(graph), typed, tensor_names(model)), _used(graph))
    inputs = _lower_inputs(scope, graph)
    _lower_initializers(scope, graph)
    for order, node in enumerate(graph.nodes):
        _lower_node(scope, node, order, order if positions is None else positions[node.outputs])
    if scope.model.obstacles:
        raise UnsupportedError(source, scope.model.obstacles)
    return Lowered(inputs, _outputs(scope, graph), len(graph.nodes), scope.values)


def _used(graph: Graph) -> frozenset[str]:
    """What the nodes of a graph and of its subgraphs read, and its outputs."""
    return frozenset({output.name for output in graph.outputs}.union(*map(reads, graph.nodes)))


def _outputs(scope: _Scope, graph: Graph) -> dict[str, Expr]:
    if not graph.outputs:
        raise InvalidModelError(f"{scope.model.source}: the graph has no outputs")
    outputs: dict[str, Expr] = {}
    for output in graph.outputs:
        if output.name in outputs:
            raise InvalidModelError(f"{scope.model.source}: output {output.name!r} is listed more than once")
        value = _output(scope, output.name)
        assert value is not None
        if problem := contradiction(output, value.fact):
            raise InvalidModelError(f"{scope.model.source}: output {output.name!r} {problem}")
        outputs[output.name] = value
    return outputs


def _output(scope: _Scope, name: str) -> Expr | None:
    try:
        return scope.lookup(name)
    except KeyError:
        raise InvalidModelError(f"{scope.model.source}: output {name!r} is computed by no node") from None


def _lower_inputs(scope: _Scope, graph: Graph) -> list[Expr]:
    initialized = {tensor.name for tensor in graph.initializers}
    symbols = Symbols(graph)
    inputs: list[Expr] = []
    for value in graph.inputs:
        if value.name in initialized:
            continue  # old files list every weight as an input
        try:
            expr = graph_input(value.name, fact_of(value, symbols))
        except UnsupportedType as error:
            scope.model.refuse("graph input", value.name, str(error))
            scope.define(value.name, None)
            continue
        scope.define(value.name, expr)
        inputs.append(expr)
    return inputs


def _lower_initializers(scope: _Scope, graph: Graph) -> None:
    for tensor in graph.initializers:
        if DType.of_onnx(tensor.dtype) is None:
            scope.model.refuse("initializer", tensor.name, f"tensors of {tensor.dtype.name} are not supported")
            scope.define(tensor.name, None)
            continue
        scope.define(tensor.name, _lower_tensor(scope, tensor))


def _lower_tensor(scope: _Scope, tensor: Tensor) -> Expr:
    ref = TensorRef.of_onnx(tensor)
    ref.name = scope.model.names.get(tensor.name, tensor.name)
    with originating(Origin(name=tensor.name, block=scope.block)):
        if ref.dtype is DType.STRING:
            return strings(tensor.numpy(), tensor.name)
        if tensor.name in scope.model.trained:
            return weight(ref)
        value: Array | None = None
        if ref.size <= KNOWN_ELEMENTS and ref.dtype.in_numpy:
            value = tensor.numpy()
        return constant(ref, value)


def _lower_node(scope: _Scope, node: Node, order: int, position: int, around: tuple[Step, ...] = ()) -> None:
    name = node.name or (node.outputs[0] if node.outputs else f"node {position}")
    scope.model.nodes += 1
    inputs: list[Expr | None] = []
    for value in node.inputs:
        try:
            inputs.append(scope.lookup(value) if value else None)
        except KeyError:
            raise InvalidModelError(
                f"{scope.model.source}: node {name!r} reads {value!r}, which nothing computes before it"
            ) from None
    results: tuple[Expr, ...] | None = None
    origin = Origin(order, scope_of(node) or around, node.outputs[0] if node.outputs else "", (position,), scope.block)
    if any(value and found is None for value, found in zip(node.inputs, inputs, strict=True)):
        _check_defined(scope, node)
    else:
        with originating(origin):
            results = _apply(scope, node, name, inputs)
    if results is None:
        for output in filter(None, node.outputs):
            scope.define(output, None)
        return
    for output, result in zip(node.outputs, results, strict=False):
        if output:
            scope.define(output, result)
            if result is not None and result.op not in ("input", "weight", "constant") and result.origin is origin:
                result.meta["origin"] = dataclasses.replace(origin, name=output, value=scope.called(output))


def _apply(scope: _Scope, node: Node, name: str, inputs: list[Expr | None]) -> tuple[Expr, ...] | None:
    """The values of a node's outputs, or None after noting why there are none."""
    model = scope.model
    op = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    version = model.opsets.get(node.domain)
    if version is None:
        raise InvalidModelError(f"{model.source}: node {name!r} is of domain {node.domain!r}, which is not imported")
    candidates = definitions(node.domain, node.op_type, version)
    if not candidates:
        model.obstacles.append(_undefined(node, version))
        return None
    if model.typed and not is_redefined(node.domain, node.op_type):
        problem = type_problem(node.domain, node.op_type, version, inputs)
        if problem:
            raise InvalidModelError(f"{model.source}: node {name!r} ({op}) {problem}")
    outputs = node.outputs
    while outputs and not outputs[-1]:  # an output without a name at the end is none
        outputs = outputs[:-1]
    used = tuple(bool(output) and output in scope.used for output in outputs)
    trained = bool(node.outputs) and node.outputs[0] in model.trained
    context = Context(used, version, trained, _Site(scope, current_origin()))
    reasons: list[str] = []
    coded = code_strings(node, version, inputs)
    for definition in candidates:
        try:
            result = definition.apply(coded.inputs if coded else inputs, attribute_values(node), context)
        except (NotApplicable, UnknownRank) as error:
            reasons.append(str(error))
            continue
        except FactError as error:
            raise InvalidModelError(f"{model.source}: node {name!r} ({op}) is {error}") from error
        except Obstructed:
            return None
        except _MISTAKES as error:
            reasons.append(f"its inputs and attributes do not go together ({type(error).__name__}: {error})")
            continue
        results = result if isinstance(result, tuple) else (result,)
        results = coded.decode(results) if coded else results
        wanted = [index for index, used in enumerate(context.outputs) if used]
        if any(index >= len(results) or results[index] is None for index in wanted):
            reasons.append("an output that is used is not supported")
            continue
        return results
    model.obstacles.append(Obstacle(op, version, name, "; ".join(dict.fromkeys(reasons))))
    return None


def _check_defined(scope: _Scope, node: Node) -> None:
    """Note unknown operators even behind one that could not be converted, so that all are told at once."""
    for each in with_nested(node):
        version = scope.model.opsets.get(each.domain)
        if version is not None and not definitions(each.domain, each.op_type, version):
            scope.model.obstacles.append(_undefined(each, version))


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
