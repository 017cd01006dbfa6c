"""Attention masks, which exporters look up element by element, as the views that they are.

To index a mask of shape [batch, seq] by ``arange(batch)[:, None, None, None]`` and ``arange(seq)`` is to view it as
[batch, 1, 1, seq].
"""

from __future__ import annotations

import itertools

import numpy as np
from dataflow_ir import Match, P, V, rest

from codegen_torch.dims import Dim, product
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import Size
from codegen_torch.layers.patterns import near
from codegen_torch.layers.rules import Family

RULES = Family()

_MOST_TERMS = 8
_MOST_AXES = 16


@RULES(P.index.tuple(V.x, *rest("indices")))
def indexed_by_ranges(x: Expr, indices: tuple[Expr, ...]) -> Expr | None:
    """Indexing the leading dimensions by all their positions, each on an axis of its own, is a view."""
    ranks = [index.rank for index in indices if index.rank is not None]
    if x.dims is None or len(ranks) < len(indices):
        return None
    rank = max(ranks)
    ranges = [counted(index, rank) for index in indices]
    wanted = [(axis, size) for (axis, _), size in zip(filter(None, ranges), x.dims, strict=False)]
    if ranges != wanted or not _is_increasing([axis for axis, _ in wanted]):
        return None
    return _spread(x, [axis for axis, _ in wanted], rank)


@RULES(P.index.take(V("flat", op={"Tensor.reshape", "Tensor.flatten"}), V.index, dim=0))
def taken_by_ranges(flat: Expr, index: Expr) -> Expr | None:
    """Taking all elements of a flattened tensor in their order, by sums of ranges times strides, is a view."""
    if index.rank is None or index.rank > _MOST_AXES:
        return None
    x = flat.inputs[0]
    if not x.dims or flat.dims is None or flat.dims not in ((product(x.dims),), (product(x.dims), 1)):
        return None
    found = [_strided_range(term, index.rank) for term in _terms(index)]
    long = [axis for axis, size in enumerate(x.dims) if size != 1]
    wanted = [(x.dims[axis], product(x.dims[axis + 1 :])) for axis in long]
    ordered = sorted((term for term in found if term is not None), key=lambda term: term[0])
    if len(ordered) != len(found) or [term[1:] for term in ordered] != wanted:
        return None
    axes = [axis for axis, _, _ in ordered]
    if not _is_increasing(axes):
        return None
    single = tuple(axis for axis in range(len(x.dims)) if axis not in long)
    view = _spread(x.squeeze(single) if single else x, axes, index.rank)
    return view if len(flat.dims) == 1 else view.unsqueeze(-1)


@RULES(P.operator.and_(P.torch.ge(V.positions, near(0)), V.mask))
def always_true(m: Match, positions: Expr, mask: Expr) -> Expr | None:
    """A mask that holds where another one does and positions are not negative is that other one."""
    dims: tuple[Size, ...] | None = m.root.dims
    if positions.rank is None or counted(positions, positions.rank) is None or mask.dims is None or dims is None:
        return None
    if mask.dims == dims:
        return mask
    if len(mask.dims) != len(dims):
        return None
    sizes = (-1 if own == size else size for own, size in zip(mask.dims, dims, strict=True))
    return mask.expand(*sizes)  # type: ignore[no-any-return]


@RULES(P.operator.and_(V.everywhere, V.mask))
def kept_everywhere(m: Match, everywhere: Expr, mask: Expr) -> Expr | None:
    """A mask that holds where another one does, and that holds everywhere, is that other one."""
    fill, dims = everywhere.fact.fill, m.root.dims
    if everywhere.op == "weight" or fill is None or not fill or mask.dtype is not DType.BOOL or mask.dims is None:
        return None
    if everywhere.dtype is not DType.BOOL or dims is None or len(mask.dims) != len(dims):
        return None
    sizes = [-1 if own == size else size for own, size in zip(mask.dims, dims, strict=True)]
    return mask if mask.dims == dims else mask.expand(*sizes)


def counted(expr: Expr, rank: int) -> tuple[int, Size] | None:
    """The axis, in a tensor of this rank, along which an expression counts from 0, and how far."""
    steps: list[int] = []
    while expr.op == "Tensor.unsqueeze" and expr.rank is not None:
        steps.append(expr.attrs["dim"] % expr.rank)
        expr = expr.inputs[0]
    if expr.op != "torch.arange" or expr.dims is None:
        return None
    if expr.attrs["start"] != 0 or expr.attrs["stop"] != expr.dims[0] or "step" in expr.attrs:
        return None
    axis = 0
    for step in reversed(steps):
        axis += step <= axis
    return axis + rank - len(steps) - 1, expr.dims[0]


def _terms(expr: Expr) -> list[Expr]:
    """What is added in a nest of sums."""
    found = [expr]
    position = 0
    while position < len(found) < _MOST_TERMS:
        if found[position].op == "operator.add":
            found[position : position + 1] = found[position].inputs
        else:
            position += 1
    return found


def _strided_range(expr: Expr, rank: int) -> tuple[int, Size, Size] | None:
    """The axis, the length and the stride of a range, or of a range times a size."""
    plain = counted(expr, rank) or _stored_range(expr, rank)
    if plain is not None:
        return *plain, 1
    if expr.op == "Tensor.unsqueeze" and expr.rank is not None:
        inner = _strided_range(expr.inputs[0], expr.rank - 1)  # as deep as the index has axes
        if inner is None:
            return None
        axis, size, stride = inner
        return axis + (axis >= expr.attrs["dim"] % expr.rank) + rank - expr.rank, size, stride
    if expr.op != "operator.mul":
        return None
    for positions, stride in (expr.inputs, expr.inputs[::-1]):
        found, known = counted(positions, rank), stride.fact.value
        if found is not None and known is not None and known.size == 1:
            size = known.reshape(()).item()
            return (*found, size) if isinstance(size, int | Dim) else None
    return None


def _stored_range(expr: Expr, rank: int) -> tuple[int, Size] | None:
    """The axis along which a stored tensor counts from 0, and how far."""
    known = expr.fact.value
    if expr.op != "constant" or known is None or known.dtype.kind != "i" or max(known.shape, default=1) != known.size:
        return None
    if not (known.reshape(-1) == np.arange(known.size)).all() or known.size < 2:
        return None
    return known.shape.index(known.size) + rank - known.ndim, known.size


def _is_increasing(axes: list[int]) -> bool:
    return all(left < right for left, right in itertools.pairwise(axes))


def _spread(x: Expr, axes: list[int], rank: int) -> Expr:
    """A tensor whose leading dimensions come to lie on these of so many axes; the others have length 1."""
    for axis in range(rank):
        if axis not in axes:
            x = x.unsqueeze(axis)
    return x
