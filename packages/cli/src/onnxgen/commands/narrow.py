"""Help that fits terminals narrower than click believes there are."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

import click

NARROW = 52
"""Columns below which click writes its help wider than the terminal is."""


class Help(click.HelpFormatter):
    """Leaves half of a narrow terminal for what options do."""

    def __init__(self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(indent_increment, max(columns - 1, 24) if columns < NARROW else width, max_width)

    def write_dl(self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2) -> None:
        """Writes options and what they do in two columns."""
        super().write_dl(tuple(rows), min(col_max, self.width // 2 - col_spacing), col_spacing)


class Context(click.Context):
    """The context of every command."""

    formatter_class = Help


def fit(command: click.Command) -> None:
    """Lets a command's help, and that of the commands in it, fit."""
    command.context_class = Context
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            fit(inner)
