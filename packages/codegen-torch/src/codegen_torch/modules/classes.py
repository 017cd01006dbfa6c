"""Equal regions become one class; what differs between them becomes an argument of its constructor."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping

from dataflow_ir import Node, sccs

from codegen_torch.emit.naming import MODULE_NAMES
from codegen_torch.expr import Expr
from codegen_torch.modules.arguments import MAX_PARAMETERS, Hole, find_holes, parameter_name
from codegen_torch.modules.definition import ClassDef, Number, Option, Parameter, Run, Site
from codegen_torch.modules.options import Group, Variants, called
from codegen_torch.modules.params import arrange_params, learned_values
from codegen_torch.modules.region import Region
from codegen_torch.modules.sizes import Sizes
from codegen_torch.modules.structure import structure_of
from codegen_torch.names import ClassName, Identifier, numbered, singular

MIN_STEPS, MIN_PLACES = 4, 3
"""A chain of so many modules that stands in so many places is a class, not ``nn.Sequential(…)`` in each of them."""


def assign_classes(root: Region, sizes: dict[Region, Sizes]) -> dict[Region, ClassDef]:
    """The class of every region, children's before parents'."""
    learned = learned_values(root.results)
    result: dict[Region, ClassDef] = {}
    variants = Variants(result, sizes)
    for level in _levels(root):
        groups: dict[Hashable, Group] = {}
        for region in level:
            structure = structure_of(region, result, sizes[region])
            group = groups.setdefault(structure.key, Group([], [], structure.key))
            group.add(region, structure)
        parts = [part for group in groups.values() for part in _parts(group)]
        for group in _joined(parts, root, variants):
            if group.regions[0] is not root:
                arrange_params(group.regions, learned, root.params)
            definition = _define(group)
            result.update(dict.fromkeys(group.regions, definition))
    return result


def _levels(root: Region) -> Iterator[list[Region]]:
    """The regions, children before parents, and together those that may become one class.

    Those are the ones that the file gives the same class, however deep each of them is; but where modules of a class
    are inside one another, and where the file tells none, they are those of the same height.
    """
    heights: dict[Region, int] = {}
    for region in root.walk():
        heights[region] = max((heights[child] + 1 for child in region.children), default=0)
    families: dict[Hashable, Node] = {}
    inside: dict[Node, list[Region]] = {}
    for region in heights:
        family = families.setdefault(_family(region, heights), Node(None))
        inside.setdefault(family, []).append(region)
    for node, regions in inside.items():
        children = [families[_family(child, heights)] for region in regions for child in region.children]
        node.inputs = tuple(dict.fromkeys(children))
    for component in sccs(list(inside)):
        regions = [region for node in component for region in inside[node]]
        if len(component) == 1 and component[0] not in component[0].inputs:
            yield regions
            continue
        levels: dict[int, list[Region]] = {}
        for region in regions:
            levels.setdefault(heights[region], []).append(region)
        yield from (levels[height] for height in sorted(levels))


def _family(region: Region, heights: Mapping[Region, int]) -> Hashable:
    return heights[region] if _is_inline(region) or not region.path or region.cls is None else region.cls


def _parts(group: Group) -> Iterator[Group]:
    """The whole group where one class with few arguments serves it, else those that are equal."""
    if _is_inline(group.regions[0]) or len(find_holes(group.numbers)) <= MAX_PARAMETERS:
        yield group
        return
    equal: dict[Hashable, Group] = {}
    for region, numbers in zip(group.regions, group.numbers, strict=True):
        part = equal.setdefault(tuple(map(repr, numbers.items())), Group([], [], group.key, group.defaults))
        part.regions.append(region)
        part.numbers.append(numbers)
    yield from equal.values()


def _joined(groups: Iterable[Group], root: Region, variants: Variants) -> Iterator[Group]:
    """The groups; variants of a class with a name are one."""
    named: dict[str, list[Group]] = {}
    for group in groups:
        first = group.regions[0]
        if first is root or first.sequential or _is_inline(first):
            yield group
        else:
            named.setdefault(_base_name(first), []).append(group)
    for alike in named.values():
        yield from variants.join(alike)


def _define(group: Group) -> ClassDef:
    first = group.regions[0]
    is_nameless = _is_inline(first)
    inline = is_nameless and not _is_worth_a_class(group)
    definition = ClassDef(_chain_name(first) if is_nameless else _base_name(first), group.regions, inline=inline)
    if definition.inline:
        definition.defaults = dict[Hashable, Number](group.defaults.items())
        for region, numbers in zip(group.regions, group.numbers, strict=True):
            definition.arguments[region] = dict[Hashable, Number](numbers.items())
        return definition
    distinct = group.distinct_numbers()
    assert distinct is not None
    instances, uniform = distinct
    holes = find_holes(instances)
    taken = {path.split(".")[0] for path in first.members.values()}
    parameters: list[Parameter] = []
    for hole in holes:
        name = parameter_name(first, hole.sites, taken)
        taken.add(name)
        parameters.append(Parameter(name, _type(hole), _default(hole, group.defaults)))
        definition.holes.update(dict.fromkeys(hole.sites, name))
        for region, value in zip(group.regions, hole.values, strict=True):
            if value is not None:
                definition.arguments.setdefault(region, {})[name] = value
    definition.literals = _literals(instances, definition.holes)
    for path, run in group.runs.items():
        name = Identifier(numbered("depth", taken))
        taken.add(name)
        definition.runs[name] = Run(tuple(run), uniform[path])
        parameters.append(Parameter(name, "int"))
        for region in group.regions:
            definition.arguments.setdefault(region, {})[name] = group.depth(run, region)
    for option in group.options:
        name = _option_name(first, option, taken)
        taken.add(name)
        definition.options[name] = option
        parameters.append(Parameter(name, "bool", default=False))
        for region in group.regions:
            is_there = option.units[0] not in group.absent.get(region, ())
            definition.arguments.setdefault(region, {})[name] = is_there
    definition.absent = group.absent
    # What must be given comes first, what switches something on comes last.
    definition.parameters = sorted(parameters, key=lambda p: (p.default is not None, p.type == "bool"))
    definition.defaults = {p.name: p.default for p in parameters if p.default is not None}
    return definition


def _type(hole: Hole) -> str:
    stated = [value for value in hole.values if value is not None]
    if all(isinstance(value, bool) for value in stated):
        return "bool"
    return "int" if all(isinstance(value, int) for value in stated) else "float"


def _default(hole: Hole, defaults: Mapping[Site, Number]) -> Number | None:
    """What an argument is that nobody states: what torch's own are, if an instance leaves it at that."""
    found = {repr(defaults.get(site)): defaults.get(site) for site in hole.sites}
    default = next(iter(found.values())) if len(found) == 1 else None
    if hole.is_free:
        return default if default is not None else 1
    return default if any(repr(value) == repr(default) for value in hole.values) else None


def _literals(instances: Iterable[Mapping[Site, Number]], holes: Mapping[Site, str]) -> dict[Site, Number]:
    """The numbers that are the same wherever they are stated, but not stated in the first instance."""
    first, *others = instances
    stated = {site: number for numbers in others for site, number in numbers.items()}
    return {site: number for site, number in stated.items() if site not in first and site not in holes}


def _is_inline(region: Region) -> bool:
    if not region.path:
        return False
    return region.is_operation or (region.sequential and region.cls in (None, "Sequential"))


def _is_worth_a_class(group: Group) -> bool:
    """Whether a chain is written out so often, and is so long, that a class of it is shorter."""
    first = group.regions[0]
    if first.is_operation or len(first.units) < MIN_STEPS or len(find_holes(group.numbers)) > MAX_PARAMETERS:
        return False
    places = {tuple(part for part in region.path.split(".") if not part.isdecimal()) for region in group.regions}
    return len(places) >= MIN_PLACES


def _chain_name(chain: Region) -> ClassName:
    """What people call a chain that the file has no class for."""
    has_convolution = any(isinstance(unit, Expr) and "Conv" in unit.op for unit in chain.units)
    return ClassName("ConvBlock" if has_convolution else "Block")


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


def _option_name(region: Region, option: Option, taken: set[str]) -> Identifier:
    """The member's own name where the member shows whether it is there; else what a module can ask itself."""
    path = region.members.get(option.units[0], "")
    # An argument hides a class, or a module, of its name.
    if option.is_member and path[:1].islower() and path not in MODULE_NAMES:
        return Identifier(path)
    return Identifier(numbered(Identifier.like(called(region, option)), taken))
