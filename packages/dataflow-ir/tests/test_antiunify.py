"""Generalising graphs, and inlining functions."""

from functools import partial
from operator import is_
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dataflow_ir as df
from dataflow_ir import Node, call, const, fn, inp, node, out
from dataflow_ir.fuzz import strategy

ANY = strategy(max_cycles=4, absent=0.05, functions=0.1)


@given(st.lists(ANY, min_size=2, max_size=4))
def test_each_graph_is_an_instance_of_what_they_have_in_common(graphs: list[Node]) -> None:
    code, arguments = df.antiunify(*graphs)
    for g, args in zip(graphs, arguments, strict=True):
        whole = call(code, *args)
        assert df.equal(df.inline(whole, where=partial(is_, whole)), g)


@given(ANY)
def test_a_graph_and_a_copy_differ_in_their_inputs_alone(g: Node) -> None:
    _, arguments = df.antiunify(g, df.copy(g))
    assert all(v is not None and v.op == "input" for args in arguments for v in args)


def test_nests() -> None:
    a, b = inp("a"), inp("b")
    code, arguments = df.antiunify({"p": node("f", a), "q": [a, None]}, {"p": node("f", b), "q": [const(1), None]})
    assert repr(code) == "<Lambda (a0, a1) -> {'p': f(a0), 'q': [a1, None]}>"
    assert [list(map(repr, args)) for args in arguments] == [["a", "a"], ["b", "1"]]
    with pytest.raises(ValueError, match="different shapes"):
        df.antiunify(a, [a])


def test_the_same_meeting_is_the_same_parameter() -> None:
    x, y = node("f", inp("x")), node("g", inp("y"))
    code, _ = df.antiunify(node("add", x, x), node("add", y, y))
    assert len(code.params) == 1
    code, _ = df.antiunify(node("add", x, x), node("add", y, node("g", inp("z"))))
    assert len(code.params) == 2


def ring(length: int) -> Node:
    def build(v: Node) -> Node:
        for _ in range(length):
            v = node("f", v)
        return v

    return df.fix(build)


def test_rings_of_different_lengths() -> None:
    code, _ = df.antiunify(ring(2), ring(3))
    assert not code.params
    assert df.equal(code.body, ring(1))


def test_long_rings_are_compared_in_linear_time() -> None:
    a, b = ring(1_999), ring(2_000)
    code, arguments = df.antiunify(a, b)
    assert len(df.nodes(code.body)) < 20_000
    for g, args in zip((a, b), arguments, strict=True):
        assert df.equal(df.inline(call(code, *args)), g)


def test_deep() -> None:
    x = inp("x")
    for _ in range(30_000):
        x = Node("f", (x,))
    code, arguments = df.antiunify(x, df.copy(x))
    assert df.equal(df.inline(call(code, *arguments[0])), x)


# Inlining


def test_nested_calls_and_captured_values() -> None:
    y = inp("y")
    inner = fn(lambda a: node("mul", a, y))
    outer = fn(lambda a, b: node("add", call(inner, a), b))
    assert repr(df.inline(call(outer, inp("p"), call(inner, inp("q"))))) == "add(mul(p, y), mul(q, y))"


def test_a_function_that_returns_a_nest_is_inlined_into_its_outputs() -> None:
    p, q = inp("p"), inp("q")
    swap = df.Lambda([p, q], (q, p))
    pair = call(swap, inp("x"), node("neg", inp("y")))
    assert repr(df.inline(node("sub", out(pair, 0), out(pair, 1)))) == "sub(neg(y), x)"
    assert df.inline(node("first", pair))[0].op == "call"
    a = inp("a")
    forward = df.Lambda([a], call(swap, a, node("abs", a)))
    assert repr(df.inline(out(call(forward, inp("z")), 0))) == "abs(z)"


def test_a_value_is_computed_once_for_each_call() -> None:
    noise = df.Lambda([], node("random"))
    a, b = df.inline([call(noise), call(noise)])
    assert a is not b
    x = call(noise)
    assert df.isomorphic(df.inline(node("add", x, x)), df.fix(lambda self: node("add", *[node("random")] * 2)))


def test_calls_of_values_stay() -> None:
    f = inp("f")
    twice = df.Lambda([f], call(f, f))
    omega = call(twice, Node("function", (), {"code": twice}))
    assert len(df.nodes(df.inline(omega))) == 2
    assert df.inline(call(f, inp("x"))).op == "call"


def test_cycles_through_calls() -> None:
    step = fn(lambda a, b: node("add", a, node("delay", b)))
    loop = df.fix(lambda self: call(step, inp("x"), self))
    assert df.equal(df.inline(loop), df.fix(lambda self: node("add", inp("x"), node("delay", self))))
    a = inp("a")
    same = df.Lambda([a], a)
    with pytest.raises(df.CycleError, match="vanished"):
        df.inline(df.fix(lambda self: call(same, self)))
    p, q = inp("p"), inp("q")
    both = df.Lambda([p, q], (node("f", p), node("g", q)))
    pair = df.fix(lambda self: call(both, out(self, 1), out(self, 0)))
    assert repr(df.inline(out(pair, 0))).startswith("f(g(f(")


def test_the_number_of_arguments_is_checked() -> None:
    f = fn(lambda a: node("neg", a))
    with pytest.raises(TypeError, match="takes 1 arguments, got 2"):
        df.inline(Node("call", (f, inp("x"), inp("y"))))


@given(strategy(functions=0.4, values=(-3, -2, 0, 1, 5), attrs=0))
def test_inlining_keeps_the_value(g: Node) -> None:
    def compute(op: str, attrs: Any, *values: int) -> int:
        return hash((op, *values))

    result = df.inline(g)
    assert not any(v.op == "call" for v in df.nodes(result))
    assert df.evaluate(result, compute, x=1, y=2, z=3) == df.evaluate(g, compute, x=1, y=2, z=3)
