"""Rows in columns."""

from __future__ import annotations

from collections.abc import Iterable

from onnxgen.exits import printable


def columns(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Lays rows out in columns, with names from the file made printable first, so that they line up."""
    cells = [[printable(cell).replace("\n", "\\n") for cell in row] for row in rows]
    widths: dict[int, int] = {}
    for row in cells:
        for column, cell in enumerate(row):
            widths[column] = max(widths.get(column, 0), len(cell))
    return [
        "  " + "  ".join(cell.ljust(widths[column]) for column, cell in enumerate(row)).rstrip() for row in cells
    ] or ["  none"]
