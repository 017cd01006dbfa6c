"""A kernel: what a group of expressions computes, apart from where."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from dataflow_ir import typed

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, graph_input
from codegen_torch.facts import Fact
from codegen_torch.kernels.fusable import LAYERS, affine_of, symbol_of
from codegen_torch.kernels.scalar import GROUPED, RULES
from codegen_torch.kernels.select import Group
from codegen_torch.modules.region import layer_weights

NORMS = frozenset(LAYERS.values())
"""The symbols that take their numbers as operands, after what they normalize and before the weights."""


@dataclass(eq=False, slots=True)
class Kernel:
    """A function of tensors, all of whose results have the same sizes.

    Attributes:
        params: The tensors that it takes.
        numbers: The numbers that it takes after them.
        steps: What it computes, operands first.
        results: The steps whose results it returns.
        whole_rows: Whether an element may depend on all of its row.
        name: What it is called.
        scopes: The modules that call it, in their order.
        outs: What its results are called, where that is not simply that they come out.
    """

    params: list[Expr]
    numbers: list[Expr]
    steps: list[Expr]
    results: list[Expr]
    whole_rows: bool
    name: str = ""
    scopes: list[str] = field(default_factory=list)
    outs: list[str] = field(default_factory=list)

    @property
    def of_groups(self) -> list[Expr]:
        """The norms of groups of channels: one at most."""
        return [step for step in self.steps if step.op in GROUPED]

    @property
    def of_channels(self) -> list[Expr]:
        """The parameters that have an element for each channel."""
        return [each for step in self.of_groups for each in step.inputs[1:] if each and not each.fact.host]

    @property
    def reduces(self) -> bool:
        """Whether a step has one element for each row."""
        return any(RULES[step.op].reduces for step in self.steps)

    def is_narrow(self, value: Expr) -> bool:
        """Whether there is one element of a step or parameter for each row, or fewer."""
        return self.reduces and (
            not value.dims or value.dims[-1] == 1 or (value.op in RULES and RULES[value.op].reduces)
        )

    def is_vector(self, param: Expr) -> bool:
        """Whether a parameter is one element or one dimension, beside results of more: a bias, a scale."""
        return _extent(param) <= 1 < max(map(_extent, self.steps)) and param in self.params

    @property
    def key(self) -> Hashable:
        """The same for kernels that compute the same."""
        places: dict[Expr, Hashable] = {param: ("param", index) for index, param in enumerate(self.params)}
        places |= {number: ("number", index) for index, number in enumerate(self.numbers)}
        places |= {step: index for index, step in enumerate(self.steps)}

        def place(operand: Expr | None) -> Hashable:
            if operand is None or operand in places:
                return operand and places[operand]
            return ("literal", typed(operand.attrs["value"]))

        steps = [(step.op, step.dtype, step.attrs.key, *map(place, step.inputs)) for step in self.steps]
        params = tuple((param.dtype, self.is_narrow(param), self.is_vector(param)) for param in self.params)
        return params, tuple(steps), tuple(map(place, self.results))


def _extent(value: Expr) -> int:
    """How many dimensions there are that are not of size 1."""
    return sum(size != 1 for size in value.dims or ())


@dataclass(frozen=True, slots=True)
class Use:
    """A group as a call of a kernel.

    Attributes:
        group: What the call stands for.
        kernel: The kernel.
        tensors: The values of its parameters; a pair of a layer and a role is the layer's tensor.
        numbers: The numbers that it is given.
    """

    group: Group
    kernel: Kernel
    tensors: list[Expr | tuple[Expr, str]]
    numbers: list[int | float]


class _Builder:
    """Copies a group's expressions, with parameters in the place of what comes from outside."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.copies: dict[Expr, Expr] = {}
        self.data: dict[Expr, Expr] = {}
        self.weights: list[tuple[Expr, Expr | tuple[Expr, str]]] = []
        self.numbers: list[tuple[Expr, int | float]] = []

    def operand(self, value: Expr) -> Expr:
        """The copy of a member or literal, or the parameter for a value from outside."""
        if value.op == "literal":
            return value
        if value in self.copies:
            return self.copies[value]
        if value not in self.data:
            self.data[value] = _parameter(value.fact, len(self.data))
        return self.data[value]

    def step(self, member: Expr) -> Expr:
        """The copy of a member."""
        symbol = symbol_of(member)
        if symbol in NORMS:
            return self._norm(symbol, member)
        attrs: dict[str, Any] = dict(member.attrs)
        if "dim" in attrs:
            attrs["dim"] = -1  # of all dimensions it can only be the last
        return Expr(symbol, tuple(map(self.operand, member.inputs)), attrs, {}, member.fact)

    def _norm(self, symbol: str, member: Expr) -> Expr:
        numbers = [graph_input("eps", Fact(member.inputs[0].fact.dtype, (), host=True))]
        self.numbers.append((numbers[0], member.attrs.get("eps", 1e-5)))
        if symbol == "F.group_norm":
            numbers.insert(0, graph_input("groups", Fact(DType.INT64, (), host=True)))
            self.numbers.insert(-1, (numbers[0], member.attrs["num_groups"]))
        x = self.operand(member.inputs[0])
        affine: list[Expr] = []
        if member.op in LAYERS:
            for role, weight in layer_weights(member).items():
                affine.append(_parameter(weight.fact, 0))
                self.weights.append((affine[-1], (member, role)))
        elif symbol in GROUPED:  # what an element takes of them is another one than of the same tensor elsewhere
            for weight in affine_of(member):
                affine.append(_parameter(weight.fact, 0))
                self.weights.append((affine[-1], weight))
        else:
            affine = [self.operand(weight) for weight in affine_of(member)]
        return Expr(symbol, (x, *numbers, *affine), {}, {}, member.fact)


def _parameter(fact: Fact, index: int) -> Expr:
    return graph_input(f"x{index}", Fact(fact.dtype, fact.dims))


def use_of(group: Group) -> Use:
    """What a group computes as a kernel, and what this is given where the group stands."""
    builder = _Builder(group)
    for member in group.members:
        builder.copies[member] = builder.step(member)
    results = [builder.copies[result] for result in group.results]
    sources: dict[Expr, Expr | tuple[Expr, str]] = {param: value for value, param in builder.data.items()}
    sources.update(builder.weights)
    params = [value for value in _as_read(results) if value in sources]
    numbers = [number for number, _ in builder.numbers]
    kernel = Kernel(params, numbers, list(builder.copies.values()), results, group.whole_rows)
    return Use(group, kernel, [sources[param] for param in params], [number for _, number in builder.numbers])


def _as_read(results: list[Expr]) -> list[Expr]:
    """All expressions in the order in which one meets them in the results' source."""
    found: dict[Expr, None] = {}
    stack = results[::-1]
    while stack:
        value = stack.pop()
        if value not in found:
            found[value] = None
            stack.extend(operand for operand in reversed(value.inputs) if operand is not None)
    return list(found)
