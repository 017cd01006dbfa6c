"""Whether matching a pattern by trying one way after the other could take exponential time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen_torch.regex.read import PatternError
from codegen_torch.regex.tree import Assertion, Choice, Node, Ranges, Repeat, Sequence, Set, meet

_FEW = 40
"""Places in a repeated part that are looked at."""
_TWO_WAYS = "repeats what can be read in two ways, which could take exponential time"

Pair = tuple[int, int]


def check_unambiguous(tree: Node) -> None:
    """See to it that nothing that is repeated can be read in two ways.

    Raises:
        PatternError: Something can, or is too long to tell.
    """
    for repeat in _repeats(tree):
        _check(repeat.part)


def _repeats(tree: Node) -> Iterator[Repeat]:
    """All parts that may be there more than once."""
    stack: list[Node] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, Repeat):
            stack.append(node.part)
            if node.most is None or node.most > 1:
                yield node
        elif isinstance(node, Sequence | Choice):
            stack.extend(node.parts)


@dataclass(frozen=True, slots=True)
class _Places:
    """The sets of characters in a part, and which of them can come first, last, and after each other (Glushkov)."""

    empty: bool
    first: frozenset[int]
    last: frozenset[int]


def _check(part: Node) -> None:
    """See to it that a part can be read in one way only, however often it is there.

    Seen as an automaton whose states are the sets of characters, no two different ways may lead from a state back to
    itself with the same string (Weber and Seidl 1991): that is a search among pairs of states.
    """
    sets: list[Ranges] = []
    after: dict[int, set[int]] = {}
    places = _places(part, sets, after)
    if places.empty:
        raise PatternError("repeats what may be empty")
    if len(sets) > _FEW:
        raise PatternError("repeats too much to see that matching takes no exponential time")
    _follow(after, places.last, places.first)
    alike = {(i, j) for i in range(len(sets)) for j in range(len(sets)) if meet(sets[i], sets[j])}
    steps = {(i, j): [(k, m) for k in after.get(i, ()) for m in after.get(j, ()) if (k, m) in alike] for i, j in alike}
    before: dict[Pair, list[Pair]] = {}
    for start, ends in steps.items():
        for end in ends:
            before.setdefault(end, []).append(start)
    for state in range(len(sets)):
        around = _reachable((state, state), steps) & _reachable((state, state), before)
        if any(one != other for one, other in around):
            raise PatternError(_TWO_WAYS)


def _follow(after: dict[int, set[int]], lasts: frozenset[int], firsts: frozenset[int]) -> None:
    """Note which sets come after which; those that do for two reasons are two ways at once."""
    for last in lasts:
        known = after.setdefault(last, set())
        if not known.isdisjoint(firsts):
            raise PatternError(_TWO_WAYS)
        known.update(firsts)


def _reachable(start: Pair, steps: dict[Pair, list[Pair]]) -> set[Pair]:
    found: set[Pair] = set()
    waiting = [start]
    while waiting:
        for pair in steps.get(waiting.pop(), ()):
            if pair not in found:
                found.add(pair)
                waiting.append(pair)
    return found


def _places(node: Node, sets: list[Ranges], after: dict[int, set[int]]) -> _Places:
    if isinstance(node, Set):
        sets.append(node.ranges)
        return _Places(False, frozenset({len(sets) - 1}), frozenset({len(sets) - 1}))
    if isinstance(node, Assertion):
        return _Places(True, frozenset(), frozenset())
    if isinstance(node, Repeat):
        inner = _places(node.part, sets, after)
        if node.most is None or node.most > 1:
            _follow(after, inner.last, inner.first)
        return _Places(inner.empty or node.least == 0, inner.first, inner.last)
    parts = [_places(part, sets, after) for part in node.parts]
    if isinstance(node, Choice):
        return _Places(
            any(part.empty for part in parts),
            frozenset().union(*(part.first for part in parts)),
            frozenset().union(*(part.last for part in parts)),
        )
    whole = _Places(True, frozenset(), frozenset())
    for part in parts:
        _follow(after, whole.last, part.first)
        whole = _Places(
            whole.empty and part.empty,
            whole.first | part.first if whole.empty else whole.first,
            whole.last | part.last if part.empty else part.last,
        )
    return whole
