"""Equal regions become one class; numbers in which they differ become arguments of its constructor."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dataflow_ir import Lambda

from codegen_torch.dtypes import DType
from codegen_torch.emit.constructors import constructor
from codegen_torch.emit.expression import render
from codegen_torch.emit.literals import buffer_source
from codegen_torch.emit.source import Source
from codegen_torch.expr import Expr
from codegen_torch.modules.params import arrange_params, learned_values
from codegen_torch.modules.region import Region, blocks, data_operands, is_layer, tensor_of
from codegen_torch.modules.sizes import Sizes
from codegen_torch.names import ClassName, Identifier, numbered, singular

MAX_PARAMETERS = 12
"""Regions that differ in more numbers than this are different classes."""

_GENERAL = frozenset({"size", "sizes", "shape"})
"""Labels that say less of a number than any other."""
_TURNS = ("Tensor.transpose", "Tensor.permute", "runtime.rotate", "Tensor.contiguous")

Site = tuple[Hashable, ...]
"""Where in a region a number stands: the unit's index, then the attribute, then indices into it."""
Number = int | float


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a class's constructor."""

    name: str
    type: str


@dataclass(eq=False, slots=True)
class ClassDef:
    """A class of the output, and the regions that are its instances.

    Attributes:
        base: The name the class should have.
        regions: Its instances, in statement order; the first one is printed.
        parameters: The constructor's arguments.
        holes: Which argument stands at a site of the printed region.
        arguments: For each instance, the arguments' values.
        inline: Whether instances are written out where they are built (``nn.Sequential(…)``) and no class is needed.
            The holes then are all numbers, and arguments are by site.
    """

    base: ClassName
    regions: list[Region]
    parameters: list[Parameter] = field(default_factory=list)
    holes: dict[Site, str] = field(default_factory=dict)
    arguments: dict[Region, dict[Hashable, Number]] = field(default_factory=dict)
    inline: bool = False
    name: str = ""

    @property
    def printed(self) -> Region:
        """The region whose code is the class's."""
        return self.regions[0]


def assign_classes(root: Region, sizes: dict[Region, Sizes]) -> dict[Region, ClassDef]:
    """The class of every region, children's before parents'."""
    levels: dict[int, list[Region]] = {}
    heights: dict[Region, int] = {}
    for region in root.walk():
        heights[region] = max((heights[child] + 1 for child in region.children), default=0)
        levels.setdefault(heights[region], []).append(region)
    learned = learned_values(root.results)
    result: dict[Region, ClassDef] = {}
    for height in sorted(levels):
        groups: dict[Hashable, list[tuple[Region, dict[Site, Number]]]] = {}
        for region in levels[height]:
            structure, numbers = _shape_of(region, result, sizes[region])
            groups.setdefault(structure, []).append((region, numbers))
        for group in groups.values():
            for part in _parts(group):
                if part[0][0] is not root:
                    arrange_params([region for region, _ in part], learned, root.params)
                definition = _define(part)
                for region, _ in part:
                    result[region] = definition
    return result


def _parts(
    group: list[tuple[Region, dict[Site, Number]]],
) -> Iterator[list[tuple[Region, dict[Site, Number]]]]:
    """The whole group where one class with few arguments serves it, else those that are equal."""
    if _is_inline(group[0][0]) or len(_holes(group)) <= MAX_PARAMETERS:
        yield group
        return
    equal: dict[Hashable, list[tuple[Region, dict[Site, Number]]]] = {}
    for region, numbers in group:
        equal.setdefault(tuple(map(repr, numbers.values())), []).append((region, numbers))
    yield from equal.values()


def _holes(group: list[tuple[Region, dict[Site, Number]]]) -> dict[tuple[str, ...], list[Site]]:
    """The sites at which the instances differ; those that agree in every instance share an argument."""
    holes: dict[tuple[str, ...], list[Site]] = {}
    for site in group[0][1]:
        values = tuple(repr(numbers[site]) for _, numbers in group)
        if len(set(values)) > 1:
            holes.setdefault(values, []).append(site)
    return holes


def _define(group: list[tuple[Region, dict[Site, Number]]]) -> ClassDef:
    first = group[0][0]
    definition = ClassDef(_base_name(first), [region for region, _ in group], inline=_is_inline(first))
    if definition.inline:
        for region, numbers in group:
            definition.arguments[region] = dict[Hashable, Number](numbers.items())
        return definition
    taken = {path.split(".")[0] for path in first.members.values()}
    for sites in _holes(group).values():
        name = _parameter_name(first, sites, taken)
        taken.add(name)
        values = [numbers[sites[0]] for _, numbers in group]
        kind = "int" if all(isinstance(value, int) for value in values) else "float"
        definition.parameters.append(Parameter(name, kind))
        definition.holes.update(dict.fromkeys(sites, name))
        for region, numbers in group:
            definition.arguments.setdefault(region, {})[name] = numbers[sites[0]]
    return definition


def _is_inline(region: Region) -> bool:
    if not region.path:
        return False
    return region.is_operation or (region.sequential and region.cls in (None, "Sequential"))


def _base_name(region: Region) -> ClassName:
    """The class's name in the file, or one made of the last word of the path: ``layers.0`` is a Layer."""
    if region.cls and region.cls.isidentifier():
        return ClassName.like(region.cls)
    words = [part for part in region.path.split(".") if not part.isdecimal()]
    if not words:
        return ClassName("Model")
    if len(words[-1]) == 1:  # GPT-2's ``h.0``
        return ClassName("Block")
    return ClassName.like(singular(words[-1]) if region.path[-1:].isdecimal() else words[-1])


def _parameter_name(region: Region, sites: list[Site], taken: set[str]) -> Identifier:
    """A name for an argument that stands at these sites."""
    heads = _heads(region)
    labels = [heads.get(site) or _label(site) for site in sites]
    if width := _width(set(labels), taken):
        return Identifier(width)
    position, label = min(enumerate(labels), key=lambda item: (item[1] not in heads.values(), item[1] in _GENERAL))
    unit = region.all_units[place] if isinstance(place := sites[position][0], int) else None
    name = Identifier.like(label, "size")
    if name in taken and unit is not None and unit in region.members:
        name = Identifier.like(f"{region.members[unit].replace('.', '_')}_{name}")
    return Identifier(numbered(name, taken))


def _width(labels: set[str], taken: set[str]) -> str | None:
    """``dim`` or ``channels``, for what goes through several layers; the second such is inside."""
    name = None
    if labels & {"dim", "normalized_shape"} or labels >= {"in_features", "out_features"}:
        name = "dim"
    elif labels & {"channels"} or labels >= {"in_channels", "out_channels"}:
        name = "channels"
    return next((each for each in (name, f"hidden_{name}") if name and each not in taken), None)


def _label(site: Site) -> str:
    """What the place of a number is called: the attribute's name."""
    return next(part for part in reversed(site) if isinstance(part, str))


def _heads(region: Region) -> dict[Site, str]:
    """The sites of the sizes into which features are unflattened for an attention."""
    units = region.all_units
    positions = {unit: position for position, unit in enumerate(units)}
    found: dict[Site, str] = {}
    for attention in units:
        if not isinstance(attention, Expr) or attention.op != "F.scaled_dot_product_attention":
            continue
        for value in attention.inputs[:3]:
            while value is not None and value.op in _TURNS:
                value = value.inputs[0]
            if value is not None and value.op == "Tensor.unflatten" and value in positions:
                sites = [(positions[value], "sizes", index) for index in range(len(value.attrs["sizes"]))]
                found.update(zip(sites[-2:], ("num_heads", "head_dim"), strict=False))
    return found


def _shape_of(region: Region, classes: dict[Region, ClassDef], sizes: Sizes) -> tuple[Hashable, dict[Site, Number]]:
    """What makes two regions one class, and the numbers in which they may differ."""
    numbers: dict[Site, Number] = {}
    names: dict[Expr, Hashable] = {param: ("param", position) for position, param in enumerate(region.params)}
    parts: list[Hashable] = [
        region.cls,
        region.sequential,
        tuple(map(_kind, region.params)),
        sizes.signature(region),
    ]
    returned: list[Sequence[Expr]] = [region.results]
    for position, unit in enumerate(region.all_units):
        parts.append(region.members.get(unit))
        if isinstance(unit, Region):
            definition = classes[unit]
            parts.append(("call", id(definition), tuple(names[param] for param in unit.params)))
            for label, value in definition.arguments.get(unit, {}).items():
                numbers[(position, *label) if isinstance(label, tuple) else (position, label)] = value
            names.update({result: (position, index) for index, result in enumerate(unit.results)})
            continue
        names[unit] = position
        parts += [unit.op, _kind(unit)]
        if unit.op == "weight":
            parts.append(_split(tensor_of(unit).shape, (position, "size"), numbers))
        elif unit.op == "constant":
            parts.append(buffer_source(unit) or _split(tensor_of(unit).shape, (position, "size"), numbers))
        elif is_layer(unit):
            parts.append(tuple(names[operand] for operand in data_operands(unit)))
            parts.extend((a.name, _split(a.value, (position, a.name), numbers)) for a in constructor(unit))
        elif found := blocks(unit):
            parts.extend(_control(unit, names))
            for index, block in enumerate(found):
                names.update({param: (position, index, number) for number, param in enumerate(block.params)})
                parts.append(tuple(map(_kind, block.params)))
                returned.append(block.results)
        else:
            parts.extend(_operation(unit, position, names, numbers))
    # What is no unit is a literal: a number, None.
    parts.extend(
        tuple(names[r] if r in names else repr(r.attrs.get("value", r.op)) for r in results) for results in returned
    )
    return tuple(parts), numbers


def _kind(value: Expr) -> Hashable:
    """What a value is to Python; parts of a tuple speak for themselves."""
    return None if isinstance(value.fact, tuple) else (value.fact.annotation, value.dtype)


def _control(expr: Expr, names: Mapping[Expr, Hashable]) -> Iterator[Hashable]:
    """The structure of a branch or loop, apart from its blocks."""
    for operand in expr.inputs:
        is_literal = operand is not None and operand.op == "literal"
        yield repr(operand.attrs["value"]) if is_literal else operand and names[operand]
    yield from (item for item in expr.attrs.items() if not isinstance(item[1], Lambda))


def _operation(
    expr: Expr, position: int, names: dict[Expr, Hashable], numbers: dict[Site, Number]
) -> Iterator[Hashable]:
    """The structure of an operation. Only a number that stands in its source can become an argument."""
    written: dict[Site, Number] = {}
    yield tuple(operand is None for operand in expr.inputs)
    for number, operand in enumerate(data_operands(expr)):
        is_literal = operand.op == "literal"
        yield _split(operand.attrs["value"], (f"value{number}",), written) if is_literal else names[operand]
    for name, value in expr.attrs.items():
        yield name, _split(value, (name,), written)
    reader = _Reader()
    render(expr, dict.fromkeys(data_operands(expr), Source("x")), reader)
    for site, value in written.items():
        if site in reader.sites:
            numbers[position, *site] = value
        else:
            yield site, repr(value)


class _Reader:
    """Surroundings of an expression that note at which sites numbers stand in its source."""

    def __init__(self) -> None:
        self.sites: set[Site] = set()

    def number(self, expr: Expr, site: Site, value: Number) -> str:
        self.sites.add(site)
        return repr(value)

    def size(self, name: str) -> str:
        return "n"

    def dtype(self, dtype: DType) -> str:
        return str(dtype)

    def device(self) -> str:
        return "device"

    def member(self, expr: Expr) -> str:
        return "member"


def _split(value: Any, site: Site, numbers: dict[Site, Number]) -> Hashable:
    """The structure of an attribute, its numbers taken out."""
    if isinstance(value, tuple):
        return tuple(_split(item, (*site, index), numbers) for index, item in enumerate(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return (type(value).__name__, value)
    numbers[site] = value
    return type(value).__name__
