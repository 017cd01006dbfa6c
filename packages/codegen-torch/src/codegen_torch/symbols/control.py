"""Branches, loops and derivatives, which :mod:`codegen_torch.blocks` builds."""

from __future__ import annotations

from typing import Any, TypeAlias

from codegen_torch.facts import Fact, Facts
from codegen_torch.symbols.base import symbol

Values: TypeAlias = list[Fact]


@symbol("control.branch")
def if_(values: Values, *, then: Any, orelse: Any) -> Facts:
    raise NotImplementedError("built by codegen_torch.blocks.if_")


@symbol("control.loop")
def loop(
    values: Values,
    *,
    body: Any,
    carried: int,
    scanned: tuple[Any, ...],
    collected: tuple[Any, ...],
    conditional: bool,
) -> Facts:
    raise NotImplementedError("built by codegen_torch.blocks.loop")


@symbol("control.gradient")
def gradient(values: Values, *, body: Any) -> Facts:
    raise NotImplementedError("built by codegen_torch.blocks.gradient")
