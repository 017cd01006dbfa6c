"""Products with a stored matrix become layers."""

from __future__ import annotations

from dataflow_ir import Match, P, V, alt, once, opt, rest

from codegen_torch.dims import product
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.layers.refs import parameter, tensor_ref
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import nn

RULES = Family(shares_scope={"biased_product"})
UNFLATTENED = Family()

_PRODUCT = V("inner", op={"operator.matmul", "F.linear"})


@RULES(P.operator.add(once(_PRODUCT), V.offset))
def biased_product(m: Match, inner: Expr, offset: Expr) -> Expr | None:
    """A product with a stored matrix plus a stored vector is an nn.Linear layer with a bias."""
    found = _product(inner)
    if found is None or found[2] is not None:
        return None
    x, weight, _ = found
    bias = _vector(offset, weight, m.root, inner)
    return None if bias is None else nn.Linear(x, weight, bias)


@RULES(_PRODUCT)
def plain_product(inner: Expr) -> Expr | None:
    """A product with a stored matrix is an nn.Linear layer."""
    found = _product(inner)
    return None if found is None else nn.Linear(*found)


def _product(expr: Expr) -> tuple[Expr, Expr, Expr | None] | None:
    """The input, the weight as nn.Linear holds it ([outputs, inputs]) and the bias of a product."""
    if expr.op == "operator.matmul":
        x, matrix = expr.inputs
        ref = tensor_ref(matrix)
        if ref is None or len(ref.shape) != 2 or tensor_ref(x) is not None:
            return None
        weight = parameter(ref.T)
        return None if weight is None else (x, weight, None)
    if expr.op != "F.linear":
        return None
    x, matrix, offset = expr.inputs
    weight, bias = parameter(matrix), parameter(offset)
    if weight is None or weight.dims is None or len(weight.dims) != 2 or tensor_ref(x) is not None:
        return None
    if offset is not None and (bias is None or bias.dims != weight.dims[:1]):
        return None
    return x, weight, bias


def _vector(offset: Expr, weight: Expr, total: Expr, inner: Expr) -> Expr | None:
    """A stored tensor that adds one number to each of the last dimension's elements, and broadcasts nothing."""
    ref = tensor_ref(offset)
    if ref is None or weight.dims is None:
        return None
    size = weight.dims[0]
    if not isinstance(size, int) or not ref.shape or ref.shape[-1] != size or ref.size != size:
        return None
    if len(ref.shape) == 1:
        return parameter(offset)
    return parameter(ref.reshape(size)) if total.dims is not None and total.dims == inner.dims else None


_LAYER = P.nn.Linear(alt(P.Tensor.reshape(V.x, *rest()), P.Tensor.flatten(V.x)), V.weight, opt(V.bias))


@UNFLATTENED(alt(P.Tensor.reshape(once(_LAYER), *rest()), P.Tensor.unflatten(once(_LAYER), *rest())))
def flattened(m: Match, x: Expr, weight: Expr, bias: Expr | None) -> Expr | None:
    """An nn.Linear layer between flattening the leading dimensions and restoring them needs neither of the two."""
    dims: tuple[Size, ...] | None = m.root.dims
    if x.dims is None or dims is None or weight.dims is None:
        return None
    *leading, outputs = dims
    count = len(leading)
    if x.dims[:count] != tuple(leading) or outputs != weight.dims[0]:
        return None
    if len(x.dims) == count or product(x.dims[count:]) != weight.dims[1]:
        return None
    return nn.Linear(x if len(x.dims) == count + 1 else x.flatten(count), weight, bias)  # type: ignore[no-any-return]
