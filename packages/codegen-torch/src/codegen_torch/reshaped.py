"""A reshape as the simplest thing that it is: nothing, a merge, a split, a new or dropped dimension of size 1.

What decides is whether sizes are equal for every value of the symbols in them.
"""

from __future__ import annotations

from collections.abc import Sequence

from codegen_torch.dims import Dim, divide, product, same
from codegen_torch.expr import Expr
from codegen_torch.facts import FactError, Size
from codegen_torch.symbols.base import size_of

Int = int | Dim | Expr


def reshaped(x: Expr, sizes: Sequence[Int]) -> Expr:
    """A tensor in another shape, written the shortest way.

    Args:
        x: The tensor.
        sizes: The new sizes, one of which may be -1.
    """
    if x.dims is None:
        return x.reshape(*sizes)  # type: ignore[no-any-return]
    new = _known_sizes(x, sizes)
    old = x.dims
    start = 0
    while start < min(len(old), len(new)) and same(old[start], new[start]):
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and same(old[-1 - end], new[-1 - end]):
        end += 1
    gone, come = old[start : len(old) - end], new[start : len(new) - end]
    if not gone and not come:
        return x
    if all(size == 1 for size in come) and not gone:
        for _ in come:
            x = x.unsqueeze(start)
        return x
    if start and not end and len(gone) > 1 and all(size == 1 for size in gone) and not come:
        return x.flatten(start - 1)  # type: ignore[no-any-return]  # as people end what they pooled
    if all(size == 1 for size in gone) and not come:
        return x.squeeze(start if len(gone) == 1 else tuple(range(start, start + len(gone))))  # type: ignore[no-any-return]
    if len(come) == 1 and len(gone) > 1 and same(product(gone), come[0]):
        last = start + len(gone) - 1
        return x.flatten(start, -1 if last == len(old) - 1 else last)  # type: ignore[no-any-return]
    if len(gone) == 1 and len(come) > 1 and same(product(come), gone[0]):
        parts = _one_open(sizes[start : len(new) - end], new[start : len(new) - end])
        return x.unflatten(-1 if start == len(old) - 1 else start, tuple(parts))  # type: ignore[no-any-return]
    return x.reshape(*_one_open(sizes, new))  # type: ignore[no-any-return]


def _known_sizes(x: Expr, sizes: Sequence[Int]) -> list[Size]:
    """The new sizes to reason with, -1 replaced."""
    assert x.dims is not None
    new = [size_of(size) for size in sizes]
    if new.count(-1) > 1:
        raise FactError(f"a reshape of {x.fact} with more than one size left open")
    if -1 in new:
        rest = divide(product(x.dims), product(size for size in new if size != -1))
        if len(new) == 1:
            rest = product(x.dims)
        new[new.index(-1)] = Dim.fresh() if rest is None else rest
    return new


def _one_open(sizes: Sequence[Int], new: Sequence[Size]) -> list[Int]:
    """Sizes as they are written: numbers and names where that is known, else -1 for one of them."""
    written: list[Int] = [
        size if isinstance(size, int) or (size.name is not None and size.is_bound()) else given
        for given, size in zip(sizes, new, strict=True)
    ]
    if -1 in written:
        return written
    long = [axis for axis, size in enumerate(written) if not isinstance(size, int) and new[axis].name is None]  # type: ignore[union-attr]
    unbound = [axis for axis, size in enumerate(written) if isinstance(size, Expr)]
    for axes in (unbound, long):
        if len(axes) == 1 and all(size != 0 for size in written if isinstance(size, int)):
            written[axes[0]] = -1
            break
    return written
