"""Which expressions are nothing but a stored tensor, perhaps rearranged."""

from __future__ import annotations

from collections.abc import Callable

from codegen_torch.expr import Expr, Origin, constant, originating, weight
from codegen_torch.tensors import TensorRef


def tensor_ref(expr: Expr | None) -> TensorRef | None:
    """The tensor that an expression stands for, if it can be a layer's parameter.

    That is a weight, a constant of floats or a filled tensor, behind any number of operations that only rearrange.
    """
    moves: list[Expr] = []
    while expr is not None and expr.op in _MOVES and expr.inputs[0] is not None and len(expr.inputs) == 1:
        moves.append(expr)
        expr = expr.inputs[0]
    ref = _stored(expr)
    for move in reversed(moves):
        if ref is None:
            return None
        ref = _MOVES[move.op](ref, move)
    return ref


def parameter(source: Expr | TensorRef | None) -> Expr | None:
    """An expression, or a tensor, as a layer's parameter; None where it is not stored."""
    if isinstance(source, Expr) and source.op == "weight":
        return source
    ref = tensor_ref(source) if isinstance(source, Expr) else source
    if ref is None:
        return None
    with originating(Origin(name=ref.name)):
        return weight(ref)


def buffer(source: Expr | None) -> Expr | None:
    """An expression as a tensor that a layer keeps but does not train; None where it is not stored."""
    if source is not None and source.op == "constant":
        return source
    ref = tensor_ref(source)
    if ref is None:
        return None
    with originating(Origin(name=ref.name)):
        return constant(ref)


def _stored(expr: Expr | None) -> TensorRef | None:
    if expr is None:
        return None
    if expr.op == "weight" or (expr.op == "constant" and expr.dtype.is_float):
        ref: TensorRef = expr.attrs["ref"]
        return ref
    if expr.op in ("torch.full", "torch.zeros", "torch.ones") and expr.dtype.is_float and expr.fact.is_static:
        fill = expr.fact.fill
        if fill is None or expr.dims is None:
            return None
        return TensorRef.filled(tuple(size for size in expr.dims if isinstance(size, int)), expr.dtype, fill)
    return None


def _reshape(ref: TensorRef, move: Expr) -> TensorRef | None:
    dims = move.dims
    if dims is None or not all(isinstance(size, int) for size in dims):
        return None
    return ref.reshape(*(size for size in dims if isinstance(size, int)))


def _transpose(ref: TensorRef, move: Expr) -> TensorRef:
    rank = len(ref.shape)
    first, second = move.attrs["dim0"] % rank, move.attrs["dim1"] % rank
    order = list(range(rank))
    order[first], order[second] = order[second], order[first]
    return ref.permute(*order)


def _permute(ref: TensorRef, move: Expr) -> TensorRef:
    return ref.permute(*move.attrs["dims"])


# Views whose result's shape says all there is to say are reshapes.
_MOVES: dict[str, Callable[[TensorRef, Expr], TensorRef | None]] = {
    "Tensor.flatten": _reshape,
    "Tensor.permute": _permute,
    "Tensor.reshape": _reshape,
    "Tensor.squeeze": _reshape,
    "Tensor.transpose": _transpose,
    "Tensor.unflatten": _reshape,
    "Tensor.unsqueeze": _reshape,
}
