"""Regions: the parts of a graph that become modules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dataflow_ir import Lambda, topo

from codegen_torch.expr import Expr
from codegen_torch.symbols import SYMBOLS
from codegen_torch.symbols.base import Kind
from codegen_torch.symbols.rnn import STATES
from codegen_torch.tensors import TensorRef

LEAVES = frozenset({"input", "literal", "weight", "constant"})


@dataclass(eq=False, slots=True)
class Region:
    """A part of the graph that is one call of a module: a function with parameters and results.

    Attributes:
        path: Where the module is in the model, ``"encoder.layer.0"``; empty for the model itself.
        cls: The name of the module's class, where the file tells.
        parent: The region around this one.
        units: What happens inside, in statement order: expressions, and regions for the calls of children.
        params: The values from outside that are used inside, in order of first use until classes are assigned.
        results: The values that are used outside, in statement order.
        members: Where the module keeps its layers, children and tensors, as paths relative to itself.
        sequential: Whether this is a chain that ``nn.Sequential`` runs.
    """

    path: str
    cls: str | None = None
    parent: Region | None = None
    units: list[Expr | Region] = field(default_factory=list)
    params: list[Expr] = field(default_factory=list)
    results: list[Expr] = field(default_factory=list)
    members: dict[Expr | Region, str] = field(default_factory=dict)
    sequential: bool = False

    @property
    def children(self) -> list[Region]:
        """The regions directly inside, in statement order."""
        return [unit for unit in self.units if isinstance(unit, Region)]

    @property
    def all_units(self) -> list[Expr | Region]:
        """The units with those in their blocks, which come after the expression they belong to.

        A layer with whose tensors a kernel computes is none, but comes before the first of them.
        """
        found: list[Expr | Region] = []
        held: set[Expr] = set()
        stack = self.units[::-1]
        while stack:
            unit = stack.pop()
            if isinstance(unit, Expr) and unit.op == "layer.tensor" and unit.inputs[0] not in held:
                held.add(unit.inputs[0])
                found.append(unit.inputs[0])
            found.append(unit)
            if isinstance(unit, Expr):
                stack.extend(inner for block in reversed(blocks(unit)) for inner in reversed(block.units))
        return found

    @property
    def is_operation(self) -> bool:
        """Whether this is a single operation without weights, an activation or a pooling; no call of a kernel is."""
        if len(self.units) != 1 or self.members or self.children:
            return False
        return not any(isinstance(unit, Expr) and unit.op == "kernels.call" for unit in self.units)

    def walk(self) -> Iterator[Region]:
        """This region and all inside, children before parents."""
        stack: list[tuple[Region, bool]] = [(self, False)]
        while stack:
            region, seen = stack.pop()
            if seen:
                yield region
                continue
            stack.append((region, True))
            stack.extend((child, False) for child in reversed(region.children))

    def __repr__(self) -> str:
        return f"Region({self.path or 'root'}: {len(self.units)} units)"


def blocks(expr: Expr) -> tuple[Region, ...]:
    """The blocks of a control expression as regions, always the same ones; of any other none.

    Their parameters are what they capture and then what they are given. Their layers are members of the module.
    """
    codes = [code for code in expr.attrs.values() if isinstance(code, Lambda)]
    if not codes:
        return ()
    if "blocks" not in expr.meta:
        expr.meta["blocks"] = tuple(map(_block, codes))
    return expr.meta["blocks"]  # type: ignore[no-any-return]


def _block(code: Lambda) -> Region:
    results: list[Expr] = list(code.body)
    order: list[Any] = topo(results, key=lambda expr: expr.origin.order)
    units = [expr for expr in order if expr.op not in LEAVES]
    return Region("", units=units, params=[*code.captured, *code.params], results=results)  # type: ignore[list-item]


def is_layer(expr: Expr) -> bool:
    """Whether this is the call of a ``torch.nn`` module with weights of its own."""
    return bool(expr.op.startswith("nn."))


def has_layers(expr: Expr) -> bool:
    """Whether this is a layer, or has one in its blocks."""
    inside = Region("", units=[expr]).all_units if blocks(expr) else [expr]
    return any(isinstance(unit, Expr) and is_layer(unit) for unit in inside)


def layer_weights(expr: Expr) -> dict[str, Expr]:
    """The weights of a layer by their role, which is their name in the layer's ``state_dict``."""
    if expr.op in STATES:
        return _recurrent_weights(expr)
    symbol = SYMBOLS[expr.op]
    names = [parameter.name for parameter in symbol.parameters if parameter.kind is not Kind.ATTRIBUTE][1:]
    return {name: value for name, value in zip(names, expr.inputs[1:], strict=False) if value is not None}


def _recurrent_weights(expr: Expr) -> dict[str, Expr]:
    kinds = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if expr.attrs.get("bias", True) else [])
    directions = ("", "_reverse") if expr.attrs.get("bidirectional", False) else ("",)
    suffixes = [f"_l{layer}{way}" for layer in range(expr.attrs.get("num_layers", 1)) for way in directions]
    names = [f"{kind}{suffix}" for suffix in suffixes for kind in kinds]
    return dict(zip(names, expr.inputs[len(data_operands(expr)) :], strict=True))


def data_operands(expr: Expr) -> tuple[Expr, ...]:
    """The operands that flow through: all but a layer's own weights, None left out."""
    if expr.op in STATES:
        return tuple(expr.inputs[: 1 + (STATES[expr.op] if expr.attrs.get("state", False) else 0)])
    return tuple(value for value in (expr.inputs[:1] if is_layer(expr) else expr.inputs) if value is not None)


def tensor_of(expr: Expr) -> TensorRef:
    """The tensor behind a weight or constant."""
    return expr.attrs["ref"]  # type: ignore[no-any-return]
