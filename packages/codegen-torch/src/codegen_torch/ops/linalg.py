"""Products of matrices and tensors, and determinants."""

from __future__ import annotations

from codegen_torch.dims import same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import FactError, Size
from codegen_torch.lower.registry import NotApplicable, op
from codegen_torch.ops.unsigned import WIDE, from_int64, through_int64, to_int64
from codegen_torch.symbols.demands import are_different, demand_rank
from codegen_torch.symbols.namespaces import F, torch


@op("MatMul", since=1)
@through_int64
def matmul(x: Expr, y: Expr) -> Expr:
    return x @ y


@op("Gemm", since=11)
@through_int64
def gemm(
    x: Expr,
    y: Expr,
    c: Expr | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Expr:
    """``alpha x y + beta c``; with a trained ``y`` and no factors, a linear layer."""
    if not x.dtype.is_float and (alpha, beta) != (1.0, 1.0):
        raise NotApplicable("factors of a product of integers are not supported")
    for operand in (x, y):
        demand_rank("a product of matrices", operand.fact, 2, 2)
    if transA:
        x = x.transpose(0, 1)
    if c is not None:
        _check_addend(c, None if x.dims is None else x.dims[0], None if y.dims is None else y.dims[0 if transB else 1])
    if beta == 0.0:
        c = None
    if alpha == beta == 1.0 and (transB or y.op == "weight") and x.dtype.is_float:
        weight = y if transB else y.transpose(0, 1)
        bias = _bias(c, weight)
        if bias is not None or c is None:
            return F.linear(x, weight, bias)  # type: ignore[no-any-return]
        return F.linear(x, weight) + c  # type: ignore[no-any-return]
    result = x @ (y.transpose(0, 1) if transB else y)
    if alpha != 1.0:
        result = alpha * result
    if c is None:
        return result
    return result + (c if beta == 1.0 else beta * c)


def _check_addend(c: Expr, *sizes: Size | None) -> None:
    """Refuse an addend that does not become as large as the product, which must not become larger."""
    demand_rank("a product of matrices with an addend", c.fact, 0, 2)
    pairs = zip(reversed(c.dims or ()), reversed(sizes), strict=False)
    if any(own != 1 and are_different(own, size) for own, size in pairs):
        raise FactError(f"a product of matrices with the addend {c.fact}")


def _bias(c: Expr | None, weight: Expr) -> Expr | None:
    """The addend of a Gemm as the bias of a linear layer, if it has the shape of one."""
    if c is None or not c.dims or weight.dims is None or not same(c.dims[-1], weight.dims[0]):
        return None
    if len(c.dims) == 1:
        return c
    return c.squeeze(0) if len(c.dims) == 2 and c.dims[0] == 1 and c.op == "weight" else None


@op("Gemm", since=1, until=10)
def gemm_with_addend(
    x: Expr,
    y: Expr,
    c: Expr,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    broadcast: int = 0,
    transA: int = 0,  # noqa: N803
    transB: int = 0,  # noqa: N803
) -> Expr:
    """Before opset 7 the addend was broadcast only where ``broadcast`` said so: the file keeps to that."""
    return gemm(x, y, c, alpha=alpha, beta=beta, transA=transA, transB=transB)  # type: ignore[no-any-return]


@op("Einsum", since=12)
def einsum(*xs: Expr, equation: str) -> Expr:
    """torch has the same language, with the same order of upper and lower case."""
    dtype = xs[0].dtype
    if dtype in WIDE:
        return from_int64(torch.einsum([to_int64(x) for x in xs], equation), dtype)
    return torch.einsum(xs, equation)  # type: ignore[no-any-return]


@op("Det", since=11)
def det(x: Expr) -> Expr:
    """torch has none for half precision."""
    if x.dtype in (DType.FLOAT16, DType.BFLOAT16):
        return torch.det(x.to(DType.FLOAT32)).to(x.dtype)  # type: ignore[no-any-return]
    return torch.det(x)  # type: ignore[no-any-return]
