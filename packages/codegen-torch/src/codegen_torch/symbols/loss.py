"""Losses."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


def _register(name: str) -> None:
    @symbol(name)
    def loss(
        x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> Fact:
        return Fact(x.dtype, target.dims if reduction == "none" else ())


_register("F.cross_entropy")
_register("F.nll_loss")
