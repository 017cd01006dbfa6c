"""The source of an expression, and what it depends on besides its operands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from codegen_torch.dtypes import DType
from codegen_torch.emit.layout import Doc
from codegen_torch.expr import Expr

ATOM = 20
"""The precedence of names, calls and subscripts; operators bind less."""


@dataclass(frozen=True, slots=True)
class Source:
    """The source of an expression.

    Attributes:
        doc: The text.
        precedence: How tightly its outermost operator binds.
        depth: How many calls are nested in it.
    """

    doc: Doc
    precedence: int = ATOM
    depth: int = 0

    @property
    def text(self) -> str:
        """On one line."""
        return str(self.doc)

    @property
    def width(self) -> int:
        """Characters on one line."""
        return len(self.text)


class Surroundings(Protocol):
    """What an expression's source depends on besides its operands."""

    def number(self, expr: Expr, site: tuple[Any, ...], value: int | float) -> str:
        """The source of a number at a site: itself, or a constructor's argument."""

    def size(self, name: str) -> str:
        """The source of a symbolic size."""

    def dtype(self, dtype: DType) -> str:
        """The source of a dtype; the model's own float type is read off a tensor."""

    def device(self) -> str:
        """The source of the device that new tensors go to."""

    def member(self, expr: Expr) -> str:
        """The source of a layer or tensor that the module keeps."""


def slice_source(start: str, stop: str, step: str) -> str:
    """``1:3``, or with spaces where a bound is more than a name or number, as ruff has it: ``1 : n - 1``."""
    if all(re.fullmatch(r"(-?\w+)?", text) for text in (start, stop, step)):
        return f"{start}:{stop}{step and f':{step}'}"
    source = f"{start} :" if start else ":"
    source += f" {stop}" if stop else ""
    if not step:
        return source
    return f"{source} : {step}" if stop else f"{source}: {step}"
