"""Products over named dimensions, and determinants."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import same
from codegen_torch.facts import Fact, FactError, Size, broadcast
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.demands import are_different, demand_rank

Tensor: TypeAlias = Fact
Tensors: TypeAlias = list[Fact]
_ELLIPSIS = "..."


@symbol("torch.einsum")
def einsum(tensors: Tensors, equation: str) -> Fact:
    """Printed with torch's order: ``torch.einsum(equation, x, y)``."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    letters = equation.replace(_ELLIPSIS, "").replace("->", "").replace(",", "").replace(" ", "")
    if not (letters.isascii() and (letters.isalpha() or not letters)) or len(set(_labels(right))) < len(_labels(right)):
        raise FactError(f"an einsum {equation!r}, which is no equation")
    if len(terms) != len(tensors):
        raise FactError(f"an einsum {equation!r} of {len(tensors)} tensors")
    known: dict[str, Size] = {}
    spans: list[tuple[Size, ...] | None] = []
    for term, tensor in zip(terms, tensors, strict=True):
        spans.extend(_assign(known, term, tensor, equation))
    result = right if arrow else _implicit(left)
    between = broadcast(*spans)
    labels = result.replace(_ELLIPSIS, ".")
    if any(label != "." and label not in known for label in labels) and all(t.dims is not None for t in tensors):
        raise FactError(f"an einsum {equation!r} whose result has a dimension that no operand has")
    if between is None or any(label != "." and label not in known for label in labels):
        return Fact(tensors[0].dtype, None)
    dims = [size for label in labels for size in (between if label == "." else (known[label],))]
    return Fact(tensors[0].dtype, tuple(dims))


def _labels(term: str) -> str:
    return term.replace(_ELLIPSIS, "")


def _assign(known: dict[str, Size], term: str, tensor: Fact, equation: str) -> list[tuple[Size, ...] | None]:
    """Note the sizes of one operand's labels.

    Returns:
        The sizes that its ellipsis stands for, if it has one.
    """
    before, dots, after = term.partition(_ELLIPSIS)
    if tensor.dims is None:
        return [None] if dots else []
    extra = len(tensor.dims) - len(before) - len(after)
    if extra < 0 or (extra and not dots):
        raise FactError(f"an einsum {equation!r} of {tensor} as {term!r}")
    end = len(tensor.dims) - len(after)
    for label, size in (*zip(before, tensor.dims, strict=False), *zip(after, tensor.dims[end:], strict=True)):
        other = known.get(label, 1)
        if size != 1 and other != 1 and same(size, other) is False:
            raise FactError(f"an einsum {equation!r} whose {label!r} is {other} and {size}")
        if label not in known or other == 1 or isinstance(size, int):
            known[label] = other if size == 1 else size
    return [tensor.dims[len(before) : end]] if dots else []


def _implicit(left: str) -> str:
    """What comes out where nothing is said: the labels that occur once, in ASCII order, behind the ellipsis."""
    letters = left.replace(_ELLIPSIS, "").replace(",", "")
    once = "".join(sorted(letter for letter in set(letters) if letters.count(letter) == 1))
    return _ELLIPSIS + once if _ELLIPSIS in left else once


@symbol("torch.det")
def det(x: Tensor) -> Fact:
    demand_rank("a determinant", x, 2)
    if x.dims is not None and are_different(x.dims[-2], x.dims[-1]):
        raise FactError(f"the determinant of {x}, which is no square")
    return Fact(x.dtype, None if x.dims is None else x.dims[:-2])
