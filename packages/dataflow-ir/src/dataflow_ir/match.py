"""Looking for patterns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from dataflow_ir.compile import Compiled, compile_pattern
from dataflow_ir.node import Node
from dataflow_ir.order import count_uses, users
from dataflow_ir.pattern import Pattern, Together, as_pattern
from dataflow_ir.walk import nodes


class Match:
    """What a pattern found. What it captured is an attribute and an item: ``m.x``, ``m["x"]``.

    Attributes:
        root: The node that matched; for `P.all` the tuple of them.
        nodes: The nodes that the operations of the pattern met, the root first.
        captures: Everything captured, by name.
    """

    __slots__ = ("captures", "nodes", "root")

    def __init__(self, root: Any, nodes: tuple[Node, ...], captures: dict[str, Any]) -> None:
        self.root = root
        self.nodes = nodes
        self.captures = captures

    def __getitem__(self, name: str) -> Any:
        return self.captures[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.captures[name]
        except KeyError:
            raise AttributeError(f"the pattern captures no {name}; it captures {', '.join(self.captures)}") from None

    def __repr__(self) -> str:
        return f"<Match {', '.join([f'{name}={value!r}' for name, value in self.captures.items()])}>"


_compiled: WeakKeyDictionary[Pattern, dict[Hashable, Compiled]] = WeakKeyDictionary()


def compiled(pattern: Pattern, commutative: Collection[Hashable], same: Any = None) -> Compiled:
    """Return a pattern as a function, compiled the first time."""
    known = _compiled.setdefault(pattern, {})
    key = (frozenset(commutative), same)
    if key not in known:
        known[key] = compile_pattern(pattern, key[0], same)
    return known[key]


def match(
    pattern: Any,
    v: Node,
    g: Any = None,
    *,
    commutative: Collection[Hashable] = (),
    same: Callable[[Any, Any], Any] | None = None,
) -> Match | None:
    """Match a pattern with a node.

    Args:
        pattern: The pattern.
        v: The node.
        g: The graph whose uses count for `once`; by default what is below the node.
        commutative: The operations whose inputs match in any order.
        same: Decides whether two nodes may have one name; by default they must be the same. `equal` makes it
            a question of structure.

    Returns:
        The match, or None; `explain` says why.

    >>> from dataflow_ir import P, V, const, inp, node
    >>> m = match(P.add(V.x, 1, mode=V.how), node("add", inp("a"), const(1), mode="fast"))
    >>> m.x, m.how
    (a, 'fast')
    """
    if isinstance(pattern, Together):
        raise TypeError("P.all(...) matches several nodes; look for it by find_all")
    found = compiled(as_pattern(pattern), commutative, same)
    uses = count_uses(v if g is None else g) if found.counts_uses else None
    return _match(found, v, uses)


def _match(found: Compiled, v: Node, uses: Mapping[Node, int] | None, *more: Any) -> Match | None:
    result = found.run(v, uses, *more)
    if result is None:
        return None
    return Match(v, tuple(dict.fromkeys(result[1])), dict(zip(found.names, result[0], strict=True)))


def find_all(
    pattern: Any,
    g: Any,
    *,
    commutative: Collection[Hashable] = (),
    same: Callable[[Any, Any], Any] | None = None,
) -> Iterator[Match]:
    """Yield a match for each node that matches, inputs before users. Matches may overlap.

    Of `P.all` each node is a root of one match at most, and it is found from the roots of the first pattern on.

    >>> from dataflow_ir import P, V, inp, node
    >>> x = inp("x")
    >>> [m.x for m in find_all(P.neg(V.x), node("neg", node("neg", x)))]
    [x, neg(x)]
    """
    pattern = as_pattern(pattern)
    if isinstance(pattern, Together):
        yield from _find_together(pattern, g, commutative, same)
        return
    found = compiled(pattern, commutative, same)
    uses = count_uses(g) if found.counts_uses else None
    for v in nodes(g):
        if found.ops is None or v.op in found.ops:
            m = _match(found, v, uses)
            if m is not None:
                yield m


def _find_together(pattern: Together, g: Any, commutative: Collection[Hashable], same: Any) -> Iterator[Match]:
    found = compiled(pattern, commutative, same)
    uses = count_uses(g) if found.counts_uses else None
    used_by = users(g)
    taken: set[Node] = set()
    for v in used_by:
        if v in taken or (found.ops is not None and v.op not in found.ops):
            continue
        m = _match(found, v, uses, used_by, taken)
        if m is not None:
            m.root = tuple([m.captures[name] for name in pattern.roots])
            taken.update(m.root)
            yield m
