"""The statements of a region: names of values, and the source of what is written inside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.emit.expression import render
from codegen_torch.emit.layout import Bracket, Doc
from codegen_torch.emit.literals import number_source
from codegen_torch.emit.naming import attention_roles, hint, is_generic
from codegen_torch.emit.plan import Detour, Loop, Plan, Statement, member_text, operands_of
from codegen_torch.emit.source import Source
from codegen_torch.emit.variables import Variables
from codegen_torch.expr import Expr
from codegen_torch.facts import Container
from codegen_torch.modules.definition import ClassDef
from codegen_torch.modules.region import Region, is_layer
from codegen_torch.modules.sizes import Sizes
from codegen_torch.names import Identifier


@dataclass(frozen=True, slots=True)
class Written:
    """An expression in the source of a class, and the ONNX values that it computes.

    Attributes:
        text: The expression on one line.
        values: The instances of the class in which it computes one, each with the value's name.
        conditional: Whether it is in a branch.
    """

    text: str
    values: tuple[tuple[Region, str], ...]
    conditional: bool = False


@dataclass(slots=True)
class Line:
    """A line of source, the ONNX nodes it stands for, and the values computed in the statement that begins on it."""

    text: str
    nodes: tuple[int, ...] = ()
    values: tuple[Written, ...] = ()


@dataclass(slots=True)
class Method:
    """What is one for everything in a method, its blocks included.

    Attributes:
        definition: The class; its printed region is written.
        sizes: Where every region finds its symbolic sizes.
        model_dtype: The float type that follows the model when it is cast.
        size_names: How symbols are called, the same in all classes.
        weight_path: A path to a float parameter below the region, for its dtype.
        reserved: Names that no variable takes.
        instances: The units of every instance of the class, those in blocks included; None for what it lacks.
        positions: Where units stand in the first instance.
        tensors: The names of the method's parameters that are tensors. Nothing else gets such a name.
        needs_dtype: Whether something asked for the parameter's dtype.
    """

    definition: ClassDef
    sizes: Mapping[Region, Sizes]
    model_dtype: DType | None
    size_names: Mapping[str, str]
    weight_path: str | None
    reserved: list[str]
    instances: list[list[Expr | Region | None]] = field(init=False)
    positions: Mapping[Expr | Region, int] = field(init=False)
    tensors: dict[str, None] = field(default_factory=dict)
    needs_dtype: bool = False

    def __post_init__(self) -> None:
        self.instances = [self.definition.aligned(region) for region in self.definition.regions]
        self.positions = {unit: position for position, unit in enumerate(self.definition.printed.all_units)}

    def nodes(self, units: Iterable[Expr | Region | Loop | Detour]) -> tuple[int, ...]:
        """The ONNX nodes that a line stands for, in every instance of the class."""
        positions = [self.positions[unit] for unit in units if isinstance(unit, Expr) and unit in self.positions]
        same = [instance[position] for position in positions for instance in self.instances]
        return tuple(dict.fromkeys(node for unit in same if isinstance(unit, Expr) for node in unit.origin.nodes))

    def written(self, sources: Mapping[Expr, Source], *, conditional: bool) -> tuple[Written, ...]:
        """The expressions that compute tensors of the ONNX graph; what layers compute is not the source's doing."""
        found: list[Written] = []
        for unit, source in sources.items():
            if unit not in self.positions or is_layer(unit) or isinstance(unit.fact, tuple) or not unit.fact.is_tensor:
                continue
            same = [instance[self.positions[unit]] for instance in self.instances]
            values = [
                (region, expr.origin.value)
                for region, expr in zip(self.definition.regions, same, strict=True)
                if isinstance(expr, Expr) and expr.origin.value
            ]
            if values:
                found.append(Written(source.text, tuple(values), conditional))
        return tuple(found)


class BodyWriter:
    """What is known while the statements of a region are written; the surroundings of its expressions.

    Attributes:
        method: What is around.
        region: The region.
        plan: Its statements.
        names: The variables of values.
        given: The source of values from outside that are no variables.
        variables: The variables that are still needed, or not yet overwritten, and what they hold.
        freed: The variables that the current statement is the last to need.
    """

    plan: Plan

    def __init__(self, method: Method, region: Region) -> None:
        self.method = method
        self.region = region
        self.members = self._members_of_values()
        self.names: dict[Expr, str] = {}
        self.given: dict[Expr, Source] = {}
        self.variables = Variables(method.reserved)
        self.freed: set[str] = set()
        self.roles = attention_roles([unit for unit in self.region.units if isinstance(unit, Expr)])
        self.hints = self._hints()

    # Surroundings of expressions.

    def number(self, expr: Expr, site: tuple[Any, ...], value: int | float) -> str:
        """A number, or the constructor's argument that stands for it."""
        hole = self.method.definition.holes.get((self.method.positions[expr], *site))
        return f"self.{hole}" if hole else number_source(value)

    def size(self, name: str) -> str:
        """A symbolic size's variable."""
        return self.method.size_names[name]

    def dtype(self, dtype: DType) -> str:
        """A dtype; the model's float type is read off a tensor at hand, or off a parameter."""
        if dtype is not self.method.model_dtype:
            return str(dtype)
        held = [
            (name, value)
            for name, value in self.variables.held.items()
            if not isinstance(value.fact, tuple) and value.fact.is_tensor and value.dtype is dtype
        ]
        computed = next((name for name, value in held if value.op != "input"), None)
        if computed is not None:
            return f"{computed}.dtype"
        if self.method.weight_path is None:
            return f"{held[0][0]}.dtype" if held else str(dtype)
        self.method.needs_dtype = True
        return "dtype"

    def device(self) -> str:
        """The device of a tensor at hand."""
        for name, value in self.variables.held.items():
            if not isinstance(value.fact, tuple) and value.fact.is_tensor:
                return f"{name}.device"
        if self.method.weight_path:
            return f"{self.method.weight_path}.device"
        return next((f"{name}.device" for name in self.method.tensors), '"cpu"')

    def member(self, expr: Expr) -> str:
        """A layer or tensor of this module."""
        return member_text(self.region.members[expr])

    # Names.

    def _members_of_values(self) -> dict[Expr, str]:
        members: dict[Expr, str] = {}
        for unit in self.region.units:
            path = self.region.members.get(unit)
            values = unit.results if isinstance(unit, Region) else [unit]
            if path is not None and len(values) == 1:  # one of several results is named for what it is
                members[values[0]] = path
        return members

    def _hints(self) -> dict[Expr, str | None]:
        """What the values computed here would be called."""
        values = [v for unit in self.region.units for v in (unit.results if isinstance(unit, Region) else [unit])]
        return {value: self.roles.get(value) or hint(value, self.members.get) for value in values}

    def bind(self, value: Expr, name: str) -> None:
        """Let a variable hold a value."""
        self.names[value] = Identifier(name)
        self.variables.bind(name, value)

    def last_uses(self) -> dict[Expr, float]:
        """The positions of the last statements that need the values."""
        last: dict[Expr, float] = {}
        for index, statement in enumerate(self.plan.statements):
            for value in statement.uses:
                last[value] = index
        end = len(self.plan.statements)
        for value in self.plan.uses:
            last[value] = end
        return last

    def release(self, index: int) -> None:
        """Forget names whose values nothing needs after this statement; they may be taken again."""
        self.freed = self.variables.release(index)

    def targets(self, statement: Statement) -> str:
        """Give names to what a statement computes; what it assigns to."""

        def name(target: Any) -> str:
            if target is None:
                return "_"
            if isinstance(target, tuple):
                return ", ".join(f"({name(t)})" if isinstance(t, tuple) else name(t) for t in target)
            self.bind(target, self.name_of(target, statement))
            return self.names[target]

        return name(statement.targets)

    def name_of(self, target: Expr, statement: Statement) -> str:
        """A name for a value: that of one that is needed no more where both are of the main stream."""
        wanted = self.hints.get(target)
        is_tensor = not isinstance(target.fact, tuple) and target.fact.is_tensor
        others: Collection[str] = () if is_tensor else self.method.tensors
        if wanted is None or wanted == "index":
            for value in statement.uses:
                name = self.names.get(value)
                if name is None or name not in self.freed or name in self.variables or name in others:
                    continue
                if alike(value, target) and (is_generic(name) or (value.op != "input" and wanted == "index")):
                    return name
        return self.variables.unique(wanted, others)

    # Source.

    def sources(self, inlined: list[Expr]) -> dict[Expr, Source]:
        """The source of inlined values, operands first."""
        sources: dict[Expr, Source] = {}
        for value in reversed(inlined):
            if value not in sources:
                sources[value] = self.unit_source(self.plan.producers[value], sources)
        return sources

    def unit_source(self, unit: Expr | Region, sources: Mapping[Expr, Source]) -> Source:
        """The source of an expression or of a child's call."""
        operands = {value: self.operand(value, sources) for value in operands_of(unit)}
        if isinstance(unit, Region):
            return self.call(member_text(self.region.members[unit]), unit, [operands[v].doc for v in unit.params])
        if unit.op in ("weight", "constant"):
            return Source(self.member(unit))
        return render(unit, operands, self)

    def operand(self, value: Expr, sources: Mapping[Expr, Source]) -> Source:
        """The source of a value in a statement: a variable, or what is written in its place."""
        if value in self.names and value not in sources:
            return Source(self.names[value])
        if value in self.given:
            return self.given[value]
        if value.op in ("weight", "constant"):
            return Source(self.member(value))
        if value.op == "literal":
            return literal_source(value, self)
        return sources.get(value, Source("…"))

    def call(self, callee: str, region: Region, arguments: list[Doc]) -> Source:
        """The call of a child."""
        sizes = [self.method.size_names[name] for name in self.method.sizes[region].arguments]
        return Source(Bracket(f"{callee}(", (*arguments, *sizes), ")"))


def literal_source(value: Expr, around: BodyWriter) -> Source:
    """The source of a number, a size or None that stands for itself."""
    number = value.attrs["value"]
    if isinstance(number, Dim):
        return Source(number.text(around.size))
    return Source(repr(number) if number is None or isinstance(number, bool) else number_source(number))


def alike(left: Expr, right: Expr) -> bool:
    """Whether two values may share a name: tensors of one kind, or containers of one kind."""
    if isinstance(left.fact, tuple) or isinstance(right.fact, tuple):
        return False
    if left.fact.host or right.fact.host:
        return isinstance(left.fact, Container) and left.fact.annotation == right.fact.annotation
    kinds = [(value.dtype.is_float, value.dtype is DType.STRING) for value in (left, right)]
    return kinds[0] == kinds[1]


def flat(targets: Any) -> list[Any]:
    """The values of a nest of tuples, in order."""
    return [item for target in targets for item in flat(target)] if isinstance(targets, tuple) else [targets]
