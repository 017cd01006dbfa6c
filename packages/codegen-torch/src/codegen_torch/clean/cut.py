"""A part of a model, or a model with more outputs: values are called by their names, or by the modules they leave."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Mapping, Sequence

from onnx_proto import Graph, Model, Node, TensorType, ValueInfo

from codegen_torch.clean.graphs import value_names
from codegen_torch.clean.subgraphs import reads
from codegen_torch.clean.trained import trained_values
from codegen_torch.dims import Dim
from codegen_torch.errors import ConversionError
from codegen_torch.facts import Container, Facts
from codegen_torch.modules.scopes import scope_of


class UnknownNameError(ConversionError):
    """A name stands for no value and no module of the model."""


class CutError(ConversionError):
    """The model cannot be cut at these values."""


def add_outputs(model: Model, names: Iterable[str]) -> Model:
    """Let a model return more values, after its own outputs.

    Args:
        model: The model.
        names: Values, or modules, which stand for what they return.

    Raises:
        UnknownNameError: There is no such value or module.
    """
    graph = model.graph
    outputs = {output.name: output for output in graph.outputs}
    for name in _resolved(graph, names):
        outputs.setdefault(name, ValueInfo(name))
    return dataclasses.replace(model, graph=dataclasses.replace(graph, outputs=tuple(outputs.values())))


def extract(model: Model, inputs: Sequence[str], outputs: Sequence[str], facts: Mapping[str, Facts]) -> Model:
    """The part of a model that computes some values from others.

    Args:
        model: The model.
        inputs: Values, or modules, which stand for what they return; none for the model's own inputs.
        outputs: The same; none for the model's own outputs.
        facts: What is known of the values, as far as anything is.

    Raises:
        UnknownNameError: There is no such value or module.
        CutError: An output depends on something that is not among the inputs, or on none of them.
    """
    graph = model.graph
    given = _resolved(graph, inputs)
    wanted = _resolved(graph, outputs) or [output.name for output in graph.outputs]
    stored = {tensor.name for tensor in graph.initializers}
    for name in given:
        if name in stored:
            raise CutError(f"{name!r} is a weight and cannot be an input")
    nodes, needed = _between(graph, given, wanted)
    own = [value for value in graph.inputs if value.name not in stored]
    missing = [value.name for value in own if value.name in needed and value.name not in given]
    if given and missing:
        raise CutError(f"{_listed(wanted)} depends on {_listed(missing)}, too: name it among the inputs")
    idle = [name for name in given if name not in needed]
    if idle:
        raise CutError(f"{_listed(wanted)} does not depend on {_listed(idle)}")
    stated = {value.name: value for value in (*graph.value_infos, *graph.inputs, *graph.outputs)}
    kept = [_typed(name, stated, facts) for name in given] or [value for value in own if value.name in needed]
    part = dataclasses.replace(
        graph,
        nodes=tuple(nodes),
        inputs=tuple(kept),
        outputs=tuple(stated.get(name, ValueInfo(name)) for name in wanted),
        initializers=tuple(tensor for tensor in graph.initializers if tensor.name in needed),
    )
    return dataclasses.replace(model, graph=part)


def _between(graph: Graph, given: Sequence[str], wanted: Sequence[str]) -> tuple[list[Node], set[str]]:
    """The nodes that compute what is wanted from what is given, and all names that they need or that are wanted."""
    ends, needed = set(given), set(wanted)
    nodes: list[Node] = []
    for node in reversed(graph.nodes):
        if (needed - ends).intersection(node.outputs):
            nodes.append(node)
            needed.update(reads(node))
    return nodes[::-1], needed


def _typed(name: str, stated: Mapping[str, ValueInfo], facts: Mapping[str, Facts]) -> ValueInfo:
    """A value with its type, rather as it was inferred than as the file states it."""
    fact = facts.get(name)
    if fact is None or isinstance(fact, tuple | Container):
        if name in stated and stated[name].type is not None:
            return stated[name]
        raise CutError(f"the type of {name!r} is not known, so that it cannot be an input")
    shape = None if fact.dims is None else tuple(dim.name if isinstance(dim, Dim) else dim for dim in fact.dims)
    shape = shape and tuple(None if isinstance(dim, str) and dim.startswith("?") else dim for dim in shape)
    return ValueInfo(name, TensorType(fact.dtype.onnx, shape))


def _resolved(graph: Graph, names: Iterable[str]) -> list[str]:
    """The values that names stand for, each once."""
    values = value_names(graph)
    modules: dict[str, list[str]] | None = None
    found: dict[str, None] = {}
    for name in names:
        if name in values:
            found[name] = None
            continue
        modules = _modules(graph) if modules is None else modules
        if name not in modules:
            raise UnknownNameError(_unknown(name, [*values, *modules]))
        found.update(dict.fromkeys(modules[name]))
    return list(found)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"; there is {_listed(near)}" if near else ""
    return f"{name!r} is no value and no module of the model{hint}"


def _modules(graph: Graph) -> dict[str, list[str]]:
    """The modules that the file tells of, and what they return: the values that are used outside.

    A value that depends on none of the module's weights is no result where another one does: exporters compute what
    several modules share, such as a mask, in the first that needs it.
    """
    inside: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for step in scope_of(node):
            inside.setdefault(step.path, []).append(node)
    readers: dict[str, set[int]] = {}
    for position, node in enumerate(graph.nodes):
        for name in reads(node):
            readers.setdefault(name, set()).add(position)
    for output in graph.outputs:
        readers.setdefault(output.name, set()).add(-1)
    positions = {id(node): position for position, node in enumerate(graph.nodes)}
    trained = trained_values(graph) | {tensor.name for tensor in graph.initializers if "." in tensor.name}
    return {path: _results(nodes, readers, positions, trained) for path, nodes in inside.items()}


def _results(
    nodes: list[Node], readers: Mapping[str, set[int]], positions: Mapping[int, int], trained: Iterable[str]
) -> list[str]:
    own = {positions[id(node)] for node in nodes}
    learned = set(trained)
    results: list[str] = []
    for node in nodes:
        if not learned.isdisjoint(reads(node)):
            learned.update(node.outputs)
        results += [name for name in node.outputs if name and not readers.get(name, set()) <= own]
    return [name for name in results if name in learned] or results


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
