"""What instances have in common, and what stands in its holes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

from dataflow_ir.functions import Lambda
from dataflow_ir.linear import FIXED, PARAM, Line
from dataflow_ir.lockstep import OUTSIDE, Series, Window, outside
from dataflow_ir.node import Node, inp

Kind = Literal["carry", "shared", "param", "const", "input"]


@dataclass(slots=True)
class General:
    """A series with its holes.

    Attributes:
        line: The row that the instances are in.
        series: The instances.
        kinds: The kind of each hole.
        values: For each hole what stands in it, one operand for each instance.
        inlets: For each operand from outside its hole; or, negative, the constant that it is everywhere.
        outputs: The offsets of what is used outside of some instance.
    """

    line: Line
    series: Series
    kinds: list[Kind]
    values: list[tuple[int, ...]]
    inlets: list[int]
    outputs: list[int]

    @property
    def gain(self) -> int:
        """How many nodes are saved by writing the body once, less what passing values costs."""
        windows = self.series.windows
        passed = len(self.kinds) - sum(self.parameters) + len(self.outputs) - 1
        return (len(windows) - 1) * len(windows[0]) - len(windows) * passed

    @property
    def parameters(self) -> list[bool]:
        """Tell of each hole whether it takes parameters alone, be it always the same one."""
        return [all(self.line.kind(i) == PARAM for i in values) for values in self.values]

    @property
    def structure(self) -> Hashable:
        """The same for instances that are wired alike, of nodes with the same tokens."""
        series = self.series
        return tuple([self.line.tokens[v] for v in series.windows[0]]), series.wiring


def generalise(line: Line, series: Series) -> General:
    """Find the holes of a series: operands from outside are one hole if they are the same in every instance."""
    windows = series.windows
    columns = [outside(line, window, series.wiring) for window in windows]
    holes: dict[tuple[int, ...], int] = {}
    kinds: list[Kind] = []
    inlets = []
    for values, offset in zip(zip(*columns, strict=True), series.carries, strict=True):
        first = values[0]
        same = values.count(first) == len(values)
        if same and first < 0 and line.kind(first) == FIXED:
            inlets.append(first)
            continue
        if values not in holes:
            holes[values] = len(holes)
            kinds.append("shared" if same else "carry" if offset != OUTSIDE else _kind(line, values))
        inlets.append(holes[values])
    inner = Counter(series.wiring)
    used = line.used
    outputs = {offset for window in windows for offset, v in enumerate(window) if used[v] > inner[offset]}
    return General(line, series, kinds, list(holes), inlets, sorted(outputs))


def _kind(line: Line, values: tuple[int, ...]) -> Kind:
    kinds = {line.kind(i) for i in values}
    return "param" if kinds == {PARAM} else "const" if kinds == {FIXED} else "input"


@dataclass(frozen=True, slots=True)
class Body:
    """The code of a repeat, its nodes in the order in which every instance has them."""

    code: Lambda
    nodes: tuple[Node, ...]


class Bodies:
    """Makes the body of each series; equal ones are the same object."""

    def __init__(self) -> None:
        self.known: dict[Hashable, Body] = {}

    def of(self, general: General) -> Body:
        """Return the body of a series."""
        line, series = general.line, general.series
        label = line.reading.label
        window = series.windows[0]
        key = (
            tuple([label(line.nodes[v]) for v in window]),
            series.wiring,
            tuple([i if i >= 0 else _label(line.node(i), label) for i in general.inlets]),
            tuple(general.kinds),
            tuple(general.outputs),
        )
        if key not in self.known:
            self.known[key] = _body(general, window)
        return self.known[key]


def _label(v: Node | None, label: Callable[[Any], Hashable]) -> Hashable:
    return None if v is None else (label(v),)


def _body(general: General, window: Window) -> Body:
    line = general.line
    numbers: Counter[str] = Counter()
    params = []
    for kind in general.kinds:
        params.append(inp(f"{kind}{numbers[kind]}"))
        numbers[kind] += 1
    made: list[Any] = []
    wires = iter(general.series.wiring)
    inlets = iter(general.inlets)
    for v in window:
        inputs = []
        for wire in [next(wires) for _ in line.operands[v]]:
            if wire != OUTSIDE:
                inputs.append(made[wire])
                continue
            inlet = next(inlets)
            inputs.append(params[inlet] if inlet >= 0 else line.node(inlet))
        made.append(line.nodes[v].rebuild(tuple(inputs)))
    results = [made[offset] for offset in general.outputs]
    return Body(Lambda(params, results[0] if len(results) == 1 else tuple(results)), tuple(made))
