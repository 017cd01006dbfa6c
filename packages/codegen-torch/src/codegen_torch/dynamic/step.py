"""A node on its way into a model with a free batch: what its operands are, and what becomes of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx_proto import Node, Tensor
from onnx_proto.build import node as make_node
from onnx_proto.build import tensor

from codegen_torch.dynamic.states import Batched, Resists, State
from codegen_torch.facts import Fact, Size
from codegen_torch.lower.attributes import attribute_values

_LOOKED_AT = 1 << 24
"""Bytes of the largest tensors whose parts are compared."""


@dataclass(slots=True)
class Surroundings:
    """What the nodes of a model have in common.

    Attributes:
        facts: What is known of every value while the batch has its fixed size.
        stored: The file's tensors.
        states: How the values depend on the samples.
        samples: The fixed size.
        size_name: The value that holds the size when the model runs, ``[samples]``.
        prefix: What names of new values begin with.
        spread: The axes along which a value that is the same for all samples only repeats itself.
        added: The nodes that were made, waiting to be placed before the one that needs them.
        tensors: The tensors that were made.
    """

    facts: Mapping[str, Fact]
    stored: Mapping[str, Tensor]
    states: dict[str, State]
    samples: int
    size_name: str
    prefix: str
    spread: dict[str, set[int]] = field(default_factory=dict)
    added: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0

    def repeats(self, name: str) -> set[int]:
        """The axes along which a value that is the same for all samples has equal parts, as far as is known."""
        fact = self.facts.get(name)
        if fact is None or fact.dims is None:
            return set()
        if fact.fill is not None:
            return set(range(len(fact.dims)))
        value = fact.value
        if value is None and name in self.stored and self.stored[name].nbytes <= _LOOKED_AT:
            value = self.stored[name].numpy()
        same = {axis for axis, size in enumerate(fact.dims) if size == 1} | self.spread.get(name, set())
        if value is None or value.dtype == object:
            return same
        return same | {axis for axis in range(value.ndim) if (value == value.take([0], axis)).all()}

    def fresh(self) -> str:
        """A name that no value has."""
        self.count += 1
        return f"{self.prefix}{self.count}"

    def integers(self, *values: int) -> str:
        """A tensor of integers."""
        name = f"{self.prefix}of_{'_'.join(map(str, values)).replace('-', 'minus')}"
        if name not in self.tensors:
            self.tensors[name] = tensor(name, np.array(values, np.int64))
        return name

    def tensor(self, values: np.ndarray[Any, Any]) -> str:
        """A tensor of any numbers."""
        name = self.fresh()
        self.tensors[name] = tensor(name, values)
        return name

    def add(self, op: str, *inputs: str, **attributes: Any) -> str:
        """A node of one result."""
        output = self.fresh()
        self.added.append(make_node(op, list(inputs), [output], attributes=attributes))
        return output


class Step:
    """A node and its surroundings, as a rule sees them; rules may give it other inputs."""

    def __init__(self, node: Node, around: Surroundings) -> None:
        self.node = node
        self.around = around
        self.inputs = list(node.inputs)
        self.attributes = attribute_values(node)

    @property
    def samples(self) -> int:
        """How many samples the file fixes."""
        return self.around.samples

    def state(self, index: int) -> State:
        """How an input depends on the samples."""
        return self.around.states.get(self.name(index))

    def batched(self, index: int = 0) -> Batched:
        """The state of an input that must be batched."""
        state = self.state(index)
        if not isinstance(state, Batched):
            raise Resists("it computes with the size of the batch, or with samples in an unusual place")
        return state

    def only(self, index: int = 0) -> Batched:
        """The state of an input that must be batched while no other is."""
        for other in range(len(self.node.inputs)):
            if other != index and self.state(other) is not None:
                raise Resists("an operand that should be the same for all samples is not")
        return self.batched(index)

    def name(self, index: int) -> str:
        """The name of an input, "" where there is none."""
        return self.node.inputs[index] if index < len(self.node.inputs) else ""

    def dims(self, index: int = 0) -> tuple[Size, ...]:
        """The sizes of an input while the batch has its fixed size."""
        return self._dims(self.name(index))

    def out_dims(self, index: int = 0) -> tuple[Size, ...]:
        """The sizes of an output while the batch has its fixed size."""
        return self._dims(self.node.outputs[index])

    def _dims(self, name: str) -> tuple[Size, ...]:
        fact = self.around.facts.get(name)
        if fact is None or fact.dims is None:
            raise Resists(f"the shape of {name!r} is not known")
        return fact.dims

    def entries(self, index: int) -> list[Any]:
        """The integers of an input that holds sizes, axes or bounds: numbers, or sizes of other dimensions."""
        fact = self.around.facts.get(self.name(index))
        if fact is None or fact.value is None:
            raise Resists(f"{self.name(index)!r} is not known before the model runs")
        return list(fact.value.reshape(-1).tolist() if fact.value.dtype != object else fact.value.reshape(-1))

    def constant(self, index: int) -> np.ndarray[Any, Any]:
        """The numbers of an input that are known."""
        fact = self.around.facts.get(self.name(index))
        if fact is None or fact.value is None or fact.value.dtype == object:
            raise Resists(f"{self.name(index)!r} is not known before the model runs")
        return fact.value

    def become(self, op: str, *inputs: str, **attributes: Any) -> None:
        """Let another operator compute the node's result."""
        made = make_node(op, list(inputs), list(self.node.outputs), attributes=attributes)
        self.node = dataclasses.replace(self.node, op_type=op, attributes=made.attributes)
        self.inputs = list(inputs)

    def axes(self, attribute: str = "axes", index: int = 1) -> list[int] | None:
        """Axes that are an attribute in old opsets and an input in new ones; None where there are none."""
        if attribute in self.attributes:
            found = self.attributes[attribute]
            return [found] if isinstance(found, int) else list(found)
        return [int(axis) for axis in self.entries(index)] if self.name(index) else None

    def repeated(self, index: int, axis: int) -> str:
        """An input that is the same for all samples, with one copy for each sample along an axis.

        Raises:
            Resists: The input has parts along the axis that differ.
        """
        name, dims = self.name(index), self.dims(index)
        if dims[axis] != self.samples or axis not in self.around.repeats(name):
            raise Resists(f"{name!r} has another value for every sample")
        if dims[axis] != 1:
            name = self.around.add("Gather", name, self.around.integers(0), axis=axis)
        pieces = [self.around.integers(1)] * len(dims)
        pieces[axis] = self.around.size_name
        return self.around.add("Expand", name, self.around.add("Concat", *pieces, axis=0))
