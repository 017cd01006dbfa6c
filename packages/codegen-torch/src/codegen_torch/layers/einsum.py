"""Attention that is written with torch.einsum, as the products of matrices that it is.

What else is an einsum stays one: whoever wrote it meant it.
"""

from __future__ import annotations

import dataclasses

from dataflow_ir import P, V

from codegen_torch.expr import Expr
from codegen_torch.layers.movement import permuted
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.dropout import OF_ELEMENTS

RULES = Family()

_MOST_STEPS = 8
_MOST_PATHS = 32
_ON_THE_WAY = frozenset({"operator.add", "operator.mul", "operator.truediv", "torch.where", "Tensor.to"})


@RULES(P.F.softmax(V.scores).named("weights"))
def scores_of_attention(scores: Expr, weights: Expr) -> Expr | None:
    """The softmax of ``einsum("bhid,bhjd->bhij", q, k)``, perhaps scaled and masked, is that of ``q @ kᵀ``."""
    path = _path(scores)
    if path is None:
        return None
    *steps, einsum = path
    new = _product(einsum)
    if new is None:
        return None
    old = einsum
    for step in reversed(steps):
        new = step.rebuild(tuple(new if operand is old else operand for operand in step.inputs))
        old = step
    return weights.rebuild((new,))


@RULES(P.torch.einsum(V.weights, V.value).named("einsum"))
def values_of_attention(weights: Expr, einsum: Expr) -> Expr | None:
    """The product ``einsum("bhij,bhjd->bhid", softmax(…), v)`` is ``softmax(…) @ v``."""
    return _product(einsum) if _is_softmax(weights) else None


def _path(scores: Expr) -> list[Expr] | None:
    """What is done to an einsum, last first, and the einsum."""
    paths = [[scores]]
    for _ in range(_MOST_PATHS):
        if not paths:
            return None
        path = paths.pop()
        last = path[-1]
        if last.op == "torch.einsum" and len(last.inputs) == 2:
            return path
        if last.op in _ON_THE_WAY:
            paths += [[*path, operand] for operand in last.inputs if operand is not None and operand.dims == last.dims]
    return None


def _is_softmax(weights: Expr) -> bool:
    """Whether these are a softmax, of which some may be dropped or replaced where it is not a number."""
    for _ in range(_MOST_STEPS):
        if weights.op == "torch.where":
            weights = weights.inputs[2]
        elif weights.op in OF_ELEMENTS or weights.op == "Tensor.to":
            weights = weights.inputs[0]
        else:
            break
    return bool(weights.op == "F.softmax")


@dataclasses.dataclass(frozen=True, slots=True)
class _Labels:
    """``batch + row + inner, batch + inner + column -> batch + row + column``, each in any order."""

    left: str
    right: str
    result: str
    batch: str
    row: str
    inner: str
    column: str

    def swapped(self) -> _Labels:
        """The labels of the same product with its operands in the other order."""
        return _Labels(self.right, self.left, self.result, self.batch, self.column, self.inner, self.row)


def _product(einsum: Expr) -> Expr | None:
    labels = _labels(einsum)
    if labels is None:
        return None
    left, right = einsum.inputs
    if labels.result.index(labels.row) > labels.result.index(labels.column):
        left, right, labels = right, left, labels.swapped()
    rows = permuted(left, _order(labels.left, labels.batch + labels.row + labels.inner))
    columns = permuted(right, _order(labels.right, labels.batch + labels.inner + labels.column))
    return permuted(rows @ columns, _order(labels.batch + labels.row + labels.column, labels.result))


def _labels(einsum: Expr) -> _Labels | None:
    """What the labels of an equation mean, if it is a product of matrices whose sizes are known to agree."""
    terms, arrow, result = einsum.attrs["equation"].replace(" ", "").partition("->")
    left, comma, right = terms.partition(",")
    if not arrow or not comma or not all(term.isalpha() and len(set(term)) == len(term) for term in (left, right)):
        return None
    batch = "".join(label for label in result if label in left and label in right)
    row, column = ("".join(label for label in result if label in own and label not in batch) for own in (left, right))
    inner = "".join(label for label in left if label in right and label not in result)
    if [len(row), len(column), len(inner)] != [1, 1, 1] or len(result) != len(batch) + 2:
        return None
    if len(left) != len(batch) + 2 or len(right) != len(batch) + 2 or not _agree(einsum, left, right):
        return None
    return _Labels(left, right, result, batch, row, inner, column)


def _agree(einsum: Expr, left: str, right: str) -> bool:
    """Whether each label is one size: torch lets a size of 1 stand for another one."""
    first, second = einsum.inputs
    if first.dims is None or second.dims is None or first.dtype is not second.dtype:
        return False
    sizes = dict(zip(left, first.dims, strict=True))
    return all(sizes.get(label, size) == size for label, size in zip(right, second.dims, strict=True))


def _order(old: str, new: str) -> tuple[int, ...]:
    return tuple(old.index(label) for label in new)
