"""Classes of the output: what they are made of, and how their instances differ."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region
from codegen_torch.names import ClassName

Site = tuple[Hashable, ...]
"""Where in a region a number stands: the unit's index, then the attribute, then indices into it."""
Number = int | float


@dataclass(frozen=True, slots=True)
class Parameter:
    """An argument of a class's constructor; one without a default must be given."""

    name: str
    type: str
    default: Number | None = None


@dataclass(frozen=True, eq=False, slots=True)
class Option:
    """A part of a class that some instances lack: a value goes past it there.

    Attributes:
        units: The part, in the printed region.
        value: What goes in, and past it.
        result: What comes out.
        is_member: Whether it is one member that takes nothing else, so that ``nn.Identity()`` can stand in its place.
    """

    units: tuple[Expr | Region, ...]
    value: Expr
    result: Expr
    is_member: bool


@dataclass(frozen=True, eq=False, slots=True)
class Run:
    """The modules of a list, called one after the other, of which every instance has as many as it is asked for.

    Attributes:
        calls: The calls in the printed region, which has the most of them.
        is_uniform: Whether the first module is built like the others, which are all alike.
    """

    calls: tuple[Region, ...]
    is_uniform: bool


@dataclass(eq=False, slots=True)
class ClassDef:
    """A class of the output, and the regions that are its instances.

    Attributes:
        base: The name the class should have.
        regions: Its instances; the first one is printed, and has every option.
        parameters: The constructor's arguments.
        holes: Which argument stands at a site of the printed region.
        literals: The numbers at sites that the printed region leaves free.
        arguments: For each instance, the arguments' values; those it leaves free are missing.
        defaults: What arguments are that nobody states.
        options: By the argument that asks for it, what instances may have or not.
        runs: By the argument that says how many, the modules of which instances have different numbers.
        absent: The units of the printed region that an instance does without.
        inline: Whether instances are written out where they are built (``nn.Sequential(…)``) and no class is needed.
            The holes then are all numbers, and arguments are by site.
    """

    base: ClassName
    regions: list[Region]
    parameters: list[Parameter] = field(default_factory=list)
    holes: dict[Site, str] = field(default_factory=dict)
    literals: dict[Site, Number] = field(default_factory=dict)
    arguments: dict[Region, dict[Hashable, Number]] = field(default_factory=dict)
    defaults: dict[Hashable, Number] = field(default_factory=dict)
    options: dict[str, Option] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    absent: dict[Region, frozenset[Expr | Region]] = field(default_factory=dict)
    inline: bool = False
    name: str = ""

    @property
    def printed(self) -> Region:
        """The region whose code is the class's."""
        return self.regions[0]

    def aligned(self, region: Region) -> list[Expr | Region | None]:
        """The units of an instance, in the places that they have in the printed one; None for those it lacks."""
        absent = self.absent.get(region, frozenset())
        own = iter(region.all_units)
        return [None if unit in absent else next(own) for unit in self.printed.all_units]

    def optional_units(self) -> Iterator[Expr | Region]:
        """What an instance is without, in all instances that have it."""
        optional = {unit for absent in self.absent.values() for unit in absent}
        positions = [index for index, unit in enumerate(self.printed.all_units) if unit in optional]
        for region in self.regions if positions else ():
            units = self.aligned(region)
            yield from (unit for index in positions if (unit := units[index]) is not None)
