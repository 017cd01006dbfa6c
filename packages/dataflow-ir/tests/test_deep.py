"""Nothing recurses on the depth of a graph, and nothing is quadratic in it."""

import copy as copying
import gc
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import C, Node, P, V, inp, once

LONG = 30_000
MILLION = 1_000_000
DEPTHS = [LONG, pytest.param(MILLION, marks=pytest.mark.million)]


def chain(length: int) -> Node:
    x = inp("x")
    v = x
    for _ in range(length):
        v = Node("add", (v, x))
    return v


def ring(length: int) -> Node:
    return df.fix(lambda self: _on(self, length))


def _on(v: Node, length: int) -> Node:
    for _ in range(length):
        v = Node("f", (v,))
    return v


def renamed(v: Node) -> Node | None:
    return inp("y") if v.op == "input" else None


def visited(each: Callable[..., None], g: Node) -> list[Node]:
    found: list[Node] = []
    each(found.append, g)
    return found


def simplification(*, by_uses: bool = False) -> df.Rules:
    rules = df.Rules(commutative={"add"})
    rules[P.add(V.x, 0)] = V.x
    rules[P.f(P.f(V.x))] = P.g(V.x)
    if by_uses:
        rules[P.g(once(P.g(V.x)))] = P.f(V.x)
    return rules


def pairs() -> df.Rules:
    rules = df.Rules()
    rules(P.all(a=P.add(V.x, V.y), b=P.neg(V.x)))(lambda a, b: None)
    return rules


ALGORITHMS: dict[str, Callable[[Node], Any]] = {
    "antiunify": lambda g: df.antiunify(g, df.copy(g)),
    "bindings": df.bindings,
    "call, close, fn": lambda g: df.call(df.fn(lambda a: df.subst({inp("x"): a}, g)), g),
    "common": lambda g: df.common(g, g),
    "contains": lambda g: df.contains(g, inp("nowhere")) is False,
    "copy": lambda g: df.copy([g, g]),
    "copy.copy": copying.copy,
    "copy.deepcopy": copying.deepcopy,
    "cse": df.cse,
    "dominators": df.dominators,
    "dumps, loads": lambda g: df.loads(df.dumps([g, g])),
    "duplicates": df.duplicates,
    "equal": lambda g: df.equal(g, df.copy(g)),
    "explain": lambda g: df.explain(P.no >> df.chain(V("c", op={"add", "f"}), max=None), g),
    "find_all": lambda g: [*df.find_all(P.f(P.f) | P.add(P.add, V.x), g)],
    "find_all of several roots": lambda g: [*df.find_all(P.all(a=P.add(V.x, V.y), b=P.f(V.x)), g)],
    "fingerprint": df.fingerprint,
    "Interner": lambda g: df.postwalk(df.Interner(), g),
    "iscyclic": lambda g: df.iscyclic(g) in (True, False),
    "isomorphic": lambda g: df.isomorphic(g, df.copy(g)),
    "isreaching": lambda g: df.isreaching(inp("nowhere"), g) is False,
    "lambdas": df.lambdas,
    "leaves, map_nest": lambda g: df.map_nest(repr, [*df.leaves((g, {"again": g}))]),
    "map_bodies": lambda g: df.map_bodies(df.cse, df.fn(lambda a: Node("pair", (a, g)))),
    "map_ops": lambda g: df.map_ops(str.upper, g),
    "match": lambda g: df.match(P.add | P.f, g),
    "match by uses": lambda g: df.match(V.x | once(P.add(V.x, V.y)), g),
    "nodes": df.nodes,
    "pickle": lambda g: pickle.loads(pickle.dumps(g)),
    "postfor": lambda g: visited(df.postfor, g),
    "postwalk": lambda g: df.postwalk(renamed, g),
    "postwalk_": lambda g: df.postwalk_(renamed, g),
    "prefor": lambda g: visited(df.prefor, g),
    "prewalk": lambda g: df.prewalk(renamed, g),
    "prewalk_": lambda g: df.prewalk_(renamed, g),
    "replace": lambda g: df.replace(g, inp("x"), inp("y")),
    "repr": repr,
    "rewrite": lambda g: df.rewrite(g, simplification()),
    "rewrite by uses": lambda g: df.rewrite(g, simplification(by_uses=True)),
    "rewrite of several roots": lambda g: df.rewrite(g, pairs()),
    "rewrite top-down": lambda g: df.rewrite(g, simplification(), strategy="topdown"),
    "Rules.once": lambda g: simplification().once(g),
    "Rules.count": lambda g: simplification().count(g),
    "Rules.explain": lambda g: simplification().explain(g),
    "sccs": df.sccs,
    "str": str,
    "subst": lambda g: df.subst({g: g[0]}, g),
    "syntax, parse": lambda g: df.parse(df.syntax(g)),
    "syntax of every step": lambda g: df.syntax(g, bind="all"),
    "to_dot": df.to_dot,
    "to_mermaid": df.to_mermaid,
    "to_table, from_table": lambda g: df.from_table(df.to_table(g)),
    "topo": lambda g: [df.topo(g, cycles="break"), df.topo(g, cycles="scc")],
    "users": df.users,
    "walk": lambda g: df.walk(g, renamed, lambda v: None),
    "walk without change": lambda g: df.walk(g, lambda v: v, lambda v: v) is g,
}

ACYCLIC: dict[str, Callable[[Node], Any]] = {
    "repeats, outline, inline": lambda g: df.inline(df.outline(g, df.repeats(g, min_len=2))),
    "evaluate": lambda g: df.evaluate(g, lambda op, attrs, a, b: a + b, x=1),
    "Interpreter": lambda g: df.Interpreter(lambda inner, op, attrs, a, b: a + b)(g, x=1),
    "match along the whole chain": lambda g: df.match(P.input >> df.chain(P.add, min=LONG, max=None), g),
    "topo by key": lambda g: df.topo(g, key=lambda v: v.op),
    "topo in order": df.topo,
}

OTHERS = {"const", "fix", "flow", "gc_paused", "inp", "node", "out", "stop", "thread", "typed"}  # look at no graph
OTHERS |= {"alt", "chain", "once", "opt", "rest"}  # patterns


def test_every_function_is_here() -> None:
    here = {name for names in (*ALGORITHMS, *ACYCLIC) for name in names.replace(",", "").split()}
    functions = {name for name in df.__all__ if callable(getattr(df, name)) and name.islower()}
    assert functions <= here | OTHERS


@pytest.fixture
def shallow() -> Iterator[None]:
    """Collects what a test of large graphs has left, so that the next one has the memory."""
    yield
    gc.collect()


@pytest.mark.usefixtures("shallow")
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize(
    ("name", "make"),
    [(name, make) for name in ALGORITHMS for make in (chain, ring)] + [(name, chain) for name in ACYCLIC],
)
def test_deep(name: str, make: Callable[[int], Node], depth: int) -> None:
    assert (ALGORITHMS | ACYCLIC)[name](make(depth)) is not None  # and freeing it must not recurse either


@pytest.mark.parametrize("depth", DEPTHS)
def test_rewriting_keeps_up_with_depth(depth: int) -> None:
    v = inp("x")
    zero = df.const(0)
    for at in range(depth):
        v = Node("add", (v, zero)) if at % 2 else Node("neg", (v,))
    assert len(df.nodes(df.rewrite(v, simplification()))) == depth // 2 + 1


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("wraps", [True, False])
def test_substitutes_may_be_built_on_each_other(depth: int, wraps: bool) -> None:
    old = [Node("f", (inp("x"),)) for _ in range(depth)]
    new, total = {}, inp("y")
    for at, v in enumerate(old):
        total = new[v] = Node("add", (total, v if wraps else old[at - 1]))
    assert len(df.nodes(df.subst(new, Node("all", (*old,))))) == (3 * depth + 2 if wraps else depth + 4)


@pytest.mark.parametrize("depth", DEPTHS)
def test_rules_may_unroll_as_deep(depth: int) -> None:
    rules = df.Rules()
    count = P.count(V.x, C.n)
    rules[count] = lambda x, n: x if n.value == 0 else df.node("next", df.node("count", x, df.const(n.value - 1)))
    g = df.rewrite(df.node("count", inp("x"), df.const(depth)), rules, budget=depth + 1)
    assert len(df.nodes(g)) == depth + 1


def test_a_long_text_is_short_on_a_terminal() -> None:
    g = chain(LONG)
    assert len(repr(g)) + len(str(g)) < 250
