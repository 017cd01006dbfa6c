"""What :mod:`codegen_torch.clean.dropout` puts back: no operator of any file's."""

from __future__ import annotations

from codegen_torch.clean.dropout import DOMAIN, LAYERS
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.symbols.namespaces import nn, training


@op("Dropout", since=1, until=1, domain=DOMAIN)
def dropout_in_training(x: Expr, *, ratio: float, path: str = "", layer: str = "Dropout") -> Expr:
    """The call of a dropout module where it has a path, else a function that is told whether the module trains."""
    if layer not in LAYERS:
        raise NotApplicable(f"{layer!r} is no dropout")
    if not x.dtype.is_float:
        return x
    return getattr(nn, layer)(x, p=ratio, path=path) if path else training.dropout(x, ratio)  # type: ignore[no-any-return]
