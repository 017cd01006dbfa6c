"""The ``forward`` method of a region."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.emit.expression import render
from codegen_torch.emit.layout import Bracket, Doc, lay_out
from codegen_torch.emit.literals import number_source
from codegen_torch.emit.naming import attention_roles, hint, is_generic, unique
from codegen_torch.emit.plan import Loop, Plan, Statement, make_plan, member_text, operands_of
from codegen_torch.emit.source import Source
from codegen_torch.expr import Expr
from codegen_torch.modules.classes import ClassDef
from codegen_torch.modules.region import Region, is_layer
from codegen_torch.modules.sizes import Sizes
from codegen_torch.names import Identifier

_PASSED_ON = frozenset({"cos", "sin", "mask"})
"""Names that a float parameter takes over from the caller."""


@dataclass(slots=True)
class Line:
    """A line of source and the ONNX nodes it stands for."""

    text: str
    nodes: tuple[int, ...] = ()


@dataclass(slots=True)
class Forward:
    """The ``forward`` method.

    Attributes:
        parameters: Its parameters as they are declared, without self.
        result: The annotation of its result.
        lines: Its body.
    """

    parameters: list[str]
    result: str
    lines: list[Line] = field(default_factory=list)


class ForwardWriter:
    """Writes the body of one region: first plans statements, then chooses names, then prints.

    Args:
        definition: The class; its printed region is written.
        sizes: Where every region finds its symbolic sizes.
        model_dtype: The float type that follows the model when it is cast.
        size_names: How symbols are called, the same in all classes.
        weight_path: A path to a float parameter below the region, for its dtype.
        functions: The module's functions, whose names no variable takes.
    """

    def __init__(
        self,
        definition: ClassDef,
        sizes: Mapping[Region, Sizes],
        model_dtype: DType | None,
        size_names: Mapping[str, str],
        weight_path: str | None,
        functions: Iterable[str] = (),
    ) -> None:
        self.definition = definition
        self.region = definition.printed
        self.sizes = sizes
        self.model_dtype = model_dtype
        self.size_names = size_names
        self.weight_path = weight_path
        self.functions = tuple(functions)
        self.positions = {unit: position for position, unit in enumerate(self.region.units)}
        self.members = self._members_of_values()
        self.names: dict[Expr, str] = {}
        self.live: dict[str, Expr] = {}
        self.freed: dict[str, Expr] = {}
        self.roles = attention_roles([unit for unit in self.region.units if isinstance(unit, Expr)])
        self.hints = self._hints()
        self.needs_dtype = False
        self.plan: Plan = make_plan(self.region, sizes[self.region], self.hints)

    def write(self) -> Forward:
        """The method."""
        own = self.sizes[self.region]
        reserved = ["dtype", *self.functions, *(self.size_names[name] for name in (*own.sources, *own.arguments))]
        self._name_parameters(reserved)
        parameters = [self._declared(param) for param in self.region.params]
        parameters += [f"{self.size_names[name]}: int" for name in own.arguments]
        forward = Forward(parameters, self._result_type())
        pending = dict(own.sources)
        forward.lines.extend(self._bind_sizes(pending, self.region.params))
        last_uses = self._last_uses()
        for index, statement in enumerate(self.plan.statements):
            unit, sources = statement.unit, self._sources(statement.inlined)
            if isinstance(unit, Loop):
                arguments = [self._operand(value, sources).doc for value in unit.calls[0].params]
                self._release(index, last_uses)
                target = self._targets(statement, reserved)
                texts = self._loop(unit, target, arguments)
            else:
                source = self._unit_source(unit, sources)
                self._release(index, last_uses)
                texts = lay_out(source.doc, 2, f"{self._targets(statement, reserved)} = ")
            nodes = self._nodes([*statement.inlined, unit])
            forward.lines.extend(Line(text, nodes) for text in texts)
            values = [value for value in _flat(statement.targets) if value is not None]
            forward.lines.extend(self._bind_sizes(pending, values))
        forward.lines.extend(self._return())
        if self.needs_dtype:
            forward.lines.insert(0, Line(f"        dtype = {self.weight_path}.dtype"))
        return forward

    # Surroundings of expressions.

    def number(self, expr: Expr, site: tuple[Any, ...], value: int | float) -> str:
        """A number, or the constructor's argument that stands for it."""
        hole = self.definition.holes.get((self.positions[expr], *site))
        return f"self.{hole}" if hole else number_source(value)

    def size(self, name: str) -> str:
        """A symbolic size's variable."""
        return self.size_names[name]

    def dtype(self, dtype: DType) -> str:
        """A dtype; the model's float type is read off a tensor at hand, or off a parameter."""
        if dtype is not self.model_dtype:
            return str(dtype)
        for name, value in self.live.items():
            is_tensor = not isinstance(value.fact, tuple) and value.fact.is_tensor
            if is_tensor and value.dtype is dtype and value.op != "input":
                return f"{name}.dtype"
        if self.weight_path is None:
            return str(dtype)
        self.needs_dtype = True
        return "dtype"

    def device(self) -> str:
        """The device of a tensor at hand."""
        for name, value in self.live.items():
            if not isinstance(value.fact, tuple) and value.fact.is_tensor:
                return f"{name}.device"
        return f"{self.weight_path}.device" if self.weight_path else '"cpu"'

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

    def _name_parameters(self, reserved: list[str]) -> None:
        for param in self.region.params:
            name = hint(param, lambda value: None if value in self.members else _outer_member(self.region, value))
            if param.op != "input" and param.dtype.is_float:
                name = name if name in _PASSED_ON else self.roles.get(param) or self._residual(param)
            elif param.op == "input" and not self._always_input(param):
                name = None if param.dtype.is_float else "index"
            self._bind(param, unique(name, [*self.live, *reserved]))

    def _always_input(self, param: Expr) -> bool:
        """Whether every instance of the class is given this input of the graph."""
        position = self.region.params.index(param)
        return all(other.params[position] is param for other in self.definition.regions)

    def _residual(self, param: Expr) -> str | None:
        """A second float parameter that is only added is the residual."""
        users = [unit for unit in self.region.units if param in operands_of(unit)]
        only = users[0] if len(users) == 1 else None
        added = isinstance(only, Expr) and only.op == "operator.add"
        return "residual" if added and len(self.region.params) > 1 else None

    def _bind(self, value: Expr, name: str) -> None:
        self.names[value] = Identifier(name)
        self.live[name] = value

    def _last_uses(self) -> dict[Expr, int]:
        last: dict[Expr, int] = {}
        for index, statement in enumerate(self.plan.statements):
            for value in statement.uses:
                last[value] = index
        end = len(self.plan.statements)
        for value in self.plan.uses:
            last[value] = end
        for value, _ in self.sizes[self.region].sources.values():
            last.setdefault(value, -1)
        return last

    def _release(self, index: int, last_uses: Mapping[Expr, int]) -> None:
        """Forget names whose values nothing needs after this statement; they may be taken again."""
        self.freed = {name: value for name, value in self.live.items() if last_uses.get(value, -1) <= index}
        for name in self.freed:
            del self.live[name]

    def _targets(self, statement: Statement, reserved: list[str]) -> str:
        def name(target: Any) -> str:
            if target is None:
                return "_"
            if isinstance(target, tuple):
                return ", ".join(f"({name(t)})" if isinstance(t, tuple) else name(t) for t in target)
            self._bind(target, self._name_of(target, statement, reserved))
            return self.names[target]

        return name(statement.targets)

    def _name_of(self, target: Expr, statement: Statement, reserved: list[str]) -> str:
        taken = [*self.live, *reserved]
        wanted = self.hints.get(target)
        if isinstance(statement.unit, Loop):
            # What every call takes must outlive the loop's first result.
            carried = statement.unit.calls[0].params[statement.unit.position]
            taken += [self.names[value] for value in statement.unit.calls[0].params if value in self.names]
            taken = [name for name in taken if name != self.names.get(carried)]
            if self.names.get(carried) in self.freed and carried.op != "input":
                return self.names[carried]
            return unique(None, taken)
        if wanted is None or wanted == "index":
            for value in statement.uses:
                name = self.names[value]
                reusable = name in self.freed and name not in taken and _alike(value, target)
                if reusable and (is_generic(name) or (value.op != "input" and wanted == "index")):
                    return name
        return unique(wanted, taken)

    # Source.

    def _sources(self, inlined: list[Expr]) -> dict[Expr, Source]:
        """The source of inlined values, operands first."""
        sources: dict[Expr, Source] = {}
        for value in reversed(inlined):
            if value not in sources:
                sources[value] = self._unit_source(self.plan.producers[value], sources)
        return sources

    def _unit_source(self, unit: Expr | Region, sources: Mapping[Expr, Source]) -> Source:
        operands = {value: self._operand(value, sources) for value in operands_of(unit)}
        if isinstance(unit, Region):
            return self._call(member_text(self.region.members[unit]), unit, [operands[v].doc for v in unit.params])
        if unit.op in ("weight", "constant"):
            return Source(self.member(unit))
        return render(unit, operands, self)

    def _operand(self, value: Expr, sources: Mapping[Expr, Source]) -> Source:
        if value in self.names and value not in sources:
            return Source(self.names[value])
        if value.op in ("weight", "constant"):
            return Source(self.member(value))
        if value.op == "literal":
            return Source(repr(value.attrs["value"]))
        return sources.get(value, Source("…"))

    def _call(self, callee: str, region: Region, arguments: list[Doc]) -> Source:
        sizes = [self.size_names[name] for name in self.sizes[region].arguments]
        return Source(Bracket(f"{callee}(", (*arguments, *sizes), ")"))

    def _iterated(self, container: str, first: int, count: int) -> str:
        numbers = [
            int(path.rpartition(".")[2])
            for unit, path in self.region.members.items()
            if path.rpartition(".")[0] == container
        ]
        text = member_text(container)
        if first == 0 and count == max(numbers) + 1:
            return text
        return f"{text}[{first or ''}:{'' if first + count == max(numbers) + 1 else first + count}]"

    def _loop(self, loop: Loop, target: str, arguments: list[Doc]) -> list[str]:
        """``for layer in self.layers: x = layer(x, mask)``, after ``x`` has its first value."""
        container, _, first = self.region.members[loop.calls[0]].rpartition(".")
        variable = unique(_singular(container.rsplit(".", 1)[-1]), [*self.live, *self.freed, target])
        start = str(arguments[loop.position])
        lines = [] if start == target else lay_out(start, 2, f"{target} = ")
        lines.append(f"        for {variable} in {self._iterated(container, int(first), len(loop.calls))}:")
        repeated = [target if index == loop.position else argument for index, argument in enumerate(arguments)]
        return lines + lay_out(self._call(variable, loop.calls[0], repeated).doc, 3, f"{target} = ")

    def _return(self) -> list[Line]:
        sources = self._sources(self.plan.inlined)
        docs = [self._operand(value, sources).doc for value in self.plan.returned]
        nodes = self._nodes(self.plan.inlined)
        doc: Doc = docs[0] if len(docs) == 1 else ", ".join(map(str, docs))
        texts = lay_out(doc, 2, "return ")
        return [Line(text, nodes) for text in texts]

    def _bind_sizes(self, pending: dict[str, tuple[Expr, int]], values: list[Expr]) -> list[Line]:
        """Read the sizes that later statements need off the tensors that just became known."""
        lines: list[Line] = []
        for value in values:
            axes = {axis: name for name, (source, axis) in pending.items() if source is value}
            for name in axes.values():
                del pending[name]
            if not axes:
                continue
            tensor = self.names[value]
            names = ", ".join(self.size_names[axes[axis]] for axis in sorted(axes))
            leading = sorted(axes) == list(range(len(axes)))
            if len(axes) > 1 and leading:
                whole = len(axes) == len(value.fact.dims or ())
                lines.append(Line(f"        {names} = {tensor}.shape{'' if whole else f'[:{len(axes)}]'}"))
            else:
                lines.extend(
                    Line(f"        {self.size_names[axes[axis]]} = {tensor}.shape[{axis}]") for axis in sorted(axes)
                )
        return lines

    def _declared(self, param: Expr) -> str:
        return f"{self.names[param]}: {_annotation(param)}"

    def _result_type(self) -> str:
        kinds = [_annotation(value) for value in self.region.results]
        return kinds[0] if len(kinds) == 1 else f"tuple[{', '.join(kinds)}]"

    def _nodes(self, units: Iterable[Expr | Region | Loop]) -> tuple[int, ...]:
        """The ONNX nodes that a line stands for, in every instance of the class."""
        positions = [self.positions[unit] for unit in units if isinstance(unit, Expr) and unit in self.positions]
        same = [region.units[position] for position in positions for region in self.definition.regions]
        return tuple(dict.fromkeys(node for unit in same if isinstance(unit, Expr) for node in unit.origin.nodes))


def _outer_member(region: Region, value: Expr) -> str | None:
    """The member of any region around that computes a value."""
    around = region.parent
    while around is not None:
        for unit in around.units:
            if (unit is value and is_layer(value)) or (isinstance(unit, Region) and unit.results == [value]):
                return around.members.get(unit)
        around = around.parent
    return None


def _annotation(value: Expr) -> str:
    return "tuple[Tensor, ...]" if isinstance(value.fact, tuple) else value.fact.annotation


def _alike(left: Expr, right: Expr) -> bool:
    """Whether two values may share a name: tensors of one kind."""
    if isinstance(left.fact, tuple) or isinstance(right.fact, tuple) or left.fact.host or right.fact.host:
        return False
    kinds = [(value.dtype.is_float, value.dtype is DType.STRING) for value in (left, right)]
    return kinds[0] == kinds[1]


def _flat(targets: Any) -> list[Any]:
    return [item for target in targets for item in _flat(target)] if isinstance(targets, tuple) else [targets]


def _singular(name: str) -> str:
    """What one entry of a list is called: ``layers`` holds a layer, ``h`` an ``h``."""
    if name.endswith("ies"):
        return f"{name[:-3]}y"
    is_plural = name.endswith("s") and not name.endswith("ss") and len(name) > 2
    return name[:-1] if is_plural else name
