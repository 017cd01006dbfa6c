"""Pixels that become channels, and channels that become pixels, spelled as a reshape, a permutation and another one."""

from __future__ import annotations

from dataflow_ir import V

from codegen_torch.dims import product
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.layers.movement import order_of
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import F

RULES = Family()

_VIEWS = frozenset({"Tensor.flatten", "Tensor.reshape", "Tensor.squeeze", "Tensor.unflatten", "Tensor.unsqueeze"})
_MOST_VIEWS = 4
_INTO_CHANNELS = (0, 1, 3, 5, 2, 4)
_INTO_PIXELS = (0, 1, 4, 2, 5, 3)


@RULES(V("merged", op=_VIEWS))
def pixel_unshuffle(merged: Expr) -> Expr | None:
    """Making blocks of pixels channels, each channel's in a row, is F.pixel_unshuffle."""
    found = _through(merged, _INTO_CHANNELS)
    if found is None:
        return None
    x, (batch, channels, height, rows, width, columns) = found
    if not isinstance(rows, int) or rows != columns or rows < 2:
        return None
    if x.dims != (batch, channels, height * rows, width * columns):
        return None
    is_merged = merged.dims == (batch, product((channels, rows, columns)), height, width)
    return F.pixel_unshuffle(x, rows) if is_merged else None


@RULES(V("merged", op=_VIEWS))
def pixel_shuffle(merged: Expr) -> Expr | None:
    """Making channels, so many of each in a row, blocks of pixels is F.pixel_shuffle."""
    found = _through(merged, _INTO_PIXELS)
    if found is None:
        return None
    x, (batch, channels, rows, columns, height, width) = found
    if not isinstance(rows, int) or rows != columns or rows < 2:
        return None
    if x.dims != (batch, product((channels, rows, columns)), height, width):
        return None
    return F.pixel_shuffle(x, rows) if merged.dims == (batch, channels, height * rows, width * columns) else None


def _through(merged: Expr, order: tuple[int, ...]) -> tuple[Expr, tuple[Size, ...]] | None:
    """The image that is taken apart, permuted in this order and put together, and the sizes of its parts."""
    turned = _before_views(merged)
    if order_of(turned) != order:
        return None
    parts: Expr = turned.inputs[0]
    x = _before_views(parts, rank=4)
    return (x, parts.dims) if x.rank == 4 and parts.dims is not None else None


def _before_views(expr: Expr, rank: int | None = None) -> Expr:
    """What views in a row are of; of so many dimensions, if these are given."""
    for _ in range(_MOST_VIEWS):
        if expr.op not in _VIEWS or len(expr.inputs) != 1 or expr.rank == rank:
            break
        expr = expr.inputs[0]
    return expr
