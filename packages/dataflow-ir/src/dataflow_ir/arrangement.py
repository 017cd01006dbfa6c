"""The order in which a row is read, in which whatever has been found to belong together stands together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate
from operator import is_

from dataflow_ir.linear import Line
from dataflow_ir.lockstep import Window
from dataflow_ir.ops import OUT

_NEVER = 1_000_000_000

_REACH = 64
"""How far, in its own lengths, a window may be scattered: what it costs to gather it is in proportion to that."""


class Unit:
    """What is moved and compared as one: a node, or the instances of something found before.

    Attributes:
        token: The same for units that read the same.
        nodes: The numbers of the nodes, inputs before users, in the same order in units with the same token.
        is_instance: Whether it is an instance, so that it alone is nothing new.
        at: Its place in the order.
    """

    __slots__ = ("at", "is_instance", "nodes", "token")

    def __init__(self, token: int, nodes: Window, is_instance: bool = False) -> None:
        self.token = token
        self.nodes = nodes
        self.is_instance = is_instance
        self.at = -1


class Arrangement:
    """A topological order of units: all of them can be taken for single nodes, and no cycle comes of it.

    Attributes:
        units: The units in order, None where one was merged into another.
    """

    def __init__(self, line: Line, units: Iterable[Unit]) -> None:
        self.line = line
        self.units: list[Unit | None] = [*units]
        self.home = {v: unit for unit in self.compress() for v in unit.nodes}

    def compress(self) -> list[Unit]:
        """Close the gaps and return the units in order."""
        units = [unit for unit in self.units if unit is not None]
        for at, unit in enumerate(units):
            unit.at = at
        self.units = [*units]
        return units

    def of(self, window: Window) -> list[Unit]:
        """Return the units of a window in order."""
        return sorted({self.home[v] for v in window}, key=lambda unit: unit.at)

    def stands(self, window: Window) -> bool:
        """Tell whether a window is made of whole units that stand together."""
        members = self.of(window)
        return sum([len(unit.nodes) for unit in members]) == len(window) and self._stand(members)

    def _stand(self, units: list[Unit]) -> bool:
        """Tell whether units stand one after the other."""
        start, stop = units[0].at, units[-1].at + 1
        return start < stop and all(map(is_, self._between(start, stop), units))

    def cuts(self) -> list[int]:
        """Return for every place how many values made before it are used after it, for an order without gaps.

        Nothing is to be cut between a node and its outputs.
        """
        change = [0] * (len(self.units) + 2)
        line, home = self.line, self.home
        for v, users in enumerate(line.users):
            start = home[v].at
            end = len(self.units) if v in line.results else max([home[user].at for user in users], default=start)
            change[start + 1] += 1
            change[end + 1] -= 1
        cuts = list(accumulate(change))
        for unit in self.units:
            if unit is not None and line.nodes[unit.nodes[0]].op == OUT:
                cuts[unit.at] += _NEVER
        return cuts

    def gather(self, window: Window, beside: Window) -> bool:
        """Change the order so that a window stands together, before or after another one, and next to it if may be.

        Returns:
            False, and nothing is changed, if that is impossible or too far: it has a part of a unit, or is not
            convex, or lies on both sides.
        """
        members = self.of(window)
        if sum([len(unit.nodes) for unit in members]) != len(window):
            return False
        others = self.of(beside)
        if members[-1].at < others[0].at:
            start, stop = members[0].at, others[0].at
        elif members[0].at > others[-1].at:
            start, stop = others[-1].at + 1, members[-1].at + 1
        else:
            return False
        if stop - start > _REACH * len(window):
            return False
        return self._part(start, stop, set(members))

    def close(self, windows: list[Window]) -> None:
        """Move what is between windows before or after all of them, if that is possible."""
        members = [unit for window in windows for unit in self.of(window)]
        self._part(members[0].at, members[-1].at + 1, set(members))

    def _part(self, start: int, stop: int, members: set[Unit]) -> bool:
        """Reorder a stretch as what members need, the members, and the rest; return False if they are not convex."""
        early, inside, late = [], [], []
        after: set[Unit] = set()
        for unit in self._between(start, stop):
            needed = {self.home[i] for v in unit.nodes for i in self.line.operands[v] if i >= 0}
            if unit in members:
                if needed & after:
                    return False
                inside.append(unit)
            elif needed & after or needed & members:
                after.add(unit)
                late.append(unit)
            else:
                early.append(unit)
        for at, unit in enumerate(early + inside + late, start):
            self.units[at] = unit
            unit.at = at
        for at in range(start + len(early) + len(inside) + len(late), stop):
            self.units[at] = None
        return True

    def _between(self, start: int, stop: int) -> Iterator[Unit]:
        return (unit for unit in self.units[start:stop] if unit is not None)

    def merge(self, windows: list[Window], token: int, each: int) -> None:
        """Make one unit of windows that stand together one after the other, or else one of each.

        Args:
            windows: The windows, each of which stands together.
            token: The token of the one unit.
            each: The token of a unit that is one window.
        """
        groups = [self.of(window) for window in windows]
        flat = [unit for group in groups for unit in group]
        if self._stand(flat):
            self._replace(flat, Unit(token, tuple([v for window in windows for v in window])))
            return
        for group, window in zip(groups, windows, strict=True):
            self._replace(group, Unit(each, window, is_instance=True))

    def _replace(self, old: list[Unit], new: Unit) -> None:
        for unit in old:
            self.units[unit.at] = None
        new.at = old[0].at
        self.units[new.at] = new
        self.home.update(dict.fromkeys(new.nodes, new))
