"""Causal masks, in all the ways they are made: which of them let every position see itself and those before it."""

from __future__ import annotations

import numpy as np

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.layers.masks import counted
from codegen_torch.layers.patterns import number
from codegen_torch.tensors import TensorRef

_SPREADING = frozenset({"Tensor.unsqueeze", "Tensor.expand", "torch.broadcast_to", "runtime.expand", "Tensor.to"})
_MOST_STEPS = 16
_MOST_ELEMENTS = 1 << 24


def causal_fill(mask: Expr) -> float | None:
    """The one number below zero that a mask adds where the key is behind the query, if it adds 0 elsewhere."""
    mask = _bare(mask)
    fill: float | None = None
    if mask.op == "torch.where":
        condition, chosen, other = mask.inputs
        kept, masked = (chosen, other) if _triangle(condition) else (other, chosen)
        if _triangle(condition) is not None and _fill(kept) == 0:
            fill = _fill(masked)
    elif mask.op == "Tensor.triu" and mask.attrs.get("diagonal", 0) == 1:
        fill = _fill(mask.inputs[0])
    return fill if fill is not None and fill < 0 else None


def _triangle(expr: Expr) -> bool | None:
    """True for the lower triangle with the diagonal, False for what is above it, None for any other condition."""
    turned = False
    for _ in range(_MOST_STEPS):
        expr = _bare(expr)
        if expr.op == "operator.invert":
            turned, expr = not turned, expr.inputs[0]
        elif (
            expr.op in ("torch.eq", "torch.ne")
            and number(expr.inputs[1]) == 0
            and _is_lower(_bare(expr.inputs[0])) is not None
        ):
            turned, expr = turned != (expr.op == "torch.eq"), expr.inputs[0]
        else:
            break
    lower = _is_lower(expr)
    return None if lower is None else lower != turned


def _is_lower(expr: Expr) -> bool | None:
    """Whether the elements that are not zero are the lower triangle (True) or what is above it (False)."""
    if expr.op in ("Tensor.tril", "Tensor.triu"):
        lower = expr.op == "Tensor.tril"
        fits = expr.attrs.get("diagonal", 0) == (0 if lower else 1)
        return lower if fits and _fill(expr.inputs[0]) else None
    if expr.op in _ORDERS:
        return _ordered(expr)
    while expr.op == "index.slice" and not expr.attrs.get("start", 0) and expr.attrs.get("step", 1) == 1:
        expr = expr.inputs[0]  # the corner of a triangle is one, too
    if expr.op != "constant" or expr.rank is None or expr.rank < 2:
        return None
    ref: TensorRef = expr.attrs["ref"]
    return _lower_of(ref.numpy()) if ref.size <= _MOST_ELEMENTS and ref.dtype.in_numpy else None


def _lower_of(value: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bool | None:
    matrix = value.reshape(-1, *value.shape[-2:])
    if len(matrix) != 1 or min(value.shape[-2:]) < 2:  # of a single row or column more than one reading is right
        return None
    ones = np.ones(value.shape[-2:], dtype=bool)
    if np.array_equal(matrix[0] != 0, np.tril(ones)):
        return True
    return False if np.array_equal(matrix[0] != 0, np.triu(ones, 1)) else None


_ORDERS = {"torch.le": (True, True), "torch.lt": (True, False), "torch.ge": (False, True), "torch.gt": (False, False)}
"""Comparisons: whether the left side is the smaller one, and whether the two may be equal."""


def _ordered(expr: Expr) -> bool | None:
    """Comparing the positions of keys, along the last axis, with those of queries, along the one before it."""
    rank = expr.rank
    if rank is None or rank < 2:
        return None
    smaller, larger = expr.inputs
    ascending, equal = _ORDERS[expr.op]
    if not ascending:
        smaller, larger = larger, smaller
    axes = []
    for side in (smaller, larger):
        found = counted(side, rank)
        axes.append(None if found is None else found[0] - rank)
    if axes == [-1, -2] and equal:  # key <= query
        return True
    return False if axes == [-2, -1] and not equal else None  # query < key


def _fill(expr: Expr) -> bool | int | float | None:
    """The number that every element is."""
    known = number(expr)
    if known is not None:
        return known
    return None if expr.op == "weight" else expr.fact.fill


def _bare(expr: Expr) -> Expr:
    """What a mask is before it is spread over further leading dimensions, or cast."""
    for _ in range(_MOST_STEPS):
        inner = expr.inputs[0] if expr.op in _SPREADING and expr.inputs else None
        if inner is None or inner.rank is None or expr.rank is None or inner.op == "weight":
            return expr
        if expr.op == "Tensor.unsqueeze" and expr.attrs["dim"] % expr.rank >= expr.rank - 2:
            return expr
        if expr.op == "Tensor.to" and not (inner.dtype is DType.BOOL or expr.dtype.is_float):
            return expr
        if inner.rank < 2 or inner.dims is None or expr.dims is None or inner.dims[-2:] != expr.dims[-2:]:
            return expr
        expr = inner
    return expr
