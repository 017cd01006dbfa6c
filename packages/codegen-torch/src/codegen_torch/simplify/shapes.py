"""Integer tensors whose elements are known sizes are written as what they are: lists of host values."""

from __future__ import annotations

from dataflow_ir import postwalk

from codegen_torch.expr import Expr, call, originating
from codegen_torch.symbols.base import SYMBOLIC_LIMIT


def write_shapes(outputs: dict[str, Expr]) -> dict[str, Expr]:
    """A chain ``Shape → Gather → Mul`` that is still needed as a tensor becomes ``torch.tensor([batch * seq])``."""
    return postwalk(_written, outputs)


def _written(expr: Expr) -> Expr | None:
    fact = expr.fact
    if isinstance(fact, tuple) or fact.host or fact.value is None or fact.value.dtype != object:
        return None
    if fact.value.ndim > 1 or fact.value.size > SYMBOLIC_LIMIT or expr.op == "host.tensor" or not fact.dtype.is_int:
        return None
    values = tuple(fact.value.reshape(-1).tolist())
    with originating(expr.origin):
        written = call("host.tensor", values if fact.value.ndim else values[0], dtype=fact.dtype)
    written.fact = fact
    return written
