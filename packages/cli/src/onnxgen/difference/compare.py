"""Two models side by side."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from onnxgen.difference.sides import Side, read_sides
from onnxgen.difference.weights import Change, changes
from onnxgen.verification.source import code_of


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the models say differently about themselves; empty where one does not say it."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs between two models.

    Attributes:
        first: The first.
        second: The second.
        facts: What they say differently about themselves.
        source: The unified diff of their sources, docstrings left out, as lines.
        weights: The tensors that differ.
        tensors: How many tensors the two have together.
    """

    first: Path
    second: Path
    facts: tuple[Fact, ...]
    source: tuple[str, ...]
    weights: tuple[Change, ...]
    tensors: int

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.facts or self.source or self.weights)


def difference(first: Path, second: Path) -> Difference:
    """Compares two models, each an ONNX file or a generated folder.

    Raises:
        Exception: What `read_sides` raises.
    """
    one, other = read_sides(first, second)
    return Difference(
        first,
        second,
        facts=tuple(_facts(one, other)),
        source=tuple(_source(one, other)),
        weights=tuple(changes(one.tensors, other.tensors)),
        tensors=len(one.tensors.keys() | other.tensors.keys()),
    )


def _facts(one: Side, other: Side) -> list[Fact]:
    if one.facts is None or other.facts is None:
        both = ({"source": one.origin}, {"source": other.origin})
    else:
        both = (one.facts, other.facts)
    pairs = ((name, both[0].get(name, ""), both[1].get(name, "")) for name in both[0] | both[1])
    return [Fact(name, before, after) for name, before, after in pairs if before != after]


def _source(one: Side, other: Side) -> list[str]:
    """The docstrings, which tell the file and its hash, count as equal, so that lines keep their numbers."""
    before, after = code_of(one.text), code_of(other.text)
    head = one.text.splitlines()[: one.text.count("\n") - before.count("\n")]
    lines = difflib.unified_diff(
        [*head, *before.splitlines()], [*head, *after.splitlines()], str(one.path), str(other.path), lineterm=""
    )
    return list(lines)
