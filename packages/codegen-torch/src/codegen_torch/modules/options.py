"""Classes that differ by a part that a value can go past become one, with the part as an option.

A shortcut with a projection or without, a residual that is added or not, the first block of a stage that samples down,
stages of different depth.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from codegen_torch.emit.plan import Loop, find_loops, operands_of
from codegen_torch.expr import Expr
from codegen_torch.modules.arguments import MAX_PARAMETERS, find_holes, without_repeats
from codegen_torch.modules.definition import ClassDef, Number, Option, Site
from codegen_torch.modules.region import LEAVES, Region, blocks, is_layer
from codegen_torch.modules.sizes import Sizes
from codegen_torch.modules.structure import Omission, Structure, kind_of, structure_of
from codegen_torch.symbols import SYMBOLS

MAX_OPTIONS = 3
"""More ways in which instances of a class may differ are hard to keep in mind."""
LINES_OF_CLASS = 7
"""How long a class is that does nothing, with the blank lines before it."""
MAX_VARIANTS = 32
"""Where so many classes share a name, the name means nothing."""
ACTIVATIONS = frozenset(
    """F.elu F.gelu F.hardsigmoid F.hardswish F.leaky_relu F.mish F.relu F.relu6 F.silu F.softplus runtime.quick_gelu
    torch.sigmoid torch.tanh""".split()
)
OPERATIONS = {**dict.fromkeys(ACTIVATIONS, "activation"), "operator.add": "residual", "F.pad": "pad"}
"""Single operations without a member that people make optional, and what they call them then."""


@dataclass(eq=False, slots=True)
class Group:
    """Regions that are one class, at first because their structure is the same.

    Attributes:
        regions: The regions; the first has every option.
        numbers: The numbers in each, by their sites in the first.
        key: The structure of the first.
        defaults: What numbers are that nobody states.
        options: What regions may have or not.
        runs: The calls of modules in a list, by its path, of which regions have different numbers.
        absent: The units of the first region that a region does without.
    """

    regions: list[Region]
    numbers: list[Mapping[Site, Number]]
    key: Hashable
    defaults: dict[Site, Number] = field(default_factory=dict)
    options: list[Option] = field(default_factory=list)
    runs: dict[str, Sequence[Region]] = field(default_factory=dict)
    absent: dict[Region, frozenset[Expr | Region]] = field(default_factory=dict)

    def add(self, region: Region, structure: Structure) -> None:
        """Add a region of the same structure."""
        self.regions.append(region)
        self.numbers.append(structure.numbers)
        self.defaults.update(structure.defaults)

    def depth(self, run: Sequence[Region], region: Region) -> int:
        """How many modules of a list a region has."""
        absent = self.absent.get(region, ())
        return sum(call not in absent for call in run)

    def distinct_numbers(self) -> tuple[list[Mapping[Site, Number]], dict[str, bool]] | None:
        """The numbers without those of modules built like one before; None where a list's modules are not alike.

        Returns:
            The numbers, and for each list whether even its first module is built like the others.
        """
        positions = {unit: position for position, unit in enumerate(self.regions[0].all_units)}
        numbers, uniform = list(self.numbers), {}
        for path, run in self.runs.items():
            depths = [self.depth(run, region) for region in self.regions]
            found = without_repeats(numbers, [positions[call] for call in run], depths)
            if found is None:
                return None
            numbers, uniform[path] = found
        return numbers, uniform

    def joined(self, other: Group, lacked: Difference, kept: Sequence[int]) -> Group | None:
        """This group with the regions of another, if the class then still is one thought.

        Args:
            other: A group without options.
            lacked: What its regions lack.
            kept: Where the units that they have are in the first region.
        """
        known = {frozenset(option.units): option for option in self.options}
        options = [known.get(frozenset(option.units), option) for option in lacked.options]
        new = [option for option in options if option not in self.options]
        runs = self.runs | {tail.path: tail.calls for tail in lacked.tails}
        taken = {unit for units in [*known, *runs.values()] for unit in units}
        if len(self.options) + len(new) > MAX_OPTIONS or not all(taken.isdisjoint(option.units) for option in new):
            return None
        if any(a.value is not b.value for a, b in zip(options, lacked.options, strict=True)):
            return None
        found = Group(
            [*self.regions, *other.regions],
            [*self.numbers, *(dict(_placed(each, kept)) for each in other.numbers)],
            self.key,
            self.defaults,
            [*self.options, *new],
            runs,
            self.absent | dict.fromkeys(other.regions, lacked.units),
        )
        return found if found.arguments <= MAX_PARAMETERS else None

    @property
    def arguments(self) -> float:
        """How many arguments the constructor has; infinite where none could say what differs."""
        distinct = self.distinct_numbers()
        return math.inf if distinct is None else len(find_holes(distinct[0])) + len(self.options) + len(self.runs)


@dataclass(frozen=True, slots=True)
class Tail:
    """The last modules of a list, which a shorter region lacks.

    Attributes:
        path: The list.
        calls: The calls of all its modules in the longer region.
        depth: How many the shorter one has.
    """

    path: str
    calls: Sequence[Region]
    depth: int


@dataclass(frozen=True, slots=True)
class Difference:
    """What a shorter region lacks."""

    options: Sequence[Option]
    tails: Sequence[Tail]

    @property
    def units(self) -> frozenset[Expr | Region]:
        """All of it."""
        optional = frozenset(unit for option in self.options for unit in option.units)
        return optional.union(*(tail.calls[tail.depth :] for tail in self.tails))

    @property
    def omission(self) -> Omission:
        """How the longer region does without it."""
        passed = {tail.calls[-1].results[0]: tail.calls[tail.depth - 1].results[0] for tail in self.tails}
        return Omission(self.units, passed | {option.result: option.value for option in self.options})


class Variants:
    """Joins groups of one name whose classes differ by options.

    Two groups are joined where one is the other without a few parts (at most ``MAX_OPTIONS``), each of which takes a
    value and gives one that can be replaced by it. A part is members with what happens around them, or one of
    ``OPERATIONS``; all parts together are no longer than what the two classes share, and the further arguments take
    fewer lines than the second class did. A list of modules that are called one after the other may have fewer of them,
    if all but the first are built alike.

    Args:
        classes: The classes of the regions' children.
        sizes: Where regions find symbolic sizes.
    """

    def __init__(self, classes: Mapping[Region, ClassDef], sizes: Mapping[Region, Sizes]) -> None:
        self.classes = classes
        self.sizes = sizes

    def join(self, groups: Sequence[Group]) -> list[Group]:
        """The groups, those joined that can be; the longest take in the shorter ones."""
        if len(groups) > MAX_VARIANTS:
            return list(groups)
        waiting = sorted(groups, key=lambda group: len(group.regions[0].all_units), reverse=True)
        joined: list[Group] = []
        while waiting:
            longest, *others = waiting
            found, waiting = self._with_all(longest, others, one_by_one=False)
            if not _is_shorter(found, [longest, *(other for other in others if other not in waiting)]):
                found, waiting = self._with_all(longest, others, one_by_one=True)
            joined.append(found)
        return joined

    def _with_all(self, group: Group, others: Sequence[Group], *, one_by_one: bool) -> tuple[Group, list[Group]]:
        """A group with the shorter ones that can be joined to it, and the groups that cannot.

        Args:
            group: The group.
            others: Shorter groups.
            one_by_one: Whether each of them must make the code shorter.
        """
        left: list[Group] = []
        for other in others:
            found = self._joined(group, other)
            if found is None or (one_by_one and not _is_shorter(found, [group, other])):
                left.append(other)
            else:
                group = found
        return group, left

    def _joined(self, group: Group, other: Group) -> Group | None:
        """A group with a shorter one, if that is this one without options."""
        printed, region = group.regions[0], other.regions[0]
        units = printed.all_units
        for kept in self._alignments(printed, region):
            lacked = self._difference(printed, region, [units[position] for position in kept])
            if lacked is None:
                continue
            if structure_of(printed, self.classes, self.sizes[printed], lacked.omission).key != other.key:
                continue
            if found := group.joined(other, lacked, kept):
                return found
        return None

    def _alignments(self, printed: Region, region: Region) -> Iterator[list[int]]:
        """Where the units of a shorter region may be in the longer one: as early as can be, or as late."""
        longer, shorter = self._labels(printed), self._labels(region)
        for step in (1, -1):
            wanted = shorter[::step]
            kept: list[int] = []
            for position in range(len(longer))[::step]:
                if len(kept) < len(wanted) and longer[position] == wanted[len(kept)]:
                    kept.append(position)
            if len(kept) == len(wanted) < len(longer):
                yield kept[::step]

    def _labels(self, region: Region) -> list[tuple[object, str | None]]:
        return [
            (id(self.classes[unit]) if isinstance(unit, Region) else unit.op, region.members.get(unit))
            for unit in region.all_units
        ]

    def _difference(self, printed: Region, region: Region, kept: Sequence[Expr | Region]) -> Difference | None:
        """What the longer region has more than the shorter, if a value can go past each part."""
        held = set(kept)
        tails = [tail for tail in map(partial(_tail, printed, held), find_loops(printed).values()) if tail]
        held.update(*(tail.calls for tail in tails))
        extra = [unit for unit in printed.all_units if unit not in held]
        if _text(extra, deep=False) > _text(kept, deep=True) or not set(extra) <= set(printed.units):
            return None
        options: list[Option] = []
        passed = _passed(printed, region, kept)
        for tail in tails:
            last = passed.get(tail.calls[tail.depth - 1].results[0])
            if last is not None:
                passed.setdefault(tail.calls[-1].results[0], last)
        for part in _connected(extra):
            found = self._option(printed, part, passed)
            if found is None:
                return None
            options.append(found)
        return Difference(options, tails)

    def _option(self, printed: Region, part: list[Expr | Region], passed: Mapping[Expr, Expr]) -> Option | None:
        """A part as an option, if it is one that people would write."""
        inside = set(part)
        made = {value for unit in part for value in _results(unit)}
        others = [unit for unit in printed.units if unit not in inside]
        used = dict.fromkeys([value for unit in others for value in operands_of(unit)] + printed.results)
        results = [value for value in used if value in made]
        if len(results) != 1 or any(map(_is_bound, part)):
            return None
        result = results[0]
        given = [value for unit in part for value in operands_of(unit) if value not in made]
        value = next((value for value in given if passed.get(value, value) is passed.get(result)), None)
        if value is None or kind_of(value) != kind_of(result) or isinstance(value.fact, tuple) or value.fact.host:
            return None
        is_member = self._is_member(printed, part, value)
        if not is_member and not _can_be_branch(printed, part):
            return None
        return Option(tuple(part), value, result, is_member)

    def _is_member(self, printed: Region, part: Sequence[Expr | Region], value: Expr) -> bool:
        """Whether a part is one member that takes a value and nothing else."""
        only, *more = part
        path = printed.members.get(only, ".")
        if more or "." in path or operands_of(only) != (value,) or list(printed.members.values()).count(path) > 1:
            return False
        return not self.sizes[only].arguments if isinstance(only, Region) else is_layer(only)


def _tail(printed: Region, held: Collection[Expr | Region], loop: Loop) -> Tail | None:
    """The end of a list that is all called in a loop, if the shorter region has the beginning and nothing else."""
    path = printed.members[loop.calls[0]].rpartition(".")[0]
    depth = sum(call in held for call in loop.calls)
    if depth in (0, len(loop.calls)) or any(call in held for call in loop.calls[depth:]):
        return None
    inside = [member for member in printed.members.values() if member.startswith(f"{path}.")]
    is_whole = inside == [f"{path}.{number}" for number in range(len(loop.calls))]
    return Tail(path, loop.calls, depth) if is_whole else None


def _placed(numbers: Mapping[Site, Number], places: Sequence[int]) -> Iterator[tuple[Site, Number]]:
    """The numbers of a region at the sites that they have in a longer one."""
    for (position, *rest), number in numbers.items():
        assert isinstance(position, int)
        yield (places[position], *rest), number


def called(region: Region, option: Option) -> str:
    """What an option is called that is more than a member."""
    paths = [region.members[unit] for unit in option.units if unit in region.members]
    if paths:
        return f"has_{paths[0].split('.')[0]}"
    (only,) = option.units
    return OPERATIONS[only.op] if isinstance(only, Expr) else ""


def _passed(printed: Region, region: Region, kept: Sequence[Expr | Region]) -> dict[Expr, Expr]:
    """The values of the shorter region that stand where the longer one has these."""
    pairs = list(zip(printed.params, region.params, strict=False))
    for unit, own in zip(kept, region.all_units, strict=True):
        pairs += zip(operands_of(unit), operands_of(own), strict=False)
        pairs += zip(_results(unit), _results(own), strict=False)
    pairs += zip(printed.results, region.results, strict=False)
    return dict(reversed(pairs))  # what is first counts


def _connected(units: Sequence[Expr | Region]) -> list[list[Expr | Region]]:
    """The parts of which none takes anything from another, in order of their ends."""
    makers = {value: unit for unit in units for value in _results(unit)}
    parts: dict[Expr | Region, list[Expr | Region]] = {}
    for unit in units:
        part: list[Expr | Region] = []
        for before in dict.fromkeys(makers[value] for value in operands_of(unit) if value in makers):
            if parts[before] is not part:
                part += parts[before]
                parts.update(dict.fromkeys(parts[before], part))
        part.append(unit)
        parts[unit] = part
        parts.update(dict.fromkeys(part, part))
    order = {unit: position for position, unit in enumerate(units)}
    found = {id(part): sorted(part, key=order.__getitem__) for part in parts.values()}
    return sorted(found.values(), key=lambda part: order[part[-1]])


def _results(unit: Expr | Region) -> list[Expr]:
    return unit.results if isinstance(unit, Region) else [unit]


def _is_bound(unit: Expr | Region) -> bool:
    """Whether a unit must be computed where it is, or has code of its own."""
    if isinstance(unit, Region):
        return False
    return bool(blocks(unit)) or (unit.op in SYMBOLS and bool(SYMBOLS[unit.op].effect))


def _can_be_branch(printed: Region, part: Sequence[Expr | Region]) -> bool:
    """Whether a part reads well below an ``if``: whole members with what happens around them, or an operation."""
    heads = {printed.members[unit].split(".")[0] for unit in part if unit in printed.members}
    if not heads:
        only, *more = part
        return not more and isinstance(only, Expr) and only.op in OPERATIONS
    whole = {unit for unit, path in printed.members.items() if path.split(".")[0] in heads}
    loops = {call for loop in find_loops(printed).values() for call in loop.calls}
    return whole <= set(part) and loops.isdisjoint(part)


def _is_shorter(group: Group, parts: Sequence[Group]) -> bool:
    """Whether less is written for a class than for those that it stands for.

    What these classes say is saved, but for one; further arguments are declared and handed over.
    """
    saved = sum(LINES_OF_CLASS + len(part.regions[0].units) for part in parts[1:])
    return saved >= 2 * (group.arguments - max(part.arguments for part in parts))


def _text(units: Iterable[Expr | Region], *, deep: bool) -> int:
    """How often something is written for units: a layer or child is built and called.

    Args:
        units: The units.
        deep: Whether what is below a child counts in its place.
    """
    inner = [each for unit in units for each in (unit.walk() if deep and isinstance(unit, Region) else (unit,))]
    written = [unit for each in inner for unit in (each.units if deep and isinstance(each, Region) else [each])]
    exprs = [unit for unit in written if isinstance(unit, Expr) and unit.op not in LEAVES]
    return sum(1 + is_layer(unit) for unit in exprs) + 2 * sum(isinstance(unit, Region) for unit in written) * (
        not deep
    )
