"""What holds of the values that a loop carries from one iteration to the next.

It is found by lowering the body until nothing new is learned: first with what holds before the loop, then without what
an iteration changes. A value that every iteration hands on as it is, is the one from before the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen_torch.blocks import parameter
from codegen_torch.dims import Dim
from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, FactError, KindError, OptionalOf, SequenceOf, Size, joined
from codegen_torch.symbols.sequence import freshened

_HASTY_DEPTH = 3
"""In loops as deep as this no time is spent on finding out which sizes stay."""

Body = Callable[[Sequence[Expr]], Sequence[Expr]]
"""Lowers a body with these carried values; returns the new values, then other results."""


class Settled:
    """The body of a loop when all is known of it.

    Attributes:
        params: The carried values' parameters; None where the value from before the loop stays.
        following: The new values, in the order of the parameters.
        others: What the body returns besides.
    """

    def __init__(self, names: Sequence[str], initial: Sequence[Expr], body: Body, depth: int) -> None:
        self._widening = _Widening()
        facts = [joined(value.fact, value.fact) for value in initial]
        if depth >= _HASTY_DEPTH:
            facts = [self._widening.of_any_size(fact) for fact in facts]
        kept: set[int] = set()
        changing: set[int] = set()
        while True:
            self.params: list[Expr | None] = [
                None if index in kept else parameter(name, facts[index]) for index, name in enumerate(names)
            ]
            given = [value if param is None else param for param, value in zip(self.params, initial, strict=True)]
            results = body(given)
            self.following, self.others = results[: len(initial)], results[len(initial) :]
            settled = True
            for index, (before, after) in enumerate(zip(given, self.following, strict=True)):
                if index in kept:
                    if after is not before:
                        kept.discard(index)
                        changing.add(index)
                        settled = False
                elif after is before and index not in changing:
                    kept.add(index)
                    settled = False
                else:
                    wider = self._widening(facts[index], after.fact)
                    settled = settled and wider is facts[index]
                    facts[index] = wider
            if settled:
                return


class _Widening:
    """Forgets what an iteration changes; a size that has become any size stays that."""

    def __init__(self) -> None:
        self._any: set[Size] = set()

    def __call__(self, before: Fact, after: Fact) -> Fact:
        """What holds of the value before and after; ``before`` itself where an iteration changes nothing of it."""
        if isinstance(before, SequenceOf) and isinstance(after, SequenceOf):
            length = before.length if before.length == after.length else None
            if before.length == 0 and after.length != 0:
                return SequenceOf(freshened(after.element), None)
            element = before.element if after.length == 0 else self(before.element, after.element)
            same = element is before.element and length == before.length
            return before if same else SequenceOf(element, length)
        if isinstance(before, OptionalOf):
            inner = after.element if isinstance(after, OptionalOf) else after
            if isinstance(after, OptionalOf) and after.absent:
                return before
            if before.absent:
                return OptionalOf(freshened(inner))
            element = self(before.element, inner)
            return before if element is before.element else OptionalOf(element)
        try:
            both = joined(before, after)
        except KindError as error:
            raise FactError(f"a loop that carries {error}") from error
        if isinstance(both, OptionalOf):
            return both
        if before.dims is None or both.dims is None:
            return before if before.dims is None else both
        assert after.dims is not None
        dims = tuple(map(self._size, before.dims, after.dims))
        return before if dims == before.dims else Fact(before.dtype, dims)

    def of_any_size(self, fact: Fact) -> Fact:
        """A tensor of the same rank."""
        if fact.host or fact.dims is None:
            return fact
        return Fact(fact.dtype, tuple(self._any_size() for _ in fact.dims))

    def _size(self, before: Size, after: Size) -> Size:
        return before if before == after or before in self._any else self._any_size()

    def _any_size(self) -> Size:
        size = Dim.fresh()
        self._any.add(size)
        return size


def outside(fact: Fact, mark: Dim) -> Fact:
    """What holds of a value after a block: sizes that are younger than ``mark`` mean nothing outside of it."""
    if isinstance(fact, SequenceOf):
        return SequenceOf(outside(fact.element, mark), fact.length)
    if isinstance(fact, OptionalOf):
        return OptionalOf(outside(fact.element, mark), absent=fact.absent)
    if fact.host or fact.dims is None:
        return fact
    oldest = mark.name or ""
    young = [
        isinstance(dim, Dim) and any(name.startswith("?") and name > oldest for name in dim.symbols())
        for dim in fact.dims
    ]
    dims = tuple(Dim.fresh() if is_young else dim for is_young, dim in zip(young, fact.dims, strict=True))
    return Fact(fact.dtype, dims)
