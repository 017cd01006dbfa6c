"""Losses."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.demands import demand_rank, demand_shape

Tensor: TypeAlias = Fact


def _register(name: str) -> None:
    @symbol(name)
    def loss(
        x: Tensor, target: Tensor, weight: Tensor | None = None, *, ignore_index: int = -100, reduction: str = "mean"
    ) -> Fact:
        demand_rank("a loss", x, 2)
        if x.dims is not None:
            demand_shape(f"a loss of {x}", "target", target, x.dims[0], *x.dims[2:])
            demand_shape(f"a loss of {x}", "weight", weight, x.dims[1])
        return Fact(x.dtype, target.dims if reduction == "none" else ())


_register("F.cross_entropy")
_register("F.nll_loss")
