"""Layers: ``torch.nn`` modules whose weights are among their operands.

``nn.Linear(x, weight, bias)`` stands for ``self.linear(x)`` with ``self.linear = nn.Linear(32, 64)``. The layers
stage builds them from functional forms; emission takes the constructor's arguments from the weights' shapes.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeAlias

import codegen_torch.symbols.conv  # noqa: F401  (registers the functional forms)
from codegen_torch.facts import Fact, Facts
from codegen_torch.symbols.base import symbol
from codegen_torch.table import SYMBOLS

Tensor: TypeAlias = Fact


@symbol("nn.Linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Facts:
    return _functional("F.linear", x, weight, bias)


@symbol("nn.Embedding")
def embedding(indices: Tensor, weight: Tensor) -> Facts:
    return _functional("F.embedding", indices, weight)


@symbol("nn.LayerNorm")
def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5) -> Facts:
    return Fact(x.dtype, x.dims)


@symbol("nn.RMSNorm")
def rms_norm(x: Tensor, weight: Tensor | None = None, *, eps: float | None = None) -> Facts:
    return Fact(x.dtype, x.dims)


@symbol("nn.GroupNorm")
def group_norm(
    x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, num_groups: int, eps: float = 1e-5
) -> Facts:
    return Fact(x.dtype, x.dims)


@symbol("nn.PReLU")
def prelu(x: Tensor, weight: Tensor) -> Facts:
    return Fact(x.dtype, x.dims)


def _functional(name: str, *operands: Fact | None, **attributes: Any) -> Facts:
    """The facts of the functional form of a layer."""
    facts: Facts = SYMBOLS[name].rule(*operands, **attributes)
    return facts


def _register(count: int) -> None:
    @symbol(f"nn.InstanceNorm{count}d")
    def instance_norm(
        x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5
    ) -> Facts:
        return Fact(x.dtype, x.dims)

    @symbol(f"nn.BatchNorm{count}d")
    def batch_norm(
        x: Tensor,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        *,
        eps: float = 1e-5,
    ) -> Facts:
        return Fact(x.dtype, x.dims)


def _register_like(layer: str, functional: str) -> None:
    """Register a layer that takes what its functional form takes, and returns what that returns."""
    SYMBOLS[layer] = dataclasses.replace(SYMBOLS[functional], name=layer)


for _count in (1, 2, 3):
    _register(_count)
    _register_like(f"nn.Conv{_count}d", f"F.conv{_count}d")
    _register_like(f"nn.ConvTranspose{_count}d", f"F.conv_transpose{_count}d")
