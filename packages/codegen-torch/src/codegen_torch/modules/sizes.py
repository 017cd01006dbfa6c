"""How a region learns the sizes it needs: from the tensors it is given or computes, or as arguments."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from codegen_torch.dims import Dim
from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, blocks


@dataclass(eq=False, slots=True)
class Sizes:
    """Where a region finds the symbols in its attributes.

    Attributes:
        sources: For each symbol the tensor and axis it is read from.
        arguments: The symbols that the caller must hand in, in order.
    """

    sources: dict[str, tuple[Expr, int]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def signature(self, places: Mapping[Expr, Hashable]) -> Hashable:
        """The same for two regions that find their sizes at the same places.

        Args:
            places: What a value is called that may be the same in both; one that is not there is in no other region.
        """
        found = tuple(
            (name, places.get(value, value), axis, value.rank) for name, (value, axis) in self.sources.items()
        )
        return found, tuple(self.arguments)


def find_sizes(root: Region) -> dict[Region, Sizes]:
    """The sizes every region needs, children first, so that a parent can hand on what they lack."""
    result: dict[Region, Sizes] = {}
    inputs = {value: number for number, value in enumerate(root.params)}
    for region in root.walk():
        result[region] = _sizes_of(region, result, inputs)
    return result


def _sizes_of(region: Region, known: Mapping[Region, Sizes], inputs: Mapping[Expr, int]) -> Sizes:
    sizes = Sizes()
    available: dict[str, tuple[Expr, int]] = {}
    for param in sorted(region.params, key=lambda param: inputs.get(param, -1)):
        _offer(param, available)
    for unit in region.units:
        needed = known[unit].arguments if isinstance(unit, Region) else sorted(needed_symbols(unit))
        for name in needed:
            if name in available:
                sizes.sources.setdefault(name, available[name])
            elif name not in sizes.arguments:
                sizes.arguments.append(name)
        for value in unit.results if isinstance(unit, Region) else [unit]:
            _offer(value, available)
    return sizes


def _offer(value: Expr, available: dict[str, tuple[Expr, int]]) -> None:
    """Note the sizes that can be read off a tensor."""
    if isinstance(value.fact, tuple) or value.fact.host or value.fact.dims is None:
        return
    for axis, dim in enumerate(value.fact.dims):
        if isinstance(dim, Dim) and dim.name is not None:
            available.setdefault(dim.name, (value, axis))


def needed_symbols(expr: Expr) -> set[str]:
    """The symbols in an expression's attributes and literal operands, and in its blocks."""
    found: set[str] = set()
    for block in blocks(expr):
        found.update(*(needed_symbols(unit) for unit in block.units if isinstance(unit, Expr)))
    for value in (
        *expr.attrs.values(),
        *(o.attrs["value"] for o in expr.inputs if o is not None and o.op == "literal"),
    ):
        for item in _flat(value):
            if isinstance(item, Dim):
                found |= item.symbols()
    return found


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value
