"""Unsigned integers of 16, 32 and 64 bits, which torch stores and moves but does not compute with.

They become int64 meanwhile. For 64 bits that is the same number modulo 2**64, which is all that sums, products and
equality need; where the order counts, the sign bit is flipped, so that the order of int64 is the right one.
"""

from __future__ import annotations

import functools
from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Meaning

WIDE = frozenset({DType.UINT16, DType.UINT32, DType.UINT64})
"""The types that torch does not compute with."""
_SIGN = -(1 << 63)


def to_int64(x: Expr, *, ordered: bool = False) -> Expr:
    """The numbers as int64; with ``ordered`` in their order, whatever the numbers become."""
    flips = ordered and x.dtype is DType.UINT64
    widened: Expr = x.to(DType.INT64)
    return widened ^ _SIGN if flips else widened


def from_int64(x: Expr, dtype: DType, *, ordered: bool = False) -> Expr:
    """What :func:`to_int64` made of a type, back in that type."""
    flips = ordered and dtype is DType.UINT64
    return (x ^ _SIGN if flips else x).to(dtype)  # type: ignore[no-any-return]


def through_int64(meaning: Meaning) -> Meaning:
    """Let an operator compute modulo 2**64: sums, products, equality, movement of elements."""
    return _widened(meaning, ordered=False)


def through_order(meaning: Meaning) -> Meaning:
    """Let an operator compare unsigned integers and pick among them."""
    return _widened(meaning, ordered=True)


def _widened(meaning: Meaning, *, ordered: bool) -> Meaning:
    """All operands of the first one's type are widened; of the results the first one is narrowed, unless it is bool."""

    @functools.wraps(meaning)
    def widened(*xs: Any, **attributes: Any) -> Any:
        dtype = xs[0].dtype
        if dtype not in WIDE:
            return meaning(*xs, **attributes)
        wide = (to_int64(x, ordered=ordered) if isinstance(x, Expr) and x.dtype is dtype else x for x in xs)
        result = meaning(*wide, **attributes)
        first, *others = result if isinstance(result, tuple) else (result,)
        narrowed = first if first.dtype is DType.BOOL else from_int64(first, dtype, ordered=ordered)
        return (narrowed, *others) if isinstance(result, tuple) else narrowed

    return widened
