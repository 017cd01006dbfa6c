"""Calls of model-local functions give way to the functions' bodies.

An operator that we know keeps its own meaning even where the file brings a function of its name: such a function only
spells that meaning out for those who do not know it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from onnx_proto import Attribute, Function, Graph, Model, Node, OperatorSet, SparseTensor, Tensor, ValueInfo

from codegen_torch.clean.subgraphs import graphs_of
from codegen_torch.errors import InvalidModelError, Obstacle, UnsupportedError
from codegen_torch.lower.registry import definitions

MAX_NODES = 300_000
"""How many nodes bodies may add up to: functions that call each other twice double with every level."""

MAX_DEPTH = 100
"""How deep functions may call each other."""

_Key = tuple[str, str, str]
_Named = ValueInfo | Tensor | SparseTensor


def inline_functions(model: Model, source: str) -> tuple[Model, dict[tuple[str, ...], int]]:
    """Replace every call of a model-local function by the nodes of its body.

    Args:
        model: The model.
        source: How errors call it.

    Returns:
        The model without such calls, and for the nodes of its graph, by what they compute, the position that they or
        the calls they stand for have in the file.

    Raises:
        InvalidModelError: A function calls itself, is given more than it takes, or a reference leads nowhere.
        UnsupportedError: The bodies add up to too many nodes, or import operators of another meaning.
    """
    positions = {node.outputs: position for position, node in enumerate(model.graph.nodes)}
    functions = {(each.domain, each.name, each.overload): each for each in model.functions}
    if not functions:
        return model, positions
    inliner = _Inliner(source, model, functions)
    nodes: list[Node] = []
    for position, node in enumerate(model.graph.nodes):
        for inner in inliner.expanded(node):
            nodes.append(inner)
            positions[inner.outputs] = position
    opsets = tuple(OperatorSet(domain, version) for domain, version in inliner.opsets.items())
    graph = dataclasses.replace(model.graph, nodes=tuple(nodes))
    return dataclasses.replace(model, graph=graph, functions=(), opset_imports=opsets), positions


@dataclass(slots=True)
class _Call:
    """A body that is being written out.

    Attributes:
        caller: The node that stands for it.
        function: The function.
        names: What the parameters and the values computed so far are called outside.
        results: What the results shall be called outside.
        above: The functions around it, its own included.
    """

    caller: Node
    function: Function
    names: dict[str, str]
    results: Mapping[str, str]
    above: frozenset[_Key]
    attributes: Mapping[str, Attribute] = field(init=False)

    def __post_init__(self) -> None:
        self.attributes = {**self.function.attribute_defaults, **self.caller.attributes}


class _Inliner:
    """Writes out calls, with names that no other value has."""

    def __init__(self, source: str, model: Model, functions: Mapping[_Key, Function]) -> None:
        self.source = source
        self.functions = functions
        self.opsets = {opset.domain: opset.version for opset in model.opset_imports}
        self.taken = set(_names(model.graph))
        self.counts: dict[str, int] = {}
        self.budget = MAX_NODES

    def expanded(self, node: Node, above: frozenset[_Key] = frozenset()) -> Iterator[Node]:
        """A node, or the nodes that it stands for, also inside its subgraphs."""
        stack: list[Iterator[tuple[Node, frozenset[_Key]]]] = [iter([(node, above)])]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                stack.pop()
                continue
            node, above = following
            function = self._function(node)
            if function is None:
                yield self._with_subgraphs(node, above)
                continue
            key = (function.domain, function.name, function.overload)
            if key in above:
                raise InvalidModelError(f"{self.source}: function {function.name!r} calls itself")
            if len(above) >= MAX_DEPTH:
                self._refuse(function, node, f"functions call each other {MAX_DEPTH} deep")
            stack.append(self._body(self._call(node, function, above | {key})))

    def _function(self, node: Node) -> Function | None:
        function = self.functions.get((node.domain, node.op_type, node.overload))
        version = self.opsets.get(node.domain)
        known = version is not None and definitions(node.domain, node.op_type, version)
        return None if known else function

    def _call(self, node: Node, function: Function, above: frozenset[_Key]) -> _Call:
        self._import(function)
        for given, taken, what in (
            (node.inputs, function.inputs, "inputs"),
            (node.outputs, function.outputs, "outputs"),
        ):
            if len(given) > len(taken):
                name = node.name or ", ".join(node.outputs)
                raise InvalidModelError(
                    f"{self.source}: node {name!r} gives function {function.name!r} {len(given)} {what}, "
                    f"which has {len(taken)}"
                )
        names = dict.fromkeys(function.inputs, "")
        names.update(zip(function.inputs, node.inputs, strict=False))
        results = {
            inner: outer for inner, outer in reversed([*zip(function.outputs, node.outputs, strict=False)]) if outer
        }
        return _Call(node, function, names, results, above)

    def _import(self, function: Function) -> None:
        """Meet the operator sets of a function: a version may differ only where the meaning does not."""
        for opset in function.opset_imports:
            version = self.opsets.setdefault(opset.domain, opset.version)
            if version == opset.version:
                continue
            for node in function.nodes:
                if node.domain != opset.domain:
                    continue
                ours, theirs = (definitions(node.domain, node.op_type, each) for each in (version, opset.version))
                if ours != theirs:
                    self._refuse(
                        function,
                        node,
                        f"it has {node.op_type} of opset {opset.version}, which means something else in the model's",
                    )

    def _refuse(self, function: Function, node: Node, reason: str) -> NoReturn:
        op = f"{function.domain}.{function.name}" if function.domain else function.name
        version = self.opsets.get(function.domain, 0)
        raise UnsupportedError(self.source, [Obstacle(op, version, node.name or ", ".join(node.outputs), reason)])

    def _body(self, call: _Call) -> Iterator[tuple[Node, frozenset[_Key]]]:
        for node in call.function.nodes:
            self.budget -= 1
            if self.budget < 0:
                self._refuse(call.function, call.caller, f"functions add up to more than {MAX_NODES:,} nodes")
            yield self._placed(node, call, call.names, call.results), call.above
        for inner, outer in zip(call.function.outputs, call.caller.outputs, strict=False):
            if outer and call.names.get(inner) != outer:  # an output that is an input, or another output
                yield Node("Identity", inputs=(self._known(inner, call.names, call),), outputs=(outer,)), call.above

    def _placed(self, node: Node, call: _Call, names: dict[str, str], results: Mapping[str, str]) -> Node:
        """A node of a body as it stands outside: its values renamed, its attribute references resolved."""
        inputs = tuple(self._known(name, names, call) if name else "" for name in node.inputs)
        attributes = {name: self._attribute(each, call, names) for name, each in node.attributes.items()}
        outputs = tuple(results.get(name) or self._free(name) if name else "" for name in node.outputs)
        names.update(zip(node.outputs, outputs, strict=True))
        return dataclasses.replace(
            node,
            name=_placed_name(node, call.caller),
            inputs=inputs,
            outputs=outputs,
            attributes={name: each for name, each in attributes.items() if each is not None},
            metadata=node.metadata or call.caller.metadata,
        )

    def _known(self, name: str, names: Mapping[str, str], call: _Call) -> str:
        """What a value of the body is called outside; "" for an input that the call leaves out."""
        if name not in names:
            raise InvalidModelError(f"{self.source}: function {call.function.name!r} does not compute {name!r}")
        return names[name]

    def _attribute(self, attribute: Attribute, call: _Call, names: dict[str, str]) -> Attribute | None:
        if attribute.ref_attr_name:
            given = call.attributes.get(attribute.ref_attr_name)
            return None if given is None else dataclasses.replace(given, name=attribute.name)
        graphs = graphs_of(attribute)
        if not graphs:
            return attribute
        return _with_graphs(attribute, (self._placed_graph(graph, call, names) for graph in graphs))

    def _placed_graph(self, graph: Graph, call: _Call, names: dict[str, str]) -> Graph:
        """A subgraph of a body: what it defines gets names of its own, what it captures is renamed."""
        names = dict(names)
        defined: list[_Named] = [*graph.inputs, *graph.initializers, *graph.sparse_initializers]
        for each in defined:
            names[_name_of(each)] = self._free(_name_of(each))
        nodes = [self._placed(node, call, names, {}) for node in graph.nodes]
        return dataclasses.replace(
            graph,
            nodes=tuple(nodes),
            inputs=tuple(dataclasses.replace(each, name=names[each.name]) for each in graph.inputs),
            outputs=tuple(
                dataclasses.replace(each, name=self._known(each.name, names, call)) for each in graph.outputs
            ),
            initializers=tuple(dataclasses.replace(each, name=names[each.name]) for each in graph.initializers),
            sparse_initializers=tuple(
                dataclasses.replace(each, values=dataclasses.replace(each.values, name=names[each.values.name]))
                for each in graph.sparse_initializers
            ),
            value_infos=(),
        )

    def _with_subgraphs(self, node: Node, above: frozenset[_Key]) -> Node:
        """A node whose subgraphs call no function."""
        changed = {
            name: _with_graphs(attribute, (self._expanded_graph(graph, above) for graph in graphs))
            for name, attribute in node.attributes.items()
            if (graphs := graphs_of(attribute))
        }
        return dataclasses.replace(node, attributes={**node.attributes, **changed}) if changed else node

    def _expanded_graph(self, graph: Graph, above: frozenset[_Key]) -> Graph:
        nodes = tuple(inner for node in graph.nodes for inner in self.expanded(node, above))
        return dataclasses.replace(graph, nodes=nodes)

    def _free(self, name: str) -> str:
        """A name like this one that no value has yet."""
        free = name
        while free in self.taken:
            self.counts[name] = number = self.counts.get(name, 1) + 1
            free = f"{name}_{number}"
        self.taken.add(free)
        return free


def _names(graph: Graph) -> Iterator[str]:
    """Every name of a value in a graph and in the subgraphs of its nodes."""
    stack = [graph]
    while stack:
        graph = stack.pop()
        for defined in (graph.inputs, graph.outputs, graph.initializers):
            yield from (each.name for each in defined)
        yield from (each.values.name for each in graph.sparse_initializers)
        for node in graph.nodes:
            yield from node.inputs
            yield from node.outputs
            for attribute in node.attributes.values():
                stack.extend(graphs_of(attribute))


def _with_graphs(attribute: Attribute, graphs: Iterable[Graph]) -> Attribute:
    """The attribute with other subgraphs in place of its own."""
    changed = tuple(graphs)
    return dataclasses.replace(attribute, value=changed if isinstance(attribute.value, tuple) else changed[0])


def _name_of(value: _Named) -> str:
    return value.values.name if isinstance(value, SparseTensor) else value.name


def _placed_name(node: Node, caller: Node) -> str:
    """A name that tells the scopes around, where the call's name is made of scopes (``/layer.0/norm/LayerNorm``)."""
    return f"{caller.name}/{node.name.lstrip('/')}" if caller.name.startswith("/") else node.name
