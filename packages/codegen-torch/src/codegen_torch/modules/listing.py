"""The modules of a generated model by their paths, with what each one does itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from codegen_torch.expr import Expr
from codegen_torch.modules.definition import ClassDef
from codegen_torch.modules.members import MODULES_OF_FUNCTIONS
from codegen_torch.modules.region import Region, is_layer
from codegen_torch.names import joined
from codegen_torch.report import SourceModule


def list_modules(root: Region, classes: Mapping[Region, ClassDef]) -> list[SourceModule]:
    """Every module and layer below ``root``, the model itself first, each before what is in it."""
    found: dict[str, tuple[str, list[int]]] = {}
    stack: list[tuple[str, Expr | Region]] = [("", root)]
    while stack:
        path, unit = stack.pop()
        _, nodes = found.setdefault(path, (_class_of(unit, classes), []))
        if isinstance(unit, Expr):
            nodes += unit.origin.nodes
            continue
        inner = list(_members(path, unit))
        nodes += [node for own, each in inner if own is None and isinstance(each, Expr) for node in each.origin.nodes]
        stack += [(own, each) for own, each in reversed(inner) if own is not None]
    return [SourceModule(path, name, tuple(sorted(set(nodes)))) for path, (name, nodes) in found.items()]


def _members(path: str, region: Region) -> Iterator[tuple[str | None, Expr | Region]]:
    """What happens in a region, with the path of the module or layer that does it; None where its own code does."""
    for unit in region.all_units:
        name = region.members.get(unit)
        if name is None or not (isinstance(unit, Region) or is_layer(unit)):
            yield None, unit
        else:
            yield joined(path, name), unit


def _class_of(unit: Expr | Region, classes: Mapping[Region, ClassDef]) -> str:
    if isinstance(unit, Expr):
        return str(unit.op)
    if unit.is_operation and isinstance(unit.units[0], Expr) and unit.units[0].op in MODULES_OF_FUNCTIONS:
        return MODULES_OF_FUNCTIONS[unit.units[0].op]
    return classes[unit].name or "nn.Sequential"
