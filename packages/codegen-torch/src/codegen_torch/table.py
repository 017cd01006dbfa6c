"""The table of all symbols, apart from their definitions, so that expressions can look one up."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codegen_torch.symbols.base import Symbol

SYMBOLS: dict[str, Symbol] = {}
"""By name; :mod:`codegen_torch.symbols` fills it."""
