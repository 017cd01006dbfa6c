"""Conditions under which every query sees a key, as causal masks behind a cache have them, and how far they reach.

Where no row is wholly masked, a mask that adds the smallest number and one that leaves a key out are the same.
"""

from __future__ import annotations

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.layers.masks import counted
from codegen_torch.tensors import TensorRef

_MOST_STEPS = 16
_MOST_ELEMENTS = 1 << 24


def shows_first_key(condition: Expr) -> bool:
    """Whether a condition is known to hold in the first column, so that every row has an element where it does."""
    shown = True
    for _ in range(_MOST_STEPS):
        if condition.op == "operator.invert":
            shown, condition = not shown, condition.inputs[0]
        elif _takes_first_column(condition) or _is_in_front(condition):
            condition = condition.inputs[0]
        else:
            break
    if condition.op in _ORDERS:
        position, limit = (condition.inputs[side] for side in _ORDERS[condition.op])
        is_smaller = condition.op in ("torch.le", "torch.ge")
        return shown is is_smaller and _begins_below(position, limit, condition.rank)
    return _holds_in_first_column(condition, shown)


def reaches_no_further(mask: Expr, dims: tuple[Size, ...]) -> bool:
    """Whether a mask broadcasts no dimension of what has these sizes: a slice is never longer than its bounds say."""
    if mask.dims is None or len(mask.dims) > len(dims):
        return False
    offset = len(dims) - len(mask.dims)
    return all(
        own in (1, dims[axis + offset]) or _is_cut_to(mask, axis, dims[axis + offset])
        for axis, own in enumerate(mask.dims)
    )


_ORDERS = {"torch.le": (0, 1), "torch.gt": (0, 1), "torch.ge": (1, 0), "torch.lt": (1, 0)}
"""Comparisons of a position with a limit, of which the first two have the position on the left."""


def _begins_below(position: Expr, limit: Expr, rank: int | None) -> bool:
    """Whether positions count from 0 along the last axis, and the limit, the same all along it, is never below."""
    if rank is None or limit.dims is None or not _is_never_negative(limit):
        return False
    found = counted(position, rank)
    return found is not None and found[0] == rank - 1 and (not limit.dims or limit.dims[-1] == 1)


def _is_never_negative(expr: Expr) -> bool:
    """Whether these are sizes, or positions that count upwards from one, or sums of both."""
    stack = [expr]
    for _ in range(_MOST_STEPS):
        if not stack:
            return True
        current = stack.pop()
        if current.op in ("Tensor.unsqueeze", "operator.add"):
            stack += [operand for operand in current.inputs if operand is not None]
        elif current.op == "torch.arange" and current.attrs.get("step", 1) == 1:
            if not _is_size(current.attrs["start"]):
                return False
        elif current.op != "literal" or not _is_size(current.attrs["value"]):
            return False
    return False


def _is_size(number: object) -> bool:
    return number.at_least_zero() if isinstance(number, Dim) else isinstance(number, int) and number >= 0


def _takes_first_column(cut: Expr) -> bool:
    if cut.op != "index.slice" or cut.rank is None or len(cut.inputs) != 1 or cut.attrs.get("step", 1) != 1:
        return False
    return bool(cut.attrs["dim"] % cut.rank != cut.rank - 1 or cut.attrs.get("start", 0) == 0)


def _is_in_front(new: Expr) -> bool:
    return new.op == "Tensor.unsqueeze" and new.rank is not None and new.attrs["dim"] % new.rank < new.rank - 1


def _holds_in_first_column(condition: Expr, shown: bool) -> bool:
    """Whether the first column of a stored condition is all True, or all False."""
    if condition.op != "constant" or condition.dtype is not DType.BOOL or not condition.rank:
        return False
    ref: TensorRef = condition.attrs["ref"]
    if not 0 < ref.size <= _MOST_ELEMENTS:
        return False
    return bool((ref.numpy()[..., 0] == shown).all())


def _is_cut_to(mask: Expr, axis: int, size: Size) -> bool:
    """Whether a mask is a slice, ``size`` elements from somewhere on, or fewer where it has no more."""
    for _ in range(_MOST_STEPS):
        if mask.op == "operator.invert":
            mask = mask.inputs[0]
        if mask.op != "index.slice" or len(mask.inputs) != 1 or mask.rank is None:
            return False
        attrs = mask.attrs
        start, stop = attrs.get("start", 0), attrs.get("stop")
        if attrs["dim"] % mask.rank == axis:
            return attrs.get("step", 1) == 1 and _is_size(start) and stop is not None and bool(stop - start == size)
        mask = mask.inputs[0]
    return False
