"""Steps of optimizers, for one tensor each."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.adagrad_step")
def adagrad_step(
    r: Tensor, t: Tensor, x: Tensor, g: Tensor, h: Tensor, *, norm: float, decay: float, eps: float
) -> tuple[Fact, ...]:
    return (Fact(x.dtype, x.dims), Fact(x.dtype, h.dims))


@symbol("runtime.adam_step")
def adam_step(
    r: Tensor,
    t: Tensor,
    x: Tensor,
    g: Tensor,
    v: Tensor,
    h: Tensor,
    *,
    alpha: float,
    beta: float,
    norm: float,
    norm_post: float,
    eps: float,
) -> tuple[Fact, ...]:
    return (Fact(x.dtype, x.dims), Fact(x.dtype, v.dims), Fact(x.dtype, h.dims))


@symbol("runtime.momentum_step")
def momentum_step(
    r: Tensor, t: Tensor, x: Tensor, g: Tensor, v: Tensor, *, alpha: float, beta: float, norm: float, nesterov: bool
) -> tuple[Fact, ...]:
    return (Fact(x.dtype, x.dims), Fact(x.dtype, v.dims))
