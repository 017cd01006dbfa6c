"""A difference in words, with colours for a terminal."""

from __future__ import annotations

import click

from onnxgen.columns import columns
from onnxgen.difference.compare import Difference
from onnxgen.difference.weights import Change
from onnxgen.exits import printable
from onnxgen.words import counted, spaced

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


def report(found: Difference) -> str:
    """What differs."""
    if found.equal:
        return printable(f"{found.first} and {found.second}: no difference")
    sections: list[str] = []
    if found.facts:
        rows = [(each.name, each.before or "(nothing)", "→", each.after or "(nothing)") for each in found.facts]
        sections += ["About the models", *columns(rows), ""]
    sections += [*_source(found.source), ""]
    sections += _weights(found)
    return "\n".join(sections)


def _source(lines: tuple[str, ...]) -> list[str]:
    if not lines:
        return ["Source: no difference"]
    added = sum(line.startswith("+") for line in lines[2:])
    removed = sum(line.startswith("-") for line in lines[2:])
    head = f"Source: {counted(removed, 'line')} removed, {spaced(added)} added"
    return [head, *(click.style(line, bold=True) for line in map(printable, lines[:2])), *map(_coloured, lines[2:])]


def _coloured(line: str) -> str:
    colour = _COLOURS.get(line[:1])
    return click.style(printable(line), fg=colour) if colour else printable(line)


def _weights(found: Difference) -> list[str]:
    if not found.weights:
        return [f"Weights: no difference in {counted(found.tensors, 'tensor')}"]
    head = f"Weights: {spaced(len(found.weights))} of {spaced(found.tensors)} tensors differ"
    return [head, *columns(_row(each) for each in found.weights)]


def _row(change: Change) -> tuple[str, ...]:
    match change.kind:
        case "added":
            return change.key, "added", change.after
        case "removed":
            return change.key, "removed", change.before
        case "values":
            share = f"{spaced(change.changed)} of {spaced(change.size)}"
            return change.key, share, change.before, f"largest {change.largest:.3g}", f"mean {change.mean:.3g}"
    return change.key, change.kind, f"{change.before} → {change.after}"
