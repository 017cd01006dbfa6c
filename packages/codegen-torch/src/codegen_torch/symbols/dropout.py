"""Dropout in training mode alone: what is drawn differs at every call, in whichever order the calls are."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact
OF_ELEMENTS = frozenset({"nn.Dropout", "training.dropout"})
"""Those that drop elements one by one, as attention and recurrent layers do themselves."""


@symbol("training.dropout", effect=True, ordered=False)
def dropout(x: Tensor, p: float) -> Fact:
    """Printed as ``F.dropout(x, 0.1, training=self.training)``."""
    return Fact(x.dtype, x.dims)


def _register(layer: str) -> None:
    @symbol(f"nn.{layer}", effect=True, ordered=False)
    def dropout_layer(x: Tensor, *, p: float, path: str) -> Fact:
        """A layer without weights, so that its path in the original model is all that names it."""
        return Fact(x.dtype, x.dims)


for _layer in ("AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"):
    _register(_layer)
