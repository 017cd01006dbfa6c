"""``torch``, ``F`` and ``nn`` as operator definitions see them: calling ``F.softmax(x, dim=-1)`` builds a node."""

from __future__ import annotations

from typing import Any

from codegen_torch.symbols.base import Symbol
from codegen_torch.table import SYMBOLS


class Namespace:
    """The symbols whose names start with a prefix, as attributes."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        symbol: Symbol | None = SYMBOLS.get(f"{self._prefix}.{name}")
        if symbol is None:
            raise AttributeError(f"{self._prefix}.{name} is not a known symbol: register it in codegen_torch.symbols")
        return symbol


torch = Namespace("torch")
F = Namespace("F")
nn = Namespace("nn")
index = Namespace("index")
host = Namespace("host")
list_ = Namespace("list")
maybe = Namespace("maybe")
runtime = Namespace("runtime")
training = Namespace("training")
