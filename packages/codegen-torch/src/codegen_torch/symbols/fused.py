"""Calls of fused kernels, and the tensors of layers that a kernel computes with. Only the kernels stage builds them."""

from __future__ import annotations

from typing import Any, TypeAlias

from codegen_torch.facts import Fact, FactError, Facts
from codegen_torch.symbols.base import symbol

Tensors: TypeAlias = list[Fact]
Value: TypeAlias = Fact


@symbol("kernels.call")
def call(tensors: Tensors, kernel: Any, numbers: tuple[float, ...] = ()) -> Facts:
    """Printed as ``kernels.add_layer_norm(x, residual, weight, bias, 1e-12)``."""
    raise FactError("a kernel's facts are those of what it stands for")


@symbol("layer.tensor")
def tensor(layer: Value, role: str) -> Facts:
    """Printed as ``self.norm.weight``."""
    raise FactError("a layer's tensor is what it is in the layer")
