"""What graphs have in common, and changes of whole graphs."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

from dataflow_ir._gc import gc_paused
from dataflow_ir.fingerprint import digests
from dataflow_ir.functions import Lambda, lambdas, relink, substitute_lambdas
from dataflow_ir.nest import leaves, map_nest, shape
from dataflow_ir.node import Forward, Node
from dataflow_ir.ops import BUILTIN
from dataflow_ir.order import iscyclic, sccs
from dataflow_ir.partition import Label, classes
from dataflow_ir.values import typed
from dataflow_ir.walk import Walk, nodes, postwalk, prewalk

G = TypeVar("G")


def cse(g: G, cache: dict[Hashable, Node] | None = None, has_effect: Callable[[Any], bool] = lambda v: False) -> G:
    """Eliminate common subexpressions: of all nodes that compute the same, the first stays.

    Functions are values: equal ones become one. Their bodies are graphs of their own: ``map_bodies(cse, g)``.

    Args:
        g: A node or a nest of them.
        cache: What has been met, by `Node.key`; give the same one again to share between graphs. It has no part
            in graphs with cycles.
        has_effect: Tells which nodes are never merged, because each run of them counts.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> g = cse(node("mul", node("neg", x), node("neg", x)))
    >>> g[0] is g[1]
    True
    """
    g = _merge_functions(g)
    if iscyclic(g):
        number = classes(g, lambda v: v if has_effect(v) else (typed(v.op), v.attrs.key))
        first: dict[int, Node] = {}
        for v, n in number.items():
            first.setdefault(n, v)
        return prewalk(lambda v: first[number[v]], g)
    known = {} if cache is None else cache
    return postwalk(lambda v: None if has_effect(v) else known.setdefault(v.key, v), g)


def _merge_functions(g: Any) -> Any:
    first: dict[Hashable, Lambda] = {}
    same = {code: first.setdefault(digest, code) for code, digest in _code_digests(g).items()}
    return relink(g, {code: kept for code, kept in same.items() if kept is not code})


@gc_paused
def equal(a: Any, b: Any) -> bool:
    """Tell whether two graphs are the same expression: equal once all sharing and all cycles are unfolded.

    The names of a function's parameters do not matter. The time is almost linear, by merging what must be equal
    (Hopcroft and Karp 1971).

    >>> from dataflow_ir import inp, node
    >>> x = node("neg", inp("x"))
    >>> equal(node("add", x, x), node("add", node("neg", inp("x")), node("neg", inp("x"))))
    True
    """
    if shape(a) != shape(b):
        return False
    label = labels([a, b])
    leader: dict[Node, Node] = {}
    pairs: list[tuple[Any, Any]] = list(zip(leaves(a), leaves(b), strict=True))
    while pairs:
        v, w = pairs.pop()
        v, w = _find(leader, v), _find(leader, w)
        if v is w:
            continue
        if v is None or w is None or len(v.inputs) != len(w.inputs) or label(v) != label(w):
            return False
        leader[v] = w
        pairs += zip(v.inputs, w.inputs, strict=True)
    return True


def _find(leader: dict[Node, Node], v: Any) -> Any:
    while v in leader:
        above = leader[v]
        if above in leader:
            leader[v] = leader[above]
        v = above
    return v


@gc_paused
def isomorphic(a: Any, b: Any) -> bool:
    """Tell whether two graphs are `equal` and share alike: node for node the same.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> isomorphic(node("add", x, x), node("add", inp("x"), inp("x")))
    False
    """
    if shape(a) != shape(b):
        return False
    label = labels([a, b])
    there: dict[Any, Any] = {None: None}
    back: dict[Any, Any] = {None: None}
    pairs: list[tuple[Any, Any]] = list(zip(leaves(a), leaves(b), strict=True))
    while pairs:
        v, w = pairs.pop()
        if v in there or w in back:
            if there.get(v, w) is not w or back.get(w, v) is not v:
                return False
            continue
        if len(v.inputs) != len(w.inputs) or label(v) != label(w):
            return False
        there[v], back[w] = w, v
        pairs += zip(v.inputs, w.inputs, strict=True)
    return True


def labels(g: Any) -> Label:
    """Return the function that gives what a node is apart from its inputs; functions count by what they compute."""
    digest = _code_digests(g)
    if not digest:
        return lambda v: (typed(v.op), v.attrs.key)
    return lambda v: (typed(v.op), substitute_lambdas(v.attrs, digest).key)


def _code_digests(g: Any) -> dict[Lambda, str]:
    """Return a digest of each function, which means something in this process and call alone."""
    number: dict[Hashable, int] = {}
    return digests(lambdas(g), lambda value: f"<{number.setdefault(typed(value), len(number))}>")


@gc_paused
def duplicates(g: Any) -> list[list[Node]]:
    """Return the groups of two or more nodes that are the same expression.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> duplicates(node("add", node("neg", x), node("neg", x)))
    [[neg(x), neg(x)]]
    """
    groups: dict[int, list[Node]] = {}
    for v, number in classes(g, labels(g)).items():
        groups.setdefault(number, []).append(v)
    return [group for group in groups.values() if len(group) > 1]


def common(a: Any, b: Any) -> list[Node]:
    """Return the nodes, not only equal but the same, that are in both graphs."""
    inside = set(nodes(a))
    return [v for v in nodes(b) if v in inside]


def contains(g: Any, part: Node) -> bool:
    """Tell whether an expression `equal` to ``part`` is in the graph; for that very node, ask `isreaching`."""
    number = classes([part, g], labels([part, g]))
    return any(number[v] == number[part] for v in nodes(g))


def replace(g: G, old: Node, new: Node) -> G:
    """Put ``new`` in the place of each node that is `equal` to ``old``.

    >>> from dataflow_ir import inp, node
    >>> replace(node("add", node("neg", inp("x")), inp("y")), node("neg", inp("x")), inp("z"))
    add(z, y)
    """
    number = classes([old, g], labels([old, g]))
    return subst({v: new for v in nodes(g) if number[v] == number[old]}, g)


@gc_paused
def subst(changes: Mapping[Node, Node], g: G) -> G:
    """Let every use of each old node be a use of its new one.

    That holds everywhere in the graph, and in the new nodes for the other old ones. Only in the nodes that were
    made for its own replacement does an old node mean itself, so it can be wrapped. Nodes that are replaced by
    each other change places.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> y = node("sqrt", x)
    >>> subst({x: node("abs", x), y: node("relu", y)}, node("add", x, y))
    add(abs(x), relu(sqrt(abs(x))))
    """
    changes = _resolved(changes)
    there = set(nodes(g))
    operands: dict[Node, tuple[Node | None, ...]] = {}
    for old, made in _wrapped(changes, there).items():
        cell = Forward(old)
        for v in made:
            operands[v] = tuple([cell if i is old else i for i in operands.get(v, v.inputs)])

    def change(v: Node) -> Node | None:
        return v.target if v.__class__ is Forward else changes.get(v)

    result: G = Walk(change, operands=operands).run(g)
    return result


def _resolved(changes: Mapping[Node, Node]) -> dict[Node, Node]:
    """Return the changes with chains followed to their ends: if a becomes b and b becomes c, then a becomes c."""
    final: dict[Node, Node] = {}
    for start in changes:
        path: dict[Node, None] = {}
        v = start
        while v in changes and v not in final and v not in path:
            path[v] = None
            v = changes[v]
        if v in path:  # a ring: each takes the next one's place
            ring = list(path)[list(path).index(v) :]
            final.update({w: changes[w] for w in ring})
        for w in path:
            final.setdefault(w, final.get(v, v))
    return final


def _wrapped(changes: Mapping[Node, Node], there: set[Node]) -> dict[Node, list[Node]]:
    """Return for each old node that its own replacement is built on the new nodes that use it."""
    using: dict[Node, list[Node]] = {}
    for v in _made(changes.values(), there):
        for i in dict.fromkeys(v.inputs):
            if i in changes:
                using.setdefault(i, []).append(v)
    place = {v: at for at, group in enumerate(sccs([changes[old] for old in using])) for v in group}
    return {old: _built_on(users, changes[old], place, there) for old, users in using.items()}


def _built_on(wanted: list[Node], root: Node, place: Mapping[Node, int], there: set[Node]) -> list[Node]:
    """Return those of the wanted nodes that the root is built on by way of new nodes alone.

    The search goes no further down than to the lowest of them, and ends when it has found them all.
    """
    left = {v for v in wanted if place.get(v, len(place)) <= place[root]}
    lowest = min([place[v] for v in left], default=0)
    found: list[Node] = []
    seen: set[Node | None] = {None}
    stack: list[Any] = [root]
    while stack and left:
        v = stack.pop()
        if v in seen or v in there or place[v] < lowest:
            continue
        seen.add(v)
        if v in left:
            left.remove(v)
            found.append(v)
        stack += v.inputs
    return found


def _made(roots: Any, there: set[Node]) -> list[Node]:
    """Return the nodes below the roots down to those that were there before."""
    found: dict[Node | None, None] = {}
    stack: list[Any] = list(roots)
    while stack:
        v = stack.pop()
        if v is not None and v not in found and v not in there:
            found[v] = None
            stack += v.inputs
    return list(found)  # type: ignore[arg-type]


@gc_paused
def copy(g: G) -> G:
    """Return the graph made of new nodes, shared and cyclic as before. Attributes and functions are not copied."""
    order = nodes(g)
    twin: dict[Any, Any] = {None: None}
    open_ended = []
    for v in order:
        if any(i not in twin for i in v.inputs):
            open_ended.append(v)
        twin[v] = v.rebuild(tuple([twin.get(i, i) for i in v.inputs]))
    for v in open_ended:
        twin[v].inputs = tuple([twin[i] for i in v.inputs])
    result: G = map_nest(twin.__getitem__, g)
    return result


def map_ops(f: Callable[[Any], Hashable], g: G) -> G:
    """Return the graph with ``f`` applied to each operation but those of `dataflow_ir.ops`.

    >>> from dataflow_ir import inp, node
    >>> map_ops(str.upper, node("neg", node("abs", inp("x"))))
    NEG(ABS(x))
    """

    def change(v: Node) -> Node | None:
        op = v.op if v.op in BUILTIN else f(v.op)
        if op == v.op:
            return None
        w: Node = v.rebuild(v.inputs)
        w.op = op
        return w

    return postwalk(change, g)
