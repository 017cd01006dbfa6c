"""Which values of a region get a statement of their own, and which are written inside the one that uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.blocks import captured, has_blocks
from codegen_torch.dtypes import DType
from codegen_torch.emit.expression import render
from codegen_torch.emit.layout import WIDTH, Bracket
from codegen_torch.emit.source import Source
from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, data_operands
from codegen_torch.names import Identifier
from codegen_torch.symbols import SYMBOLS

MAX_DEPTH = 4
"""Calls nested deeper than this are hard to read."""
_INDENT = 4
_NAME = Source("hidden")
Number = Callable[[Expr, tuple[Any, ...], int | float], str]
"""The source of a number at a site of an expression."""


@dataclass(eq=False, slots=True)
class Statement:
    """One statement of ``forward``.

    Attributes:
        unit: What is computed: an expression, a child's call, a loop over children's calls, or what is optional.
        targets: The values that get names; a nest of tuples where the unit returns one, None for parts unused.
        uses: The named values that occur in it.
        inlined: The values that are written inside it.
    """

    unit: Expr | Region | Loop | Detour
    targets: Any
    uses: list[Expr] = field(default_factory=list)
    inlined: list[Expr] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Loop:
    """Calls of children one after the other, each with the result of the one before.

    Attributes:
        calls: The children.
        position: Which of their parameters takes the result of the one before.
    """

    calls: list[Region]
    position: int


@dataclass(eq=False, slots=True)
class Detour:
    """What a value goes through only if the class was asked for it.

    Attributes:
        flag: The constructor's argument that asks for it.
        block: What happens; the first parameter is the value, the only result is what becomes of it.
    """

    flag: str
    block: Region


@dataclass(eq=False, slots=True)
class Plan:
    """The statements of a region.

    Attributes:
        statements: All but the last, in order.
        returned: The values that the last one returns.
        uses: The named values that occur in it.
        inlined: The values that are written inside it.
        producers: The units that compute the region's values.
    """

    statements: list[Statement]
    returned: list[Expr]
    uses: list[Expr]
    inlined: list[Expr]
    producers: Mapping[Expr, Expr | Region]


class _Draft:
    """Surroundings that are good enough to measure a statement before variables are named."""

    def __init__(self, region: Region, hints: Mapping[Expr, str | None], level: int, number: Number) -> None:
        self.number = number
        self.region = region
        self.indent = _INDENT * level
        self.hints = hints
        self.longest_name = max(map(self.name, hints), key=len, default="")
        inputs = [Identifier.like(param.attrs["name"]) for param in region.params if param.op == "input"]
        self.longest = max([_NAME.text, *inputs], key=len)

    def size(self, name: str) -> str:
        return "n" if name.startswith("?") else name

    def dtype(self, dtype: DType) -> str:
        return f"{self.longest}.dtype"

    def device(self) -> str:
        return f"{self.longest}.device"

    def member(self, expr: Expr) -> str:
        return member_text(self.region.members[expr])

    def value(self, value: Expr, sources: Mapping[Expr, Source], named: set[Expr]) -> Source:
        """The source of an operand."""
        if value.op == "input":
            return Source(Identifier.like(value.attrs["name"]))
        if value in named or value not in sources:
            return Source(self.name(value))
        return sources[value]

    def name(self, value: Expr) -> str:
        """A name as long as the variable's may become."""
        return f"{self.hints.get(value) or 'out'}2"

    def room(self, unit: Expr | Region) -> int:
        """How wide the source of a statement may be."""
        values = unit.results if isinstance(unit, Region) else [unit]
        targets = ", ".join(map(self.name, values)) if len(values) > 1 else self.longest_name  # it may be reused
        return WIDTH - self.indent - len(targets) - len(" = ")


def make_plan(
    region: Region,
    hints: Mapping[Expr, str | None],
    named: Iterable[Expr] = (),
    *,
    number: Number,
    level: int = 2,
    returns: bool = True,
    detours: Sequence[Detour] = (),
) -> Plan:
    """Decide what the statements of a region are.

    Args:
        region: The region.
        hints: The names that values want.
        named: The values that need names in any case.
        number: Writes numbers, which may be arguments of the constructor.
        level: How many levels the statements are indented.
        returns: Whether the results are returned, in one line.
        detours: What is optional in it.
    """
    loops = find_loops(region)
    in_loops = {call for loop in loops.values() for call in loop.calls}
    counts = _use_counts(region)
    named = {*region.params, *named, *_ordered(region)} | {value for value, count in counts.items() if count > 1}
    draft = _Draft(region, hints, level, number)
    sources: dict[Expr, Source] = {}
    statements: list[Statement] = []
    optional = {unit: detour for detour in detours for unit in detour.block.units}
    for unit in region.units:
        if unit in optional:
            if unit is optional[unit].block.units[-1]:
                statements.append(_around(optional[unit], named))
        elif isinstance(unit, Region):
            if unit in in_loops:
                if unit in loops:
                    named.add(loops[unit].calls[-1].results[0])
                    statements.append(Statement(loops[unit], loops[unit].calls[-1].results[0]))
                continue
            statements.extend(_call(unit, sources, named, draft))
        elif unit.op == "operator.getitem":  # of a tuple, whose statement assigns its parts
            named.add(unit)
        elif has_blocks(unit):
            named.update(value for value in captured(unit) if _can_be_named(value))
            statements.append(Statement(unit, unit))
        elif unit.op in ("weight", "constant"):
            sources[unit] = Source(draft.member(unit))
            named.discard(unit)
        else:
            statements.extend(_expression(unit, sources, named, draft))
    if returns:
        _name_long_results(region, sources, named)
    kept = [statement for statement in statements if _is_kept(statement, named)]
    _fill_tuples(region, kept)
    producers = _producers(region)
    for statement in kept:
        unit = _written(statement.unit)
        statement.uses, statement.inlined = _spelled_out(operands_of(unit), named, producers)
    uses, inlined = _spelled_out(region.results, named, producers)
    return Plan(kept, list(region.results), uses, inlined, producers)


def _ordered(region: Region) -> list[Expr]:
    """Values that are computed in the order of the statements, for each computation changes what the next one gives."""
    effects = [unit for unit in region.units if isinstance(unit, Expr) and unit.op in SYMBOLS]
    effects = [unit for unit in effects if SYMBOLS[unit.op].effect and SYMBOLS[unit.op].ordered]
    return effects if len(effects) > 1 else []


def _use_counts(region: Region) -> dict[Expr, int]:
    counts: dict[Expr, int] = {}
    for unit in region.units:
        for value in operands_of(unit):
            counts[value] = counts.get(value, 0) + 1
    for value in region.results:
        counts[value] = counts.get(value, 0) + 1
    return counts


def member_text(path: str) -> str:
    """How a module's own code says a member's path: ``self.layer[0].query``."""
    text = "self"
    for part in path.split("."):
        text += f"[{part}]" if part.isdecimal() else f".{part}"
    return text


def operands_of(unit: Expr | Region) -> tuple[Expr, ...]:
    """The values a unit takes; numbers written in place are none."""
    if isinstance(unit, Region):
        return tuple(unit.params)
    return tuple(value for value in data_operands(unit) if value.op != "literal")


def _around(detour: Detour, named: set[Expr]) -> Statement:
    """A detour; what it takes and makes has names, since it is a statement with others below it."""
    (result,) = detour.block.results
    named.update(value for value in detour.block.params if _can_be_named(value))
    named.add(result)
    return Statement(detour, result)


def _written(unit: Expr | Region | Loop | Detour) -> Expr | Region:
    """What a statement's operands are those of."""
    if isinstance(unit, Loop):
        return unit.calls[0]
    return unit.block if isinstance(unit, Detour) else unit


def _call(unit: Region, sources: dict[Expr, Source], named: set[Expr], draft: _Draft) -> Iterator[Statement]:
    """A child's call: inside its user if it has one result and room."""

    def source() -> Source:
        operands = [draft.value(value, sources, named) for value in unit.params]
        depth = max((operand.depth for operand in operands), default=0)
        callee = member_text(draft.region.members[unit])
        return Source(Bracket(f"{callee}(", tuple(operand.doc for operand in operands), ")"), depth=depth + 1)

    _make_room(unit, source, draft, sources, named)
    sources.update(dict.fromkeys(unit.results, source()))
    if len(unit.results) != 1:
        named.update(unit.results)
    yield Statement(unit, unit.results[0] if len(unit.results) == 1 else tuple(unit.results))


def _expression(unit: Expr, sources: dict[Expr, Source], named: set[Expr], draft: _Draft) -> Iterator[Statement]:
    def source() -> Source:
        return render(unit, {value: draft.value(value, sources, named) for value in operands_of(unit)}, draft)

    _make_room(unit, source, draft, sources, named)
    sources[unit] = source()
    yield Statement(unit, unit)


def _make_room(
    unit: Expr | Region, source: Callable[[], Source], draft: _Draft, sources: Mapping[Expr, Source], named: set[Expr]
) -> None:
    """Give names to operands, the longest first, until the statement is readable."""
    room = draft.room(unit)
    while True:
        current = source()
        inside = [v for v in operands_of(unit) if v not in named and v in sources and _can_be_named(v)]
        if not inside or (current.width <= room and current.depth <= MAX_DEPTH):
            return
        width = current.width
        for value in sorted(inside, key=lambda value: (sources[value].depth > 0, sources[value].width), reverse=True):
            named.add(value)
            width -= sources[value].width - len(draft.name(value)) + len("()")
            if width <= room:  # as a guess: what the statement is now is measured again
                break


def _can_be_named(value: Expr) -> bool:
    return value.op not in ("weight", "constant", "layer.tensor", "literal", "input")


def _name_long_results(region: Region, sources: Mapping[Expr, Source], named: set[Expr]) -> None:
    """Several results are returned in one line; those that do not fit in it get names."""
    inside = [value for value in region.results if value in sources and value not in named and _can_be_named(value)]
    width = sum(sources[value].width + 2 for value in inside)
    if len(region.results) > 1 and width > WIDTH - 2 * _INDENT - len("return ") - 8 * (
        len(region.results) - len(inside)
    ):
        named.update(inside)


def _is_kept(statement: Statement, named: set[Expr]) -> bool:
    """Whether a statement is one, after it is known which values have names."""
    targets = statement.targets
    if isinstance(targets, tuple) or isinstance(statement.unit, Loop):
        return True
    return targets in named or isinstance(targets.fact, tuple)


def _fill_tuples(region: Region, statements: list[Statement]) -> None:
    """Let expressions that return tuples assign to the parts that are used."""
    parts: dict[Expr, dict[int, Expr]] = {}
    for unit in region.units:
        if isinstance(unit, Expr) and unit.op == "operator.getitem":
            parts.setdefault(unit.inputs[0], {})[unit.attrs["index"]] = unit

    def targets(value: Expr) -> Any:
        if not isinstance(value.fact, tuple):
            return value
        found = parts.get(value, {})
        return tuple(targets(found[i]) if i in found else None for i in range(len(value.fact)))

    nested = {part for group in parts.values() for part in group.values() if isinstance(part.fact, tuple)}
    for statement in statements:
        if isinstance(statement.unit, Expr) and isinstance(statement.unit.fact, tuple):
            statement.targets = targets(statement.unit)
    statements[:] = [statement for statement in statements if statement.unit not in nested]


def _producers(region: Region) -> dict[Expr, Expr | Region]:
    """The unit that computes each value."""
    return {value: unit for unit in region.units for value in (unit.results if isinstance(unit, Region) else [unit])}


def _spelled_out(
    values: Iterable[Expr], named: set[Expr], producers: Mapping[Expr, Expr | Region]
) -> tuple[list[Expr], list[Expr]]:
    """The named values that occur in a statement over ``values``, and those that are written inside it."""
    uses: list[Expr] = []
    inlined: list[Expr] = []
    stack = list(values)
    while stack:
        value = stack.pop(0)
        if value in named or value not in producers:
            uses.append(value)
        else:
            inlined.append(value)
            stack[:0] = operands_of(producers[value])
    return uses, inlined


def find_loops(region: Region) -> dict[Region, Loop]:
    """Runs of calls of numbered children, each fed with the one before; by their first call."""
    loops: dict[Region, Loop] = {}
    counts = _use_counts(region)
    calls = [unit for unit in region.units if not (isinstance(unit, Expr) and unit.op in ("weight", "constant"))]
    run: list[Region] = []
    position = 0
    for before, unit in zip([None, *calls], calls, strict=False):
        follows = None
        if isinstance(before, Region) and isinstance(unit, Region) and before in run[-1:]:
            follows = _carry(region, before, unit, counts)
        elif isinstance(before, Region) and isinstance(unit, Region):
            follows = _carry(region, before, unit, counts)
            run = [before] if follows is not None else []
        if follows is not None and isinstance(unit, Region) and (len(run) < 2 or follows == position):
            position = follows
            run.append(unit)
            loops[run[0]] = Loop(run, position)
        else:
            run = []
    return {first: loop for first, loop in loops.items() if len(loop.calls) > 1}


def _carry(region: Region, before: Region, unit: Region, counts: Mapping[Expr, int]) -> int | None:
    """Which parameter takes the result of the call before, if nothing else differs between the two."""
    if (
        region.sequential
        or len(before.results) != 1
        or len(unit.results) != 1
        or len(before.params) != len(unit.params)
    ):
        return None
    head, _, number = region.members[before].rpartition(".")
    next_head, _, next_number = region.members[unit].rpartition(".")
    if not head or head != next_head or not number.isdecimal() or not next_number.isdecimal():
        return None
    if int(next_number) != int(number) + 1 or counts.get(before.results[0]) != 1:
        return None
    different = [i for i, (a, b) in enumerate(zip(before.params, unit.params, strict=True)) if a is not b]
    if len(different) != 1 or unit.params[different[0]] is not before.results[0]:
        return None
    return different[0]
