"""Free a size of a model's inputs that its file fixes.

The result computes for any number of samples, of each sample what the file computes for it: that is proved node by
node, for each value by how it depends on the samples (:mod:`codegen_torch.dynamic.states`). Sizes that were baked into
the operands of a Reshape, an Expand or a Slice are left open, and what is the same for all samples is repeated where an
operator needs it as often as there are samples. A node about which nothing can be proved is named.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from onnx_proto import Graph, Model, Node, TensorType, ValueInfo
from onnx_proto.build import node as make_node
from onnx_proto.build import tensor

from codegen_torch.clean import clean
from codegen_torch.clean.graphs import onnx_opset, value_names
from codegen_torch.clean.subgraphs import reads, subgraphs
from codegen_torch.dynamic.rules import rule_of
from codegen_torch.dynamic.spread import note
from codegen_torch.dynamic.states import Batched, Resists, Sized, State
from codegen_torch.dynamic.step import Step, Surroundings
from codegen_torch.errors import ConversionError, Obstacle, UnsupportedError
from codegen_torch.facts import Fact
from codegen_torch.lower.graph import lower

_SPEC = re.compile(r"(?:(?P<input>.+):(?P<axis>\d+)=)?(?P<name>[A-Za-z_]\w*)")
_RANDOM = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial"}
)


class DynamicError(ConversionError):
    """There is no such dimension to free."""


@dataclass(frozen=True, slots=True)
class FreeSize:
    """A size that shall be free.

    Attributes:
        name: What to call it.
        places: Which axis of which input has it; none for the first axis of all inputs.
    """

    name: str
    places: tuple[tuple[str, int], ...] = ()


def parse(texts: Iterable[str]) -> list[FreeSize]:
    """Sizes from ``"batch"``, the first axis of all inputs, or ``"image:0=batch"``, once for each input that has it.

    Raises:
        DynamicError: A text is neither.
    """
    places: dict[str, list[tuple[str, int]]] = {}
    for text in texts:
        found = _SPEC.fullmatch(text)
        if found is None:
            raise DynamicError(f"{text!r} names no size: write NAME or INPUT:AXIS=NAME")
        of_name = places.setdefault(found["name"], [])
        if found["input"] is not None:
            of_name.append((found["input"], int(found["axis"])))
    return [FreeSize(name, tuple(found)) for name, found in places.items()]


def free(model: Model, size: FreeSize, source: str) -> Model:
    """Free a size of a model.

    Args:
        model: A model without functions of its own.
        size: The size.
        source: How errors call the model.

    Raises:
        DynamicError: The inputs have no such size that is fixed.
        UnsupportedError: Nodes resist; all of them are named.
    """
    model = clean(dataclasses.replace(model, graph=dataclasses.replace(model.graph, value_infos=())))
    places, samples = _places(model.graph, size)
    lowered = lower(model, source)
    facts = {name: value.fact for name, value in lowered.values.items() if value is not None}
    version = onnx_opset(model)
    name, axis = next(iter(places.items()))
    prefix = _free_prefix(model.graph, size.name)
    around = Surroundings(
        {name: fact for name, fact in facts.items() if isinstance(fact, Fact)},
        {each.name: each for each in model.graph.initializers},
        {name: Batched(axis) for name, axis in places.items()},
        samples,
        f"{prefix}size",
        prefix,
    )
    nodes, obstacles = _freed(model.graph, around, version)
    for value in model.graph.outputs:
        if isinstance(around.states.get(value.name), Sized):
            obstacles.append(Obstacle("graph output", version, value.name, "it is computed from the size of the batch"))
    if obstacles:
        raise UnsupportedError(source, obstacles)
    head = [
        make_node("Shape", [name], [f"{prefix}shape"]),
        make_node("Gather", [f"{prefix}shape", f"{prefix}axis"], [around.size_name], axis=0),
    ]
    tensors = [tensor(f"{prefix}axis", np.array([axis], np.int64)), *around.tensors.values()]
    graph = dataclasses.replace(
        model.graph,
        nodes=(*head, *nodes),
        inputs=tuple(_renamed(value, places.get(value.name), size.name) for value in model.graph.inputs),
        outputs=tuple(_retyped(value, around.states.get(value.name), size.name) for value in model.graph.outputs),
        initializers=(*model.graph.initializers, *tensors),
    )
    return clean(dataclasses.replace(model, graph=graph))


def _places(graph: Graph, size: FreeSize) -> tuple[dict[str, int], int]:
    """Which axis of which input has the size, and how large the file says it is."""
    stored = {each.name for each in graph.initializers}
    shapes = {
        value.name: value.type.shape
        for value in graph.inputs
        if value.name not in stored and isinstance(value.type, TensorType) and value.type.shape
    }
    if any(dim == size.name for shape in shapes.values() for dim in shape):
        raise DynamicError(f"the inputs have a size called {size.name!r} already")
    places = dict(size.places)
    for name, axis in places.items():
        if name not in shapes or axis >= len(shapes[name]):
            raise DynamicError(f"{name!r} is no input with an axis {axis}; inputs are {', '.join(map(repr, shapes))}")
    if not places:
        fixed = {name: shape[0] for name, shape in shapes.items() if isinstance(shape[0], int)}
        first = next(iter(fixed.values()), None)
        places = {name: 0 for name, dim in fixed.items() if dim == first}
    sizes = {shapes[name][axis] for name, axis in places.items()}
    if len(sizes) != 1:
        raise DynamicError(
            f"the axes of {size.name!r} differ in size: {', '.join(map(str, sizes))}" if sizes else "no size is fixed"
        )
    (samples,) = sizes
    if not isinstance(samples, int) or samples < 1:
        raise DynamicError(f"the size that {size.name!r} shall be is not fixed; it is {samples!r}")
    return places, samples


def _freed(graph: Graph, around: Surroundings, version: int) -> tuple[list[Node], list[Obstacle]]:
    """The nodes of the freed graph, and those that resist."""
    nodes: list[Node] = []
    obstacles: list[Obstacle] = []
    blocked: set[str] = set()
    for node in graph.nodes:
        read = reads(node)
        if not blocked.isdisjoint(read):
            blocked.update(node.outputs)
            continue
        try:
            states, changed = _applied(node, read, around, version)
        except Resists as reason:
            obstacles.append(_obstacle(node, version, str(reason)))
            blocked.update(node.outputs)
            continue
        nodes.extend(dataclasses.replace(added, metadata=node.metadata) for added in around.added)
        around.added.clear()
        nodes.append(changed)
        around.states.update(zip(node.outputs, states, strict=False))
    return nodes, obstacles


def _applied(node: Node, read: Iterable[str], around: Surroundings, version: int) -> tuple[tuple[State, ...], Node]:
    if all(around.states.get(name) is None for name in read):
        if node.op_type in _RANDOM:
            raise Resists("it draws as many numbers as the file says")
        note(node, around)
        return (None,) * len(node.outputs), node
    rule = None if node.domain or subgraphs(node) else rule_of(node.op_type, version)
    if rule is None:
        raise Resists("nothing is known of how it treats the samples of a batch")
    step = Step(node, around)
    result = rule(step)
    states = result if isinstance(result, tuple) else (result,) * len(node.outputs)
    inputs = tuple(step.inputs)
    return states, dataclasses.replace(step.node, inputs=inputs)


def _obstacle(node: Node, version: int, reason: str) -> Obstacle:
    op = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    name = node.name or ", ".join(node.outputs)
    return Obstacle(op, version, name, reason, "without --dynamic the size stays as the file fixes it")


def _renamed(value: ValueInfo, axis: int | None, name: str) -> ValueInfo:
    if axis is None or not isinstance(value.type, TensorType) or value.type.shape is None:
        return value
    shape = (*value.type.shape[:axis], name, *value.type.shape[axis + 1 :])
    return dataclasses.replace(value, type=dataclasses.replace(value.type, shape=shape))


def _retyped(value: ValueInfo, state: State, name: str) -> ValueInfo:
    if not isinstance(state, Batched):
        return value
    renamed = _renamed(value, state.axis, name)
    if state.is_plain or not isinstance(renamed.type, TensorType):
        return renamed
    return dataclasses.replace(value, type=dataclasses.replace(renamed.type, shape=None))


def _free_prefix(graph: Graph, name: str) -> str:
    taken = value_names(graph)
    prefix = f"{name}."
    while any(each.startswith(prefix) for each in taken):
        prefix = f"_{prefix}"
    return prefix
