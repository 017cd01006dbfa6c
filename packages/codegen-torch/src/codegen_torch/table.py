"""The table of all symbols, apart from their definitions, so that expressions can look one up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codegen_torch.dtypes import DType
    from codegen_torch.symbols.base import Symbol

SYMBOLS: dict[str, Symbol] = {}
"""By name; :mod:`codegen_torch.symbols` fills it."""
SUBSTITUTES: dict[str, dict[DType, Callable[[Symbol, DType, Any, Any], Any]]] = {}
"""What is built instead of a symbol's call on tensors that torch has no kernel for, by name and type of an operand."""
