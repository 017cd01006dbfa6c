"""The arguments of a class's constructor: numbers in which its instances differ, and the options that some lack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codegen_torch.expr import Expr
from codegen_torch.modules.definition import Number, Site
from codegen_torch.modules.region import Region
from codegen_torch.names import Identifier, numbered

MAX_PARAMETERS = 12
"""Regions that differ in more numbers than this are different classes."""
_GENERAL = frozenset({"size", "sizes", "shape"})
"""Labels that say less of a number than any other."""
_TURNS = ("Tensor.transpose", "Tensor.permute", "runtime.rotate", "Tensor.contiguous")
_WIDTHS = ("channels", "features", "shape", "size", "dim")
"""How arguments are called that say how wide something is."""


@dataclass(eq=False, slots=True)
class Hole:
    """Sites at which the instances of a class differ in the same way.

    Attributes:
        sites: The sites.
        values: For each instance the number there; None where it leaves the number free, having no such part.
    """

    sites: list[Site]
    values: list[Number | None]

    @property
    def is_free(self) -> bool:
        """Whether an instance leaves it free."""
        return None in self.values

    def agrees(self, values: Sequence[Number | None]) -> bool:
        """Whether these are the same numbers, as far as both are stated."""
        return all(a is None or b is None or repr(a) == repr(b) for a, b in zip(self.values, values, strict=True))

    def add(self, site: Site, values: Sequence[Number | None]) -> None:
        """Take in a site at which the numbers agree."""
        self.sites.append(site)
        self.values = [b if a is None else a for a, b in zip(self.values, values, strict=True)]


def find_holes(instances: Sequence[Mapping[Site, Number]]) -> list[Hole]:
    """The sites at which instances differ; those that agree in every instance share an argument.

    A number that some instances leave free is taken from where the others have the same.

    Args:
        instances: For each instance its numbers.
    """
    sites = dict.fromkeys(site for numbers in instances for site in numbers)
    stated = {site: [numbers.get(site) for numbers in instances] for site in sites}
    holes: dict[Sequence[str], Hole] = {}
    for site, values in stated.items():
        texts = tuple(map(repr, values))
        if None in values or len(set(texts)) == 1:
            continue
        if texts in holes:
            holes[texts].sites.append(site)
        else:
            holes[texts] = Hole([site], values)
    found = list(holes.values())
    for site, values in stated.items():
        if None not in values:
            continue
        differs = len({repr(value) for value in values if value is not None}) > 1
        same = next((hole for hole in found if hole.agrees(values) and (differs or _are_widths(site, hole))), None)
        if same is not None:
            same.add(site, values)
        elif differs:
            found.append(Hole([site], values))
    return found


def without_repeats(
    instances: Sequence[Mapping[Site, Number]], run: Sequence[int], depths: Sequence[int]
) -> tuple[list[Mapping[Site, Number]], bool] | None:
    """The numbers of instances in which some modules of a list need not be told apart; None where they must be.

    Args:
        instances: For each instance its numbers.
        run: Where the calls of the modules are.
        depths: How many of the modules each instance has.

    Returns:
        The numbers without those of modules that are built like one before, and whether all are built like the first.
    """
    is_uniform = True
    places = {position: index for index, position in enumerate(run)}
    for numbers, depth in zip(instances, depths, strict=True):
        labelled: list[dict[Site, str]] = [{} for _ in run]
        for (position, *label), number in numbers.items():
            if position in places:
                labelled[places[position]][tuple(label)] = repr(number)
        if any(each != labelled[1] for each in labelled[2:depth]):
            return None
        is_uniform = is_uniform and all(each == labelled[0] for each in labelled[1:depth])
    dropped = set(run[1 if is_uniform else 2 :])
    return [{site: n for site, n in each.items() if site[0] not in dropped} for each in instances], is_uniform


def parameter_name(region: Region, sites: Sequence[Site], taken: set[str]) -> Identifier:
    """A name for an argument that stands at these sites."""
    heads = _heads(region)
    labels = [heads.get(site) or label_of(site) for site in sites]
    if width := _width(set(labels), taken):
        return Identifier(width)
    position, label = min(enumerate(labels), key=lambda item: (item[1] not in heads.values(), item[1] in _GENERAL))
    unit = region.all_units[place] if isinstance(place := sites[position][0], int) else None
    name = Identifier.like("size" if label in _GENERAL and "size" not in taken else label, "size")
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


def label_of(site: Site) -> str:
    """What the number at a site is called in the constructor it is an argument of."""
    return next(str(part) for part in reversed(site) if isinstance(part, str))


def _are_widths(site: Site, hole: Hole) -> bool:
    """Whether a number that is the same wherever it is stated is so by chance: if it is a width like another."""
    return label_of(site).endswith(_WIDTHS) and label_of(hole.sites[0]).endswith(_WIDTHS)
