"""Repeats in a row of numbers: back to back, and far apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import eq
from typing import Any

PERIODS = 6
"""How many periods are tried for each length of context; each costs one pass over the row."""

CONTEXTS = (1, 8)
"""How many numbers are read together when the distance from one place to the next that reads the same is taken."""


def likely_periods(row: Sequence[int]) -> list[int]:
    """Return the distances at which a row most often repeats itself, the most frequent first."""
    found: dict[int, None] = {}
    for length in CONTEXTS:
        last: dict[tuple[int, ...], int] = {}
        votes: Counter[int] = Counter()
        for at, read in enumerate(zip(*[row[start:] for start in range(length)], strict=False)):
            if read in last:
                votes[at - last[read]] += 1
            last[read] = at
        found.update(dict.fromkeys([period for period, _ in votes.most_common(PERIODS)]))
    return list(found)


def runs(row: Sequence[int], period: int, least: int = 2) -> Iterator[tuple[int, int]]:
    """Yield the maximal stretches, as start and end, that consist of repetitions of a period.

    Args:
        row: The numbers.
        period: The distance.
        least: How many periods a stretch must have room for.

    >>> list(runs("xabcabcaby", 3))
    [(1, 9)]
    """
    same = bytes(map(eq, row, row[period:]))
    for match in re.finditer(rb"\x01+", same):
        if match.end() - match.start() >= (least - 1) * period:
            yield match.start(), match.end() + period


def smallest_period(word: Sequence[int]) -> int:
    """Return the smallest distance at which a word agrees with itself (by Knuth, Morris and Pratt's failures).

    >>> smallest_period("abcabca"), smallest_period("abc")
    (3, 3)
    """
    failure = [0] * len(word)
    matched = 0
    for at in range(1, len(word)):
        while matched and word[at] != word[matched]:
            matched = failure[matched - 1]
        matched += word[at] == word[matched]
        failure[at] = matched
    return len(word) - matched


def blocks(row: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Yield repeated stretches, as length and starts in the row, long ones first; none overlaps another.

    The places are numbered by what stands there, for lengths 2, 4, 8, … (Karp, Miller and Rosenberg 1972), as long
    as something is there twice; the places of one number are then grown as far as they agree.

    >>> list(blocks("abcdxyabcdz"))
    [(4, [0, 6])]
    """
    free = [True] * len(row)
    for length, groups in reversed(_repeated(row)):
        for places in groups:
            starts = _disjoint(places, length, free)
            if len(starts) < 2:
                continue
            before, after = _grown(row, starts, length, free)
            size = before + length + after
            starts = [start - before for start in starts]
            for start in starts:
                free[start : start + size] = [False] * size
            yield size, starts


def _repeated(row: Sequence[int]) -> list[tuple[int, list[list[int]]]]:
    """Return, for growing lengths, the groups of places that read the same."""
    result = []
    names: dict[int, Any] = dict(enumerate(row))  # by place, where something stands that is there twice
    length = 1
    while names:
        groups: dict[tuple[Any, Any], list[int]] = {}
        for at, name in names.items():
            if at + length in names:
                groups.setdefault((name, names[at + length]), []).append(at)
        length *= 2
        repeated = [places for places in groups.values() if places[-1] - places[0] >= length]
        if repeated:
            result.append((length, repeated))
        names = dict(sorted((at, name) for name, places in enumerate(repeated) for at in places))
    return result


def _disjoint(places: list[int], length: int, free: list[bool]) -> list[int]:
    """Return those of the places that are free and do not overlap; no stretch taken so far is shorter."""
    result: list[int] = []
    for at in places:
        if (not result or at >= result[-1] + length) and free[at] and free[at + length - 1]:
            result.append(at)
    return result


def _grown(row: Sequence[int], starts: list[int], length: int, free: list[bool]) -> tuple[int, int]:
    """Return by how much all stretches can be grown to the left and to the right."""
    taken = {at for start in starts for at in range(start, start + length)}

    def agree(offset: int) -> bool:
        places = [start + offset for start in starts]
        if places[0] < 0 or places[-1] >= len(row) or len({row[at] for at in places}) > 1:
            return False
        if any(at in taken or not free[at] for at in places):
            return False
        taken.update(places)
        return True

    before = after = 0
    while agree(length + after):
        after += 1
    while agree(-1 - before):
        before += 1
    return before, after
