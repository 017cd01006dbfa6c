"""What makes two regions one class: everything in them but numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_ir import Lambda

from codegen_torch.dtypes import DType
from codegen_torch.emit.constructors import constructor
from codegen_torch.emit.expression import render
from codegen_torch.emit.literals import buffer_source
from codegen_torch.emit.source import Source
from codegen_torch.expr import Expr
from codegen_torch.modules.definition import ClassDef, Number, Site
from codegen_torch.modules.region import Region, blocks, data_operands, is_layer, tensor_of
from codegen_torch.modules.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Omission:
    """Units that an instance of a class does without.

    Attributes:
        units: The units.
        passed: By what they compute for the others, what those are given in its place.
    """

    units: frozenset[Expr | Region]
    passed: Mapping[Expr, Expr]


@dataclass(frozen=True, slots=True)
class Structure:
    """What makes regions one class.

    Attributes:
        key: Equal for regions that are one class.
        numbers: The numbers in which they may differ.
        defaults: What a number is where nobody states it.
    """

    key: Hashable
    numbers: Mapping[Site, Number]
    defaults: Mapping[Site, Number]


def structure_of(
    region: Region, classes: Mapping[Region, ClassDef], sizes: Sizes, omission: Omission | None = None
) -> Structure:
    """The structure of a region whose children's classes are known, as it would be without some of its units."""
    omitted = omission.units if omission is not None else frozenset()
    passed = omission.passed if omission is not None else {}
    numbers: dict[Site, Number] = {}
    defaults: dict[Site, Number] = {}
    names: dict[Expr, Hashable] = {param: ("param", position) for position, param in enumerate(region.params)}
    parts: list[Hashable] = [region.cls, region.sequential, tuple(map(kind_of, region.params))]
    returned: list[Sequence[Expr]] = [region.results]
    count = 0
    for position, unit in enumerate(region.all_units):
        if unit in omitted:
            results = unit.results if isinstance(unit, Region) else [unit]
            names.update({result: names[passed[result]] for result in results if result in passed})
            continue
        count += 1
        parts.append(region.members.get(unit))
        if isinstance(unit, Region):
            definition = classes[unit]
            parts.append(("call", id(definition), tuple(names[param] for param in unit.params)))
            numbers.update(_placed(definition.arguments.get(unit, {}), position))
            defaults.update(_placed(definition.defaults, position))
            names.update({result: (count, index) for index, result in enumerate(unit.results)})
            continue
        names[unit] = count
        parts += [unit.op, kind_of(unit)]
        if unit.op == "weight":
            parts.append(_split(tensor_of(unit).shape, (position, "size"), numbers))
        elif unit.op == "constant":
            parts.append(buffer_source(unit) or _split(tensor_of(unit).shape, (position, "size"), numbers))
        elif is_layer(unit):
            parts.append(tuple(names[operand] for operand in data_operands(unit)))
            for argument in constructor(unit):
                parts.append((argument.name, _split(argument.value, (position, argument.name), numbers)))
                if (position, argument.name) in numbers and isinstance(argument.default, int | float):
                    defaults[position, argument.name] = argument.default
        elif found := blocks(unit):
            parts.extend(_control(unit, names))
            for index, block in enumerate(found):
                names.update({param: (count, index, number) for number, param in enumerate(block.params)})
                parts.append(tuple(map(kind_of, block.params)))
                returned.append(block.results)
        else:
            parts.extend(_operation(unit, position, names, numbers))
    # What is no unit is a literal: a number, None.
    parts.extend(
        tuple(names[r] if r in names else repr(r.attrs.get("value", r.op)) for r in results) for results in returned
    )
    parts.append(sizes.signature(names))
    return Structure(tuple(parts), numbers, defaults)


def _placed(labelled: Mapping[Hashable, Number], position: int) -> Iterator[tuple[Site, Number]]:
    """The numbers of a child by their sites in the region around it."""
    for label, value in labelled.items():
        yield (position, *label) if isinstance(label, tuple) else (position, label), value


def kind_of(value: Expr) -> Hashable:
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
