"""Windows of a row compared in lock-step, and the instances that continue them elsewhere in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from dataflow_ir.linear import Line

Window = tuple[int, ...]
"""The numbers of an instance's nodes, in the order that all instances have in common."""

OUTSIDE = -1
"""Stands for an operand from outside of an instance; operands from inside are offsets in the window."""

_CANDIDATES = 16
"""How many users of a value are looked at when the next instance is sought among them."""


@dataclass(slots=True)
class Series:
    """Instances of one thing, found so far.

    Attributes:
        windows: The instances; if they are a chain, in its order.
        wiring: For every operand of every node of an instance its offset, or `OUTSIDE`.
        carries: For every operand from outside the offset of what it is in the instance before, or `OUTSIDE`.
    """

    windows: list[Window]
    wiring: tuple[int, ...]
    carries: tuple[int, ...]

    @property
    def is_chain(self) -> bool:
        """Whether each instance uses the one before."""
        return any(offset >= 0 for offset in self.carries)


def wiring(line: Line, place: dict[int, int]) -> tuple[int, ...]:
    """Return how the operands of a window's nodes are connected; ``place`` has the offset of each node."""
    operands = line.operands
    return tuple([place.get(i, OUTSIDE) for v in place for i in operands[v]])


def outside(line: Line, window: Window, wires: tuple[int, ...]) -> list[int]:
    """Return the operands from outside."""
    operands = line.operands
    every = [i for v in window for i in operands[v]]
    return [i for i, wire in zip(every, wires, strict=True) if wire == OUTSIDE]


def chains(line: Line, windows: Sequence[Window]) -> list[Series]:
    """Split windows that follow each other into series: wired alike inside, and alike to the one before."""
    result: list[Series] = []
    current: Series | None = None
    before: dict[int, int] = {}
    for window in windows:
        place = {v: offset for offset, v in enumerate(window)}
        wires = wiring(line, place)
        if current is not None and current.wiring == wires:
            carries = tuple([before.get(i, OUTSIDE) for i in outside(line, window, wires)])
            if len(current.windows) == 1 or current.carries == carries:
                current.windows.append(window)
                current.carries = carries
                before = place
                continue
        current = Series([window], wires, ())
        result.append(current)
        before = place
    return [series for series in result if len(series.windows) > 1]


def alike(line: Line, windows: Sequence[Window]) -> Series | None:
    """Return those of some windows that are wired as the first one, wherever they are, or None for less than two."""
    first = wiring(line, {v: offset for offset, v in enumerate(windows[0])})
    same = [w for w in windows if wiring(line, {v: offset for offset, v in enumerate(w)}) == first]
    return Series(same, first, (OUTSIDE,) * first.count(OUTSIDE)) if len(same) > 1 else None


def following(line: Line, window: Window, before: int) -> Series:
    """Return the series of one window that uses the last node of another instance, whose number is given."""
    wires = wiring(line, {v: offset for offset, v in enumerate(window)})
    last = len(window) - 1
    return Series([window], wires, tuple([last if i == before else OUTSIDE for i in outside(line, window, wires)]))


def one_before(line: Line, series: Series) -> Window | None:
    """Return the instance that the first one of a chain would follow, if it is there.

    What the first instance has for a carried value must be what the instance before makes of it: from there the
    graph is walked in step with the body.
    """
    seeds: dict[int, int] = {}
    for i, offset in zip(outside(line, series.windows[0], series.wiring), series.carries, strict=True):
        if offset >= 0 and seeds.setdefault(offset, i) != i:
            return None
    if any(i < 0 for i in seeds.values()):
        return None
    return _Fit(line, series).run(list(seeds.items()), {})


def one_after(line: Line, series: Series) -> Window | None:
    """Return the instance that follows the last one of a chain, if it is there, sought among the users."""
    last = series.windows[-1]
    return _Fit(line, series).run([], {at: last[offset] for at, offset in enumerate(series.carries) if offset >= 0})


class _Fit:
    """An attempt to find an instance in step with the first one of a series."""

    def __init__(self, line: Line, series: Series) -> None:
        self.line = line
        model = series.windows[0]
        self.tokens = [line.tokens[v] for v in model]
        self.wires: list[tuple[int, ...]] = []
        self.inlets: list[list[int]] = []  # for each node, which operands from outside it has, by their index
        at = inlet = 0
        for v in model:
            wires = series.wiring[at : at + len(line.operands[v])]
            at += len(wires)
            self.wires.append(wires)
            self.inlets.append([])
            for wire in wires:
                self.inlets[-1].append(inlet if wire == OUTSIDE else OUTSIDE)
                inlet += wire == OUTSIDE
        self.found: list[int] = [OUTSIDE] * len(model)
        self.taken: set[int] = set()

    def run(self, seeds: list[tuple[int, int]], carried: dict[int, int]) -> Window | None:
        """Return the instance that has certain nodes at some offsets, or certain values at some inlets."""
        self.carried = carried
        if not self.descend(seeds):
            return None
        for offset, v in enumerate(self.found):
            if v == OUTSIDE and not self.ascend(offset):
                return None
        if OUTSIDE in self.found or not self.holds():
            return None
        return tuple(self.found)

    def descend(self, pairs: list[tuple[int, int]]) -> bool:
        """Pair offsets with nodes, and so on down their operands."""
        tokens, operands = self.line.tokens, self.line.operands
        while pairs:
            offset, v = pairs.pop()
            if self.found[offset] == v:
                continue
            if v < 0 or self.found[offset] != OUTSIDE or v in self.taken or tokens[v] != self.tokens[offset]:
                return False
            self.found[offset] = v
            self.taken.add(v)
            pairs += [pair for pair in zip(self.wires[offset], operands[v], strict=True) if pair[0] != OUTSIDE]
        return True

    def ascend(self, offset: int) -> bool:
        """Pair an offset with a user of what is known of its operands."""
        known: dict[int, int] = {}
        for at, (wire, inlet) in enumerate(zip(self.wires[offset], self.inlets[offset], strict=True)):
            if wire != OUTSIDE and self.found[wire] != OUTSIDE:
                known[at] = self.found[wire]
            elif inlet in self.carried:
                known[at] = self.carried[inlet]
        if not known:
            return True  # it may be met on the way down from its own users
        source = min(known.values(), key=lambda v: len(self.line.users[v]))
        for v in islice(self.line.users[source], _CANDIDATES):
            operands = self.line.operands[v]
            if v in self.taken or self.line.tokens[v] != self.tokens[offset]:
                continue
            if all(operands[at] == i for at, i in known.items()):
                return self.descend([(offset, v)])
        return False

    def holds(self) -> bool:
        """Tell whether what is carried arrives, and nothing comes from outside that is inside."""
        for offset, v in enumerate(self.found):
            for wire, inlet, i in zip(self.wires[offset], self.inlets[offset], self.line.operands[v], strict=True):
                if wire == OUTSIDE and (i in self.taken or self.carried.get(inlet, i) != i):
                    return False
        return True
