"""Convolutions with stored weights become layers."""

from __future__ import annotations

from dataflow_ir import V

from codegen_torch.expr import Expr, call
from codegen_torch.layers.refs import parameter
from codegen_torch.layers.rules import Family

RULES = Family()

_LAYERS = {
    f"F.conv{kind}{count}d": f"nn.Conv{layer}{count}d"
    for kind, layer in (("", ""), ("_transpose", "Transpose"))
    for count in (1, 2, 3)
}


@RULES(V("product", op=frozenset(_LAYERS)))
def convolution(product: Expr) -> Expr | None:
    """A convolution whose weight, and bias if there is one, are stored is an nn.Conv layer."""
    x, kernel, offset = product.inputs[:3]
    weight, bias = parameter(kernel), parameter(offset)
    if weight is None or (offset is not None and bias is None):
        return None
    return call(_LAYERS[product.op], x, weight, bias, **product.attrs)
