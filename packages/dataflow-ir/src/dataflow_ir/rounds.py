"""The search for repeats in one row, round by round, in which what has been found becomes a unit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dataflow_ir.arrangement import Arrangement, Unit
from dataflow_ir.generalise import General, generalise
from dataflow_ir.linear import Key, Line
from dataflow_ir.lockstep import Series, Window, alike, chains, following, one_after, one_before
from dataflow_ir.periods import blocks, likely_periods, runs, smallest_period

_ROUNDS = 8
"""How often the row is searched; each round finds what the one before has made adjacent."""

_PHASES = 4
"""How many phases of a run are tried of those that cut equally few values."""

_EFFORT = 8
"""How many nodes are looked at in a round to continue series, for each node of the row."""

Seek = Callable[[Line, Series], Window | None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is worth finding.

    Attributes:
        min_len: The smallest number of nodes.
        min_count: The smallest number of instances.
        hint: Where a node comes from; it decides between what is otherwise equal.
    """

    min_len: int
    min_count: int
    hint: Key | None


@dataclass(slots=True)
class Found:
    """A repeat, and the units that its body was made of when it was found, with offsets for nodes."""

    general: General
    units: list[Unit]


def find(line: Line, units: Iterable[Unit], options: Options) -> list[Found]:
    """Return the repeats in a row, those inside of others first."""
    return _Search(line, units, options).run()


@dataclass(slots=True)
class _Grown:
    """A series, and the instances that continue it, the nearest ones first."""

    series: Series
    before: list[Window] = field(default_factory=list)
    after: list[Window] = field(default_factory=list)


class _Search:
    def __init__(self, line: Line, units: Iterable[Unit], options: Options) -> None:
        self.line = line
        self.arrangement = Arrangement(line, units)
        self.options = options
        self.found: list[Found] = []

    def run(self) -> list[Found]:
        line, least = self.line, self.options.min_count
        for _ in range(_ROUNDS):
            self.row = self.arrangement.compress()
            self.tokens = [unit.token for unit in self.row]
            self.cuts = self.arrangement.cuts()
            self.effort = _EFFORT * len(line.nodes)
            if self.tandems(max(3, least)) or (least == 2 and self.tandems(2)):
                continue
            if not (self.bridged() or self.scattered()):
                break
        return self.found

    def tandems(self, least: int) -> bool:
        """Find runs of so many instances, the largest first, and tell whether there are any."""
        before = len(self.found)
        candidates = []
        for period in likely_periods(self.tokens):
            for start, end in runs(self.tokens, period, least):
                size = sum([len(unit.nodes) for unit in self.row[start : start + period]])
                if size >= self.options.min_len:
                    count = (end - start) // period
                    candidates.append(((1 - count) * size, period, start, end))
        for _, period, start, end in sorted(candidates):
            start, end = self._still_free(start, end)
            if end - start >= least * period and self._is_new(start, period):
                self._run(start, end, period, least)
        return len(self.found) > before

    def _still_free(self, start: int, end: int) -> tuple[int, int]:
        """Return what is left of a stretch if what has been found since is at its ends alone, else nothing."""
        units, row = self.arrangement.units, self.row
        while start < end and units[start] is not row[start]:
            start += 1
        while start < end and units[end - 1] is not row[end - 1]:
            end -= 1
        return (start, end) if units[start:end] == row[start:end] else (start, start)

    def _is_new(self, start: int, length: int) -> bool:
        """Tell whether a window is neither a node, nor an instance found before, nor itself a repetition."""
        if length == 1:
            return not self.row[start].is_instance and len(self.row[start].nodes) > 1
        shorter = smallest_period(self._read(start, length))
        return shorter == length or length % shorter != 0

    def _run(self, start: int, end: int, period: int, least: int) -> None:
        """Find the best phase of a run and take the series that it gives."""
        best: tuple[int, list[_Grown]] = (0, [])
        for phase in self._phases(start, end, period):
            count = (end - start - phase) // period
            firsts = [start + phase + period * n for n in range(count)]
            grown = self._grow(chains(self.line, [self._window(first, period) for first in firsts]))
            instances = sum([len(series.before) + len(series.series.windows) + len(series.after) for series in grown])
            if instances > best[0]:
                best = instances, grown
        for series in best[1]:
            self._take(series, least)

    def _phases(self, start: int, end: int, period: int) -> list[int]:
        """Return the best phases of a run.

        They cut few values. Of those come first: what gives many instances, what the hint is for, what is cut at a
        value of many uses (after a sum and its norm rather than between them), and what is early.
        """
        scopes = self._scopes(start, end)
        ranked = []
        for phase in range(period):
            count = (end - start - phase) // period
            if count < 2:
                break
            borders = range(start + phase + period, start + phase + period * count, period)
            cut = sum([self.cuts[at] for at in borders]) / len(borders)
            around = sum([_common(scopes[at - start - 1], scopes[at - start]) for at in borders]) if scopes else 0
            uses = sum([self.line.used[self.row[at - 1].nodes[-1]] for at in borders])
            ranked.append((cut, -count, around / len(borders), -uses / len(borders), phase))
        least = min(ranked)[0]
        return [phase for cut, *_, phase in sorted(ranked)[:_PHASES] if cut == least]

    def _scopes(self, start: int, end: int) -> list[tuple[object, ...]]:
        hint = self.options.hint
        if hint is None:
            return []
        scopes = [hint(self.line.nodes[unit.nodes[0]]) for unit in self.row[start:end]]
        return [scope if isinstance(scope, tuple) else (scope,) for scope in scopes]

    def _read(self, start: int, length: int) -> list[int]:
        return self.tokens[start : start + length]

    def _window(self, start: int, length: int) -> Window:
        return tuple([v for unit in self.row[start : start + length] for v in unit.nodes])

    def _grow(self, found: list[Series]) -> list[_Grown]:
        """Return some series with what continues them."""
        result = [_Grown(series) for series in found]
        taken = {v for series in found for window in series.windows for v in window}
        for grown in result:
            if grown.series.is_chain:
                self._extend(grown.series, grown.before, 0, one_before, taken)
                self._extend(grown.series, grown.after, -1, one_after, taken)
        return result

    def _extend(self, series: Series, found: list[Window], at: int, seek: Seek, taken: set[int]) -> None:
        """Seek what comes before the first or after the last instance, keeping off the nodes that are taken."""
        edge = Series([series.windows[at]], series.wiring, series.carries)
        while self.effort > 0:
            self.effort -= len(series.windows[0])
            window = seek(self.line, edge)
            if window is None or not taken.isdisjoint(window):
                return
            found.append(window)
            taken.update(window)
            edge = Series([window], series.wiring, series.carries)

    def _take(self, grown: _Grown, least: int) -> None:
        """Take a series if it is worth it, with as much of what continues it as can stand together."""
        series = grown.series
        units = self._parts(series.windows[0])
        for window in grown.before:
            if not self.arrangement.gather(window, series.windows[0]):
                break
            series.windows.insert(0, window)
        for window in grown.after:
            if not self.arrangement.gather(window, series.windows[-1]):
                break
            series.windows.append(window)
        if len(series.windows) < least:
            return
        if grown.before or grown.after:
            self.arrangement.close(series.windows)
        self._accept(series, units)

    def _accept(self, series: Series, units: list[Unit]) -> None:
        general = generalise(self.line, series)
        if general.gain <= 0 or not all(map(self.arrangement.stands, series.windows)):
            return
        self.found.append(Found(general, units))
        intern = self.line.reading.intern
        each = intern(("instance", general.structure))
        self.arrangement.merge(series.windows, intern(("run", each, len(series.windows))), each)

    def _parts(self, window: Window) -> list[Unit]:
        """Return the units of a window, with offsets in the place of its nodes' numbers."""
        place = {v: offset for offset, v in enumerate(window)}
        units = self.arrangement.of(window)
        return [Unit(unit.token, tuple([place[v] for v in unit.nodes]), unit.is_instance) for unit in units]

    def bridged(self) -> bool:
        """Find what follows itself, but for more at its inputs, and tell whether there is any.

        The row shows no period there: the first block of a residual network's stage has a convolution beside it. So
        what is between two equal tokens, if less is cut at both than in between, is taken for an instance whose
        neighbours are sought.
        """
        before = len(self.found)
        last: dict[tuple[int, int], int] = {}
        for stop, token in enumerate(self.tokens, 1):
            cut = self.cuts[stop]
            start = last.get((token, cut), stop)
            last[token, cut] = stop
            if start == stop or self.effort <= 0:
                continue
            self.effort -= stop - start
            if cut > min(self.cuts[start:stop]) or self._still_free(start, stop) != (start, stop):
                continue
            window = self._window(start, stop - start)
            series = following(self.line, window, self.row[start - 1].nodes[-1])
            if series.is_chain and len(window) >= self.options.min_len:
                for grown in self._grow([series]):
                    self._take(grown, self.options.min_count)
        return len(self.found) > before

    def scattered(self) -> bool:
        """Find repeats that do not follow each other, and tell whether there are any."""
        before = len(self.found)
        for length, starts in blocks(self.tokens):
            if len(starts) < self.options.min_count or 2 * smallest_period(self._read(starts[0], length)) <= length:
                continue  # a piece of a run says nothing of where a repeat begins and ends
            skip, stop = self._trimmed(length, starts)
            windows = [self._window(start + skip, stop - skip) for start in starts]
            if len(windows[0]) < self.options.min_len or not self._is_new(starts[0] + skip, stop - skip):
                continue
            series = alike(self.line, windows)
            if series is not None and len(series.windows) >= self.options.min_count:
                self._accept(series, self._parts(series.windows[0]))
        return len(self.found) > before

    def _trimmed(self, length: int, starts: list[int]) -> tuple[int, int]:
        """Return where a block is best begun and ended, cutting few values at the cost of a quarter at either end."""
        margin = length // 4
        cut = [sum([self.cuts[start + at] for start in starts]) for at in range(length + 1)]
        skip = min(range(margin + 1), key=lambda at: (cut[at], at))
        stop = min(range(length - margin, length + 1), key=lambda at: (cut[at], -at))
        return skip, stop


def _common(a: tuple[object, ...], b: tuple[object, ...]) -> int:
    """Return how many scopes two nodes are in together."""
    depth = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        depth += 1
    return depth
