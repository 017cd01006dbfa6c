"""Nothing recurses on the depth of a graph, and nothing is quadratic in it."""

import copy as copying
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import Node, inp

DEEP = 1_000_000
LONG = 30_000


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


def test_a_million_deep() -> None:
    g = chain(DEEP)
    assert len(repr(g)) + len(str(g)) < 250
    assert df.postwalk(lambda v: None, g) is g
    assert len(df.topo(g)) == DEEP + 1
    assert df.equal(df.copy(g), g)
    changed = df.postwalk(renamed, g)
    assert changed is not g
    del changed, g  # freeing must not recurse either


def simplification() -> df.Rules:
    rules = df.Rules(commutative={"add"})
    rules[df.P.add(df.V.x, 0)] = df.V.x
    rules[df.P.f(df.P.f(df.V.x))] = df.P.g(df.V.x)
    return rules


def simplification_by_uses() -> df.Rules:
    rules = simplification()
    rules[df.P.g(df.once(df.P.g(df.V.x)))] = df.P.f(df.V.x)
    return rules


def test_rewriting_a_million_deep() -> None:
    v = inp("x")
    zero = df.const(0)
    for at in range(DEEP):
        v = Node("add", (v, zero)) if at % 2 else Node("neg", (v,))
    assert len(df.nodes(df.rewrite(v, simplification()))) == DEEP // 2 + 1


def test_rules_that_unroll_a_million_times() -> None:
    rules = df.Rules()
    count = df.P.count(df.V.x, df.C.n)
    rules[count] = lambda x, n: x if n.value == 0 else df.node("next", df.node("count", x, df.const(n.value - 1)))
    g = df.rewrite(df.node("count", inp("x"), df.const(LONG)), rules, budget=DEEP)
    assert len(df.nodes(g)) == LONG + 1


ALGORITHMS: dict[str, Callable[[Node], Any]] = {
    "prewalk": lambda g: df.prewalk(renamed, g),
    "prewalk_": lambda g: df.prewalk_(renamed, g),
    "postwalk_": lambda g: df.postwalk_(renamed, g),
    "users": df.users,
    "sccs": df.sccs,
    "iscyclic": df.iscyclic,
    "dominators": df.dominators,
    "cse": df.cse,
    "duplicates": df.duplicates,
    "fingerprint": df.fingerprint,
    "isomorphic": lambda g: df.isomorphic(g, df.copy(g)),
    "equal": lambda g: df.equal(g, df.copy(g)),
    "subst": lambda g: df.subst({g: g[0]}, g),
    "rewrite": lambda g: df.rewrite(g, simplification()),
    "rewrite by uses": lambda g: df.rewrite(g, simplification_by_uses()),
    "topdown": lambda g: df.rewrite(g, simplification(), strategy="topdown"),
    "find_all": lambda g: [*df.find_all(df.P.f(df.P.f) | df.P.add(df.P.add, df.V.x), g)],
    "replace": lambda g: df.replace(g, inp("x"), inp("y")),
    "pickle": lambda g: pickle.loads(pickle.dumps(g)),
    "deepcopy": copying.deepcopy,
    "parse": lambda g: df.parse(df.syntax(g)),
}


@pytest.mark.parametrize("make", [chain, ring])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_deep(name: str, make: Callable[[int], Node]) -> None:
    assert ALGORITHMS[name](make(LONG)) is not None


def test_deep_evaluation() -> None:
    assert df.evaluate(chain(LONG), lambda op, attrs, a, b: a + b, x=1) == LONG + 1
