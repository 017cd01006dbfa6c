"""The ``__init__`` method of a class: its layers, children, parameters and buffers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.emit.constructors import constructor
from codegen_torch.emit.layout import Bracket, Doc, Either, Repeated, lay_out
from codegen_torch.emit.literals import buffer_source, number_source, string_source, strings_doc
from codegen_torch.expr import Expr
from codegen_torch.modules.definition import ClassDef, Number, Run, Site
from codegen_torch.modules.members import MODULES_OF_FUNCTIONS
from codegen_torch.modules.region import Region, tensor_of
from codegen_torch.symbols import SYMBOLS

NumberAt = Callable[[Site, Number | None], str]
"""The source of a number at a site: an argument, or the number; empty where nobody cares."""
_POSITIONAL_ARGUMENTS = 2
_PLAIN = ("channels", "features", "dim", "kernel_size")
"""How the names of three arguments end that need no saying, as those of ``nn.Conv2d`` do not."""
_REPEATS = 3
"""So many equal entries of a list are not written one by one."""
_MODULE_DEFAULTS = {"start_dim": 1}
"""Where a module has another default than its function."""


@dataclass(slots=True)
class Container:
    """A path that holds members but is no region of its own: a list if its parts are numbers, else a dict."""

    entries: dict[str, Container | Expr | Region] = field(default_factory=dict)


def init_lines(definition: ClassDef, classes: Mapping[Region, ClassDef]) -> list[str]:
    """The statements that build a class's members."""
    builder = _Builder(definition.printed, classes, _numbers_of(definition))
    builder.runs = {run.calls[0]: (name, run) for name, run in definition.runs.items()}
    options = {unit: name for name, option in definition.options.items() for unit in option.units}
    lines: list[str] = []
    below: str | None = None
    for name, entry in _tree(definition.printed).entries.items():
        option = options.get(next(_units(entry)))
        if option is None or definition.options[option].is_member:
            lines += builder.statement(name, entry, 2, option)
            below = None
            continue
        if option != below:
            lines.append(f"        if {option}:")
        lines += builder.statement(name, entry, 3)
        below = option
    return lines


def sequential_doc(definition: ClassDef, classes: Mapping[Region, ClassDef], opening: str) -> Doc:
    """The call that builds a chain: ``nn.Sequential(…)`` or, in a subclass, ``super().__init__(…)``."""
    return _Builder(definition.printed, classes, _numbers_of(definition)).sequential(opening)


def _numbers_of(definition: ClassDef) -> NumberAt:
    def number(site: Site, value: Number | None) -> str:
        known = definition.literals.get(site) if value is None else value
        return definition.holes.get(site) or ("" if known is None else number_source(known))

    return number


def _units(entry: Container | Expr | Region) -> Iterator[Expr | Region]:
    """What is in a member, in its order."""
    stack = [entry]
    while stack:
        current = stack.pop()
        if isinstance(current, Container):
            stack += list(current.entries.values())[::-1]
        else:
            yield current


def _tree(region: Region) -> Container:
    root = Container()
    for unit in region.all_units:
        path = region.members.get(unit)
        if path is None:
            continue
        *heads, last = path.split(".")
        container = root
        for head in heads:
            inner = container.entries.setdefault(head, Container())
            assert isinstance(inner, Container)
            container = inner
        container.entries[last] = unit
    return root


class _Builder:
    """Builds the members of one region; numbers may be the constructor's arguments."""

    def __init__(self, region: Region, classes: Mapping[Region, ClassDef], number: NumberAt) -> None:
        self.region = region
        self.classes = classes
        self.number = number
        self.positions = {unit: position for position, unit in enumerate(region.all_units)}
        self.runs: Mapping[Region, tuple[str, Run]] = {}

    def statement(
        self, name: str, entry: Container | Expr | Region, level: int, option: str | None = None
    ) -> list[str]:
        """The lines that make a member, or nothing in its place where the class is not asked for it."""
        if isinstance(entry, Expr) and entry.op == "constant":
            if entry.dtype is DType.STRING:
                return lay_out(strings_doc(entry), level, f"self.{name} = ")
            return lay_out(self.buffer(name, entry), level)
        doc = self.entry(entry)
        return lay_out(Either(doc, option, "nn.Identity()") if option else doc, level, f"self.{name} = ")

    def entry(self, entry: Container | Expr | Region) -> Doc:
        if isinstance(entry, Container):
            return self._container(entry)
        if isinstance(entry, Region):
            return self._child(entry)
        return self._layer(entry)

    def _layer(self, layer: Expr) -> Doc:
        if layer.op == "weight":
            return self.parameter(layer)
        items: list[Doc] = []
        for argument in constructor(layer):
            text = self._value(argument.value, (self.positions[layer], argument.name))
            if argument.is_default and text == self._plain(argument.value):
                continue
            items.append(f"{argument.name}={text}" if argument.keyword else text)
        return Bracket(f"{layer.op}(", tuple(items), ")")

    def _child(self, region: Region) -> Doc:
        definition = self.classes[region]
        position = self.positions[region]
        if definition.inline:
            inner = _Builder(region, self.classes, lambda site, value: self.number((position, *site), value))
            return inner.sequential("nn.Sequential(")
        values = definition.arguments.get(region, {})
        items: list[Doc] = []
        required = [parameter.name for parameter in definition.parameters if parameter.default is None]
        unnamed = _unnamed(required)
        for index, parameter in enumerate(definition.parameters):
            text = self.number((position, parameter.name), values.get(parameter.name))
            if parameter.default is not None and text in ("", number_source(parameter.default)):
                continue
            items.append(text if index < unnamed else f"{parameter.name}={text}")
        return Bracket(f"{definition.name}(", tuple(items), ")")

    def sequential(self, opening: str) -> Doc:
        """The entries of a chain in the order of their numbers; what is missing was folded away."""
        entries = {int(self.region.members[unit]): unit for unit in self.region.units}
        docs = [self._step(entries[n]) if n in entries else "nn.Identity()" for n in range(max(entries) + 1)]
        return Bracket(opening, _shortened(docs), ")")

    def _step(self, unit: Expr | Region) -> Doc:
        if isinstance(unit, Region) and unit.is_operation:
            only = unit.units[0]
            if isinstance(only, Expr):
                position = self.positions[unit]
                number = lambda site, value: self.number((position, *site), value)  # noqa: E731
                return _Builder(unit, self.classes, number).function(only)
        return self.entry(unit)

    def function(self, expr: Expr) -> Doc:
        """An operation as a module: ``nn.GELU(approximate="tanh")``."""
        symbol = SYMBOLS[expr.op]
        items = [
            f"{p.name}={self._value(expr.attrs.get(p.name, p.default), (self.positions[expr], p.name))}"
            for p in symbol.parameters
            if not p.is_input and expr.attrs.get(p.name, p.default) != _MODULE_DEFAULTS.get(p.name, p.default)
        ]
        return Bracket(f"{MODULES_OF_FUNCTIONS[expr.op]}(", tuple(items), ")")

    def _container(self, container: Container) -> Doc:
        if not all(key.isdecimal() for key in container.entries):
            items = [_entry(key, self.entry(entry)) for key, entry in container.entries.items()]
            return Bracket("nn.ModuleDict(", (Bracket("{", tuple(items), "}"),), ")")
        entries = {int(key): entry for key, entry in container.entries.items()}
        first = entries.get(0)
        if isinstance(first, Region) and first in self.runs:
            return self._run(*self.runs[first])
        docs = [self.entry(entries[n]) if n in entries else "nn.Identity()" for n in range(max(entries) + 1)]
        texts = {str(doc) for doc in docs}
        if len(texts) == 1 and len(docs) > 1:
            return Bracket("nn.ModuleList(", (Repeated(docs[0], str(len(docs))),), ")")
        return Bracket("nn.ModuleList(", (Bracket("[", _shortened(docs), "]"),), ")")

    def _run(self, depth: str, run: Run) -> Doc:
        """A list of as many modules as the constructor is asked for."""
        first = self._child(run.calls[0])
        if run.is_uniform:
            return Bracket("nn.ModuleList(", (Repeated(first, depth),), ")")
        others = Bracket("*(", (Repeated(self._child(run.calls[1]), f"{depth} - 1"),), ")")
        return Bracket("nn.ModuleList(", (Bracket("[", (first, others), "]"),), ")")

    def parameter(self, leaf: Expr) -> Doc:
        """``nn.Parameter(torch.empty(…))``; loading fills it."""
        return Bracket("nn.Parameter(", (f"torch.empty({self._shape(leaf)})",), ")")

    def buffer(self, name: str, leaf: Expr) -> Doc:
        """A buffer: computed where a line can compute it, else loaded."""
        source = buffer_source(leaf)
        if source is not None:
            return Bracket("self.register_buffer(", (f'"{name}"', source, "persistent=False"), ")")
        dtype = "" if leaf.dtype is DType.FLOAT32 else f", dtype={leaf.dtype}"
        return Bracket("self.register_buffer(", (f'"{name}"', f"torch.empty({self._shape(leaf)}{dtype})"), ")")

    def _shape(self, leaf: Expr) -> str:
        position = self.positions[leaf]
        sizes = [self.number((position, "size", axis), size) for axis, size in enumerate(tensor_of(leaf).shape)]
        return ", ".join(sizes) or "()"

    def _value(self, value: Any, site: Site) -> str:
        if isinstance(value, tuple):
            items = [self._value(item, (*site, index)) for index, item in enumerate(value)]
            return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
        if isinstance(value, str):
            return string_source(value)
        if isinstance(value, bool) or value is None:
            return repr(value)
        return self.number(site, value)

    def _plain(self, value: Any) -> str:
        number: NumberAt = lambda _, number: number_source(0 if number is None else number)  # noqa: E731
        return _Builder(self.region, {}, number)._value(value, ())


def _unnamed(required: Sequence[str]) -> int:
    """How many of the arguments that must be given are given without their names."""
    if len(required) > _POSITIONAL_ARGUMENTS + 2:
        return 0
    are_plain = len(required) > _POSITIONAL_ARGUMENTS and all(name.endswith(_PLAIN) for name in required[:3])
    return 3 if are_plain else min(len(required), _POSITIONAL_ARGUMENTS)


def _shortened(docs: Sequence[Doc]) -> tuple[Doc, ...]:
    """Entries of a list, those at its end that are all the same in one."""
    same = 1
    while same < len(docs) and str(docs[-same - 1]) == str(docs[-1]):
        same += 1
    if same < _REPEATS:
        return tuple(docs)
    return (*docs[:-same], Bracket("*(", (Repeated(docs[-1], str(same)),), ")"))


def _entry(key: str, doc: Doc) -> Doc:
    if isinstance(doc, Bracket):
        return Bracket(f'"{key}": {doc.prefix}', doc.items, doc.suffix)
    return f'"{key}": {doc}'
