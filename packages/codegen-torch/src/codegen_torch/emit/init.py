"""The ``__init__`` method of a class: its layers, children, parameters and buffers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.emit.constructors import constructor
from codegen_torch.emit.layout import Bracket, Doc, lay_out
from codegen_torch.emit.literals import buffer_source, number_source, string_source, strings_doc
from codegen_torch.expr import Expr
from codegen_torch.modules.classes import ClassDef, Number, Site
from codegen_torch.modules.members import MODULES_OF_FUNCTIONS
from codegen_torch.modules.region import Region, tensor_of
from codegen_torch.symbols import SYMBOLS

NumberAt = Callable[[Site, Number], str]
_POSITIONAL_ARGUMENTS = 2
_MODULE_DEFAULTS = {"start_dim": 1}
"""Where a module has another default than its function."""


@dataclass(slots=True)
class Container:
    """A path that holds members but is no region of its own: a list if its parts are numbers, else a dict."""

    entries: dict[str, Container | Expr | Region] = field(default_factory=dict)


def init_lines(definition: ClassDef, classes: Mapping[Region, ClassDef]) -> list[str]:
    """The statements that build a class's members."""
    region = definition.printed

    def number(site: Site, value: Number) -> str:
        return definition.holes.get(site) or number_source(value)

    builder = _Builder(region, classes, number)
    lines: list[str] = []
    for name, entry in _tree(region).entries.items():
        if isinstance(entry, Expr) and entry.op == "weight":
            lines.extend(lay_out(builder.parameter(entry), 2, f"self.{name} = "))
        elif isinstance(entry, Expr) and entry.op == "constant" and entry.dtype is DType.STRING:
            lines.extend(lay_out(strings_doc(entry), 2, f"self.{name} = "))
        elif isinstance(entry, Expr) and entry.op == "constant":
            lines.extend(lay_out(builder.buffer(name, entry), 2))
        else:
            lines.extend(lay_out(builder.entry(entry), 2, f"self.{name} = "))
    return lines


def sequential_doc(definition: ClassDef, classes: Mapping[Region, ClassDef], opening: str) -> Doc:
    """The call that builds a chain: ``nn.Sequential(…)`` or, in a subclass, ``super().__init__(…)``."""
    region = definition.printed

    def number(site: Site, value: Number) -> str:
        return definition.holes.get(site) or number_source(value)

    return _Builder(region, classes, number).sequential(opening)


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
        for index, parameter in enumerate(definition.parameters):
            text = self.number((position, parameter.name), values[parameter.name])
            named = index >= _POSITIONAL_ARGUMENTS or len(definition.parameters) > _POSITIONAL_ARGUMENTS + 2
            items.append(f"{parameter.name}={text}" if named else text)
        return Bracket(f"{definition.name}(", tuple(items), ")")

    def sequential(self, opening: str) -> Doc:
        """The entries of a chain in the order of their numbers; what is missing was folded away."""
        entries = {int(self.region.members[unit]): unit for unit in self.region.units}
        docs = [self._step(entries[n]) if n in entries else "nn.Identity()" for n in range(max(entries) + 1)]
        return Bracket(opening, tuple(docs), ")")

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
        docs = [self.entry(entries[n]) if n in entries else "nn.Identity()" for n in range(max(entries) + 1)]
        texts = {str(doc) for doc in docs}
        if len(texts) == 1 and len(docs) > 1:
            return Bracket("nn.ModuleList(", (f"{docs[0]} for _ in range({len(docs)})",), ")")
        return Bracket("nn.ModuleList(", (Bracket("[", tuple(docs), "]"),), ")")

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
        return _Builder(self.region, {}, lambda site, number: number_source(number))._value(value, ())


def _entry(key: str, doc: Doc) -> Doc:
    if isinstance(doc, Bracket):
        return Bracket(f'"{key}": {doc.prefix}', doc.items, doc.suffix)
    return f'"{key}": {doc}'
