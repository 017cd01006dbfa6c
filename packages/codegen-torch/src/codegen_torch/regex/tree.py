"""Patterns as trees, and as source of Python's ``re``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

LAST = 0x10FFFF
"""The greatest character."""

Ranges = tuple[tuple[int, int], ...]
"""The characters of a set: first and last of each run, in order, no two of which touch."""


@dataclass(frozen=True, slots=True)
class Set:
    """One character of several."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Assertion:
    """A place in the string, as Python writes it."""

    source: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One part of several."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """A part, so many times; ``most`` is None where there is no limit."""

    part: Node
    least: int
    most: int | None


Node = Set | Assertion | Sequence | Choice | Repeat


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The characters of all runs."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    edges = [-1, *(edge for run in ranges for edge in run), LAST + 1]
    gaps = ((edges[index] + 1, edges[index + 1] - 1) for index in range(0, len(edges), 2))
    return tuple(gap for gap in gaps if gap[0] <= gap[1])


def of(characters: str) -> Ranges:
    """The characters of a string."""
    return union((ord(character), ord(character)) for character in characters)


def holds(ranges: Ranges, code: int) -> bool:
    """Whether a set has a character."""
    return any(first <= code <= last for first, last in ranges)


def meet(left: Ranges, right: Ranges) -> bool:
    """Whether two sets have a character in common."""
    return any(a <= d and c <= b for a, b in left for c, d in right)


def write(node: Node) -> str:
    """A tree as a pattern of Python's ``re``."""
    if isinstance(node, Set):
        return _write_set(node.ranges)
    if isinstance(node, Assertion):
        return node.source
    if isinstance(node, Sequence):
        return "".join(f"(?:{write(part)})" if isinstance(part, Choice) else write(part) for part in node.parts)
    if isinstance(node, Choice):
        return "|".join(map(write, node.parts))
    inner = write(node.part)
    inner = inner if isinstance(node.part, Set) else f"(?:{inner})"
    signs = {(0, None): "*", (1, None): "+", (0, 1): "?"}
    most = "" if node.most is None else node.most
    bounds = f"{{{node.least}}}" if node.least == node.most else f"{{{node.least},{most}}}"
    return inner + signs.get((node.least, node.most), bounds)


def _write_set(ranges: Ranges) -> str:
    known = {((0, LAST),): r"[\s\S]", complement(of("\n")): ".", (): r"(?!)"}
    if ranges in known:
        return known[ranges]
    if len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _write_character(ranges[0][0], ".^$*+?{}[]|()\\/")
    gaps = complement(ranges)
    negated = ranges[-1][1] == LAST and len(gaps) <= len(ranges)
    runs = "".join(_write_run(*run) for run in (gaps if negated else ranges))
    return f"[{'^' if negated else ''}{runs}]"


def _write_run(first: int, last: int) -> str:
    ends = [_write_character(code, r"\]^-[&~|") for code in (first, last)]
    return ends[0] if first == last else "".join(ends) if last == first + 1 else "-".join(ends)


def _write_character(code: int, special: str) -> str:
    character = chr(code)
    if character in special:
        return f"\\{character}"
    return character if character.isprintable() and not 0xD800 <= code < 0xE000 else f"\\U{code:08x}"
