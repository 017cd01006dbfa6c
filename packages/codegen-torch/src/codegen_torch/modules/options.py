"""Classes that differ by a part that a value can go past become one, with the part as an option.

A shortcut with a projection or without, a residual that is added or not, the first block of a stage that samples down.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from codegen_torch.emit.plan import find_loops, operands_of
from codegen_torch.expr import Expr
from codegen_torch.modules.arguments import MAX_PARAMETERS, find_holes
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
        lacking: The options that a region does without.
    """

    regions: list[Region]
    numbers: list[Mapping[Site, Number]]
    key: Hashable
    defaults: dict[Site, Number] = field(default_factory=dict)
    options: list[Option] = field(default_factory=list)
    lacking: dict[Region, list[Option]] = field(default_factory=dict)

    def add(self, region: Region, structure: Structure) -> None:
        """Add a region of the same structure."""
        self.regions.append(region)
        self.numbers.append(structure.numbers)
        self.defaults.update(structure.defaults)

    def take(self, other: Group, lacked: Sequence[Option], kept: Sequence[int]) -> bool:
        """Take in the regions of another group, if that makes the code shorter and the class still is one thought.

        Args:
            other: A group without options.
            lacked: What its regions lack.
            kept: Where the units that they have are in the first region.
        """
        known = {frozenset(option.units): option for option in self.options}
        options = [known.get(frozenset(option.units), option) for option in lacked]
        new = [option for option in options if option not in self.options]
        taken = {unit for units in known for unit in units}
        numbers = [dict(_placed(each, kept)) for each in other.numbers]
        if len(self.options) + len(new) > MAX_OPTIONS or not all(taken.isdisjoint(option.units) for option in new):
            return False
        if any(a.value is not b.value for a, b in zip(options, lacked, strict=True)):
            return False
        before = max(len(find_holes(self.numbers)), len(find_holes(other.numbers)))
        after = len(find_holes([*self.numbers, *numbers])) + len(new)
        # What is saved against what is declared and handed over.
        if LINES_OF_CLASS + len(other.regions[0].units) < 2 * (after - before):
            return False
        if after + len(self.options) > MAX_PARAMETERS:
            return False
        self.regions += other.regions
        self.numbers += numbers
        self.options += new
        self.lacking.update(dict.fromkeys(other.regions, options))
        return True


class Variants:
    """Joins groups of one name whose classes differ by options.

    Two groups are joined where one is the other without a few parts (at most ``MAX_OPTIONS``), each of which takes a
    value and gives one that can be replaced by it. A part is members with what happens around them, or one of
    ``OPERATIONS``; all parts together are no longer than what the two classes share, and the further arguments take
    fewer lines than the second class did.

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
            waiting = [other for other in others if not self._take(longest, other)]
            joined.append(longest)
        return joined

    def _take(self, group: Group, other: Group) -> bool:
        """Make a shorter group a part of this one, if it is this one without options."""
        printed, region = group.regions[0], other.regions[0]
        units = printed.all_units
        for kept in self._alignments(printed, region):
            options = self._options(printed, region, [units[position] for position in kept])
            if options is None:
                continue
            omission = Omission(
                frozenset(unit for option in options for unit in option.units),
                {option.result: option.value for option in options},
            )
            if structure_of(printed, self.classes, self.sizes[printed], omission).key != other.key:
                continue
            if group.take(other, options, kept):
                return True
        return False

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

    def _options(self, printed: Region, region: Region, kept: Sequence[Expr | Region]) -> list[Option] | None:
        """What the longer region has more than the shorter, if a value can go past each part."""
        extra = [unit for unit in printed.all_units if unit not in set(kept)]
        if _text(extra) > _text(kept) or not set(extra) <= set(printed.units):
            return None
        options: list[Option] = []
        passed = _passed(printed, region, kept)
        for part in _connected(extra):
            found = self._option(printed, part, passed)
            if found is None:
                return None
            options.append(found)
        return options

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


def _text(units: Iterable[Expr | Region]) -> int:
    """How often something is written for units and what is below them: a layer is built and called."""
    inner = [each for unit in units for each in (unit.walk() if isinstance(unit, Region) else (unit,))]
    exprs = [unit for each in inner for unit in (each.units if isinstance(each, Region) else [each])]
    return sum(1 + is_layer(unit) for unit in exprs if isinstance(unit, Expr) and unit.op not in LEAVES)
