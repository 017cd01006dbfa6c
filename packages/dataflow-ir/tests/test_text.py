from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import FrozenDict, Node, Opaque, TextError, const, fn, inp, isomorphic, node, out, parse, syntax

x, y = inp("x"), inp("y")
shared = node("add", x, y)
odd_constant = const(Opaque([]))

TEXTS: list[tuple[Any, str]] = [
    (x, "x"),
    (None, "None"),
    ([x, {"k": (y,), 1: None}, ()], "[x, {'k': (y,), 1: None}, ()]"),
    (node("mul", shared, shared, axis=1), "a = add(x, y)\nmul(a, a, axis=1)"),
    (node("f", x, None, y), "f(x, None, y)"),
    (node("F.relu", x), "F.relu(x)"),
    (node("ai.onnx::Clip", x), "'ai.onnx::Clip'(x)"),
    (node("lambda", x), "'lambda'(x)"),
    (node("ﬁx", x), "'ﬁx'(x)"),
    (Node("f", (), {"if": 1, "a b": "c", "ok": 2}), "f(ok=2, **{'if': 1, 'a b': 'c'})"),
    (node("f", const(1), const(-2.5), const(True), const("s"), const(b"b")), "f(1, -2.5, True, 's', b'b')"),
    (node("f", const(None), const((1, (None,)))), "f(const(value=None), (1, (None,)))"),
    (const((1, 2)), "const(value=(1, 2))"),
    (node("f", const(float("inf")), const(1j)), "f(const(value=float('inf')), const(value=complex(0.0, 1.0)))"),
    (node("f", a=float("-inf"), b=(float("nan"),), c=-0.0), "f(a=float('-inf'), b=(float('nan'),), c=-0.0)"),
    (node("f", a=frozenset(), b=frozenset({2, 1}), c=...), "f(a=frozenset(), b=frozenset({1, 2}), c=...)"),
    (node("f", a=FrozenDict(b=1, a=(FrozenDict(),))), "f(a={'a': ({},), 'b': 1})"),
    (out(node("split", x, parts=2), 1), "split(x, parts=2)[1]"),
    (out(const(-1), 0), "(-1)[0]"),
    (Node("out", (x,), {"index": True}), "out(x, index=True)"),
    (node("add", inp("x"), x), "add(x, input(name='x'))"),
    (inp("if"), "input(name='if')"),
    (Node("input", (), {"name": "x", "type": "int"}), "input(name='x', type='int')"),
    (df.fix(lambda me: node("add", x, node("delay", me))), "a = add(x, delay(a))\na"),
    (fn(lambda p, q: node("add", p, q)), "def f(p, q):\n    return add(p, q)\n\nfunction(code=f)"),
    (
        df.call(fn(lambda p: [node("f", p, shared, p), const(1)]), x),
        "def f(c0, /, p):\n    return [f(p, c0, p), 1]\n\ncall(function(add(x, y), code=f), x)",
    ),
]


@pytest.mark.parametrize(("g", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_text_there_and_back(g: Any, text: str) -> None:
    assert syntax(g) == text
    assert isomorphic(parse(text), g)


def test_numbers_of_any_size() -> None:
    assert isomorphic(parse(syntax(const(-(10**6000)))), const(-(10**6000)))


def test_names_come_from_meta_made_valid_and_unique() -> None:
    names = ["head", "head", "block.0/attn", "7", "class", "x", "é!", 5]
    bound = [Node("f", (x,), meta={"name": name}) for name in names]
    assert [name for name, _ in df.bindings([bound, bound])] == [
        "head", "head_2", "block_0_attn", "_7", "class_", "x_2", "a", "b",
    ]  # fmt: skip
    assert [v for _, v in df.bindings([bound, bound])] == bound
    assert df.bindings([bound, bound], names=lambda v: None, reserved={"a", "c"})[1][0] == "d"


def test_nested_functions() -> None:
    def outer(a: Node) -> Node:
        inner = fn(lambda b: node("add", node("mul", a, b), y))
        return df.call(inner, a)

    g = df.call(fn(outer), x)
    assert isomorphic(parse(syntax(g)), g)
    assert syntax(g).count("def ") == 2
    value = df.evaluate(g, lambda op, attrs, a, b: a + b if op == "add" else a * b, x=3, y=1)
    assert value == 10


def test_operations_that_are_no_strings() -> None:
    g = node(len, node(str.upper, x, kind=int), way=out)
    text = syntax(g)
    assert text == "len(str.upper(x, kind=int), way=dataflow_ir.node.out)"
    known = {"len": len, "str.upper": str.upper, "int": int, "dataflow_ir.node.out": out}
    assert isomorphic(parse(text, known), g)
    with pytest.raises(TextError, match="line 1: unknown value int"):
        parse(text)


def test_a_small_graph_prints_as_text_and_a_large_one_as_a_line() -> None:
    assert str(node("mul", shared, shared)) == "a = add(x, y)\nmul(a, a)"
    v: Node = x
    for _ in range(1000):
        v = node("f", v, v)
    assert str(v) == repr(v)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f(x", "line 1: '\\(' was never closed"),
        ("", "the last line must be the graph"),
        ("a = f(x)", "the last line must be the graph"),
        ("a = f(x)\na = g(x)\na", "line 2: a is bound twice"),
        ("a = b\nb = f(a)\na", "line 1: a is only another name"),
        ("a = a\na", "line 1: a is only another name"),
        ("a, b = f(x)\na", "line 1: expected `name = operation"),
        ("f(x)\ng(x)", "line 1: expected `name = operation"),
        ("f(x, *y)", "line 1: not a node: \\*y"),
        ("x + y", "line 1: not a node: x \\+ y"),
        ("f(x)(y)", "not a name: f\\(x\\)"),
        ("f(a=g(x))", "line 1: not a value: g\\(x\\)"),
        ("f(a=[1])", "line 1: not a value: \\[1\\]"),
        ("a = None\nf(a)", "line 1: None is not a node"),
        ("def f(p=1):\n    return p\nx", "line 1: function f must have plain parameters"),
        ("def f(p):\n    p = g(p)\n    return p\nx", "line 2: p is bound twice"),
        ("x" + "[0]" * 100_000, "too deep|too many|stack overflow|recursion"),
    ],
)
def test_what_is_no_graph_is_refused(text: str, message: str) -> None:
    with pytest.raises(TextError, match=message):
        parse(text)


def test_opaque_values_print_but_do_not_parse() -> None:
    assert syntax(node("f", odd_constant)) == "f(const(value=Opaque(<list>)))"
    with pytest.raises(TextError):
        parse(syntax(odd_constant))


def test_a_name_for_every_step() -> None:
    g = parse("add(neg(mul(x, 2)), neg(y))")
    text = syntax(g, bind="all")
    assert text == "a = mul(x, 2)\nb = neg(a)\nc = neg(y)\nadd(b, c)"
    assert df.isomorphic(parse(text), g)
    assert [name for name, _ in df.bindings(g, bind="all")] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="'shared' or 'all'"):
        syntax(g, bind="none")  # type: ignore[arg-type]


def test_other_languages() -> None:
    def c(v: Node, operands: list[str]) -> str | None:
        return {"add": "({} + {})", "neg": "-{}"}[v.op].format(*operands) if v.op in ("add", "neg") else None

    g = parse("a = add(x, delay(a, by=1))\nmul(a, neg(add(a, 2)))")
    assert syntax(g, emit=c) == "a = (x + delay(a, by=1))\nmul(a, -(a + 2))"
