"""Plots as inline SVG, whose colours the page's style says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from onnxgen.verification.result import Histogram, Inner
from onnxgen.words import spaced

WIDTH, HEIGHT = 860, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 44
_FLOOR = -9
"""Errors below 10 to this power, none included, are drawn on the lowest line."""


def errors_by_depth(values: Sequence[Inner]) -> str:
    """The error of every value over the position of its node, on a logarithmic scale."""
    top = math.ceil(max([-1.0, *map(_power, values)])) + 1
    last = max([1, *(each.node for each in values)])

    def place(each: Inner) -> tuple[float, float]:
        return _across(each.node / last), _down((_power(each) - _FLOOR) / (top - _FLOOR))

    ticks = range(_FLOOR, top, 2 if top - _FLOOR < 14 else 4)
    rows = [(_down((power - _FLOOR) / (top - _FLOOR)), _tick(power)) for power in ticks]
    columns = [(_across(step / 4), str(round(last * step / 4))) for step in range(5)]
    parts = _axes(rows, columns, "position of the node in the file", "error")
    limits = Counter(each.comparison.tolerance for each in values if each.comparison.tolerance)
    if limits:
        limit = limits.most_common(1)[0][0]
        y = _down((math.log10(limit) - _FLOOR) / (top - _FLOOR))
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="limit" x="{WIDTH - RIGHT}" y="{y - 5:.1f}" text-anchor="end">allowed</text>')
    for each in sorted(values, key=lambda each: not each.comparison.agrees):
        parts.append(_mark(each, *place(each)))
    return _svg(parts, "Error of every value on the way, by the position of its node")


def distribution(counted: Histogram) -> str:
    """How the elements of a value are distributed: the file's as an area, the generated model's as a line."""
    low, high = counted.edges[0], counted.edges[-1]
    most = max(1, *counted.found, *counted.wanted)
    rows = [(_down(step / 4), spaced(round(most * step / 4))) for step in range(5)]
    columns = [(_across(step / 4), f"{low + (high - low) * step / 4:.3g}") for step in range(5)]
    parts = _axes(rows, columns, "value of an element", "elements")
    base = _down(0)
    area = _steps(counted.wanted, most)
    parts.append(f'<path class="wanted" d="M{LEFT},{base:.1f} {area} L{WIDTH - RIGHT},{base:.1f} Z"/>')
    parts.append(f'<path class="found" d="M{LEFT},{base:.1f} {_steps(counted.found, most)}"/>')
    return _svg(parts, "Distribution of the elements on both sides")


def _steps(counts: Sequence[int], most: int) -> str:
    points = []
    for number, count in enumerate(counts):
        y = _down(count / most)
        points += [
            f"L{_across(number / len(counts)):.1f},{y:.1f}",
            f"L{_across((number + 1) / len(counts)):.1f},{y:.1f}",
        ]
    return " ".join(points)


def _mark(each: Inner, x: float, y: float) -> str:
    found = each.comparison
    title = escape(f"{each.name}\n{each.operator}, node {each.node}\nmodel.py:{each.line}\nerror {found.error:.3g}")
    if found.agrees:
        return f'<circle class="agrees" cx="{x:.1f}" cy="{y:.1f}" r="3.5"><title>{title}</title></circle>'
    corners = f"M{x:.1f},{y - 5.5:.1f} l5.5,5.5 l-5.5,5.5 l-5.5,-5.5 Z"
    return f'<path class="differs" d="{corners}"><title>{title}</title></path>'


def _power(each: Inner) -> float:
    error = each.comparison.error
    if error == math.inf:
        return 4.0
    return min(4.0, max(_FLOOR, math.log10(error))) if error else float(_FLOOR)


def _tick(power: int) -> str:
    return "0" if power == _FLOOR else f"1e{power}" if power else "1"


def _across(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _down(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(rows: Iterable[tuple[float, str]], columns: Iterable[tuple[float, str]], across: str, down: str) -> list[str]:
    parts = []
    for y, text in rows:
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for x, text in columns:
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{text}</text>')
    parts.append(f'<text class="axis" x="{WIDTH / 2}" y="{HEIGHT - 6}" text-anchor="middle">{across}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="axis" transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">{down}</text>'
    )
    return parts


def _svg(parts: Iterable[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
