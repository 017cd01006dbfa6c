"""Where the generated model computes the values of the ONNX graph."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence

from codegen_torch.emit.body import Line
from codegen_torch.expr import Expr
from codegen_torch.modules.region import Region, blocks, is_layer
from codegen_torch.names import joined
from codegen_torch.report import Counterpart


def list_counterparts(root: Region, lines: Sequence[Line]) -> list[Counterpart]:
    """What calls of modules and layers give, and what is written in the lines of ``model.py``."""
    paths = _paths(root)
    written = [
        Counterpart(value, paths[region], number, each.text, conditional=each.conditional)
        for number, line in enumerate(lines, 1)
        for each in line.values
        for region, value in each.values
        if region in paths
    ]
    return [*_calls(root, paths), *written]


def _paths(root: Region) -> dict[Region, str]:
    """Where in the model each region's module is, in the order of their calls; blocks have none."""
    paths: dict[Region, str] = {}
    stack = [(root, "")]
    while stack:
        region, path = stack.pop()
        paths[region] = path
        children = [(child, joined(path, region.members[child])) for child in region.children]
        stack.extend(reversed(children))
    return paths


def _calls(root: Region, paths: Mapping[Region, str]) -> Iterator[Counterpart]:
    for region, path in paths.items():
        if region is not root:
            yield from _results(path, region.results)
        units = list(_units(region))
        parts = _parts(unit for unit, _ in units)
        for unit, runs in units:
            if isinstance(unit, Expr) and is_layer(unit):
                yield from _results(joined(path, region.members[unit]), parts.get(unit, [unit]), runs)


class _Runs(enum.Enum):
    """How often something runs when a module is called."""

    ONCE = enum.auto()
    MAYBE = enum.auto()
    REPEATEDLY = enum.auto()


def _units(region: Region) -> Iterator[tuple[Expr | Region, _Runs]]:
    """The units of a region and of its blocks, in the order in which they stand."""
    stack = [(unit, _Runs.ONCE) for unit in reversed(region.units)]
    while stack:
        unit, runs = stack.pop()
        yield unit, runs
        if isinstance(unit, Expr):
            is_branch = unit.op == "control.branch" and runs is not _Runs.REPEATEDLY
            inside = _Runs.MAYBE if is_branch else _Runs.REPEATEDLY
            stack.extend((inner, inside) for block in reversed(blocks(unit)) for inner in reversed(block.units))


def _results(path: str, results: Sequence[Expr | None], runs: _Runs = _Runs.ONCE) -> Iterator[Counterpart]:
    for index, result in enumerate(results):
        if result is not None and (result.origin.value or runs is not _Runs.ONCE):
            value = "" if runs is _Runs.REPEATEDLY else result.origin.value
            at = None if len(results) == 1 else index
            yield Counterpart(value, path, index=at, conditional=runs is not _Runs.ONCE)


def _parts(units: Iterable[Expr | Region]) -> dict[Expr, list[Expr | None]]:
    """The parts that are used of the expressions that give tuples, at their places."""
    parts: dict[Expr, list[Expr | None]] = {}
    for unit in units:
        if isinstance(unit, Expr) and unit.op == "operator.getitem":
            whole = unit.inputs[0]
            found = parts.setdefault(whole, [None] * max(len(whole.fact), 2))
            found[unit.attrs["index"]] = unit
    return parts
