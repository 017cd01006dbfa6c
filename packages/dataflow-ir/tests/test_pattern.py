"""What matches and what does not."""

from typing import Any

import pytest

from dataflow_ir import (
    C,
    Match,
    Node,
    P,
    V,
    alt,
    chain,
    const,
    equal,
    explain,
    find_all,
    inp,
    match,
    node,
    once,
    opt,
    parse,
    rest,
)

x, y = V.x, V.y
GELU = P.mul(x, P.add(P.erf(once(P.div(x, C.k))), 1))
BOTH = {"add", "mul"}
MATCHES: list[tuple[Any, str, dict[str, Any]]] = [
    (P.add(x, 0), "add(a, 0)", {"x": "a"}),
    (P.add(x, V._), "add(a, b)", {"x": "a"}),
    (P.F.relu(x), "F.relu(a)", {"x": "a"}),
    (P["ai.onnx::Relu"](x), "'ai.onnx::Relu'(a)", {"x": "a"}),
    (P.add, "add(a, b)", {}),
    (P.add(P.neg, x), "add(neg(a), b)", {"x": "b"}),
    (P.add(x, x), "b = neg(a)\nadd(b, b)", {"x": "neg(a)"}),
    (P.add(C.k, C.k), "add(1, 1)", {"k": "1"}),
    (P.add(x, C("k").where(lambda k: k > 1)), "add(a, 2)", {"k": "2", "x": "a"}),
    (P.add(V("x").where(lambda v: v.op == "neg"), y), "add(neg(a), b)", {"x": "neg(a)", "y": "b"}),
    (P.f(P.g(x).named("inner").where(lambda v: v[0].op == "input")), "f(g(a))", {"x": "a", "inner": "g(a)"}),
    (P.conv(x, V.w, opt(V.b), group=1), "conv(a, b, group=1, more=2)", {"x": "a", "w": "b", "b": "None"}),
    (P.conv(x, V.w, opt(V.b)), "conv(a, b, None)", {"x": "a", "w": "b", "b": "None"}),
    (P.conv(x, V.w, opt(V.b)), "conv(a, b, c)", {"x": "a", "w": "b", "b": "c"}),
    (P.f(opt(P.neg(x)), opt(C.k)), "f(None, 2)", {"x": "None", "k": "2"}),
    (P.f(x, axis=V.n, keep=opt(V.k)), "f(a, axis=(1, 2))", {"x": "a", "n": (1, 2), "k": None}),
    (P.f(P.g(x, axis=V.n), axis=V.n), "f(g(a, axis=1), axis=1)", {"x": "a", "n": 1}),
    (P.f(x, to=opt(3)), "f(a)", {"x": "a"}),
    (P.f(x, to=opt(3)), "f(a, to=3)", {"x": "a"}),
    (P.f(x, to=None), "f(a, to=None)", {"x": "a"}),
    (P.f(x, None), "f(a, None)", {"x": "a"}),
    (P.f(x, *rest("ys"), y), "f(a, b, c, d)", {"x": "a", "ys": ["b", "c"], "y": "d"}),
    (P.f(*rest("ys", each=P.neg(V._))), "f(neg(a), neg(b))", {"ys": ["neg(a)", "neg(b)"]}),
    (P.f(*rest("ys")), "f()", {"ys": []}),
    (alt(P.f(x), P.g(y)), "g(a)", {"x": "None", "y": "a"}),
    (P.f(x) | P.g(x), "g(a)", {"x": "a"}),
    (P.f(alt(relu=P.relu(V.z), silu=P.mul(V.z, P.sigmoid(V.z)))), "f(mul(a, sigmoid(a)))", {"tag": "silu", "z": "a"}),
    (P.f(alt(a=P.a(x), b=P.b(x)).named("one"), alt(a=P.a(y), b=P.b(y)).named("two")), "f(b(p), a(q))",
     {"one": "b", "two": "a", "x": "p", "y": "q"}),
    (P.conv >> chain(V("e", op=["add", "mul"])) >> P.relu, "relu(add(p, mul(2, conv(q))))",
     {"e": ["mul(2, conv(q))", "add(p, mul(2, conv(q)))"]}),
    (P.conv(x) >> chain(P.add) >> P.relu, "relu(conv(q))", {"x": "q"}),
    (P.conv(x) >> P.relu, "relu(p, conv(q))", {"x": "q"}),
    (P.f(alt(P.a(V.u), x), y), "f(a(p), q)", {"u": "p", "x": "None", "y": "q"}),
    (alt(P.a(P.b(x)), P.a(y)), "a(c(p))", {"x": "None", "y": "c(p)"}),
]  # fmt: skip
IN_ANY_ORDER: list[tuple[Any, str, dict[str, Any]]] = [
    (P.add(x, 0), "add(0, a)", {"x": "a"}),
    (P.add(C.k, x), "add(a, 2)", {"x": "a", "k": "2"}),
    (GELU, "mul(add(1, erf(div(a, 2))), a)", {"x": "a", "k": "2"}),
    (P.add(P.mul(x, y), P.mul(x, V.z)), "add(mul(a, b), mul(c, a))", {"x": "a", "y": "b", "z": "c"}),
    (P.add(x, P.f(x, y)), "add(f(g(a), b), g(a))", None),  # type: ignore[list-item]
    (P.sum(P.a(x), P.b(x), C.k, *rest("ys")), "sum(b(m), z, 2, a(q), b(q), y)",
     {"x": "q", "k": "2", "ys": ["b(m)", "z", "y"]}),
    (P.sum(x, P.a(x), P.b(y)), "p = c(q)\nsum(b(r), a(p), p)", {"x": "c(q)", "y": "r"}),
]  # fmt: skip
MISSES = [
    (P.add(x, 0), "add(a, 0.0)"),
    (P.add(x, 0), "add(a, False)"),
    (P.add(x, 0.0), "add(a, -0.0)"),
    (P.add(x, 0), "add(0, a)"),
    (P.add(x, x), "add(neg(a), neg(a))"),
    (P.add(C.k, C.k), "add(1, True)"),
    (P.add(x), "add(a, b)"),
    (P.add(x, y), "add(a, None)"),
    (P.f(x, axis=1), "f(a, axis=True)"),
    (P.f(x, axis=1), "f(a)"),
    (P.f(x, axis=V.n), "f(a)"),
    (P.f(x, axis=V("n").where(lambda n: n < 0)), "f(a, axis=1)"),
    (P.f(P.g(x, axis=V.n), axis=V.n), "f(g(a, axis=1), axis=1.0)"),
    (P.f(x, to=opt(3)), "f(a, to=4)"),
    (P.f(x, None), "f(a, b)"),
    (P.f(x, opt(P.neg(y))), "f(a, b)"),
    (P.f(x, *rest("ys"), y), "f(a)"),
    (P.f(*rest("ys", each=P.neg(V._))), "f(neg(a), b)"),
    (P.f(x) | P.g(x), "h(a)"),
    (P.f(once(P.g(x)), x), "b = g(a)\nf(b, b)"),
    (P.conv >> chain(P.add, min=1) >> P.relu, "relu(conv(q))"),
    (P.conv >> chain(P.add, max=1) >> P.relu, "relu(add(add(conv(q), 1), 1))"),
    (P.conv >> chain(P.add) >> P.relu, "relu(mul(conv(q), 1))"),
    (P.f(P.g(x).where(lambda v: False)), "f(g(a))"),
]


def shown(captured: Any) -> Any:
    if isinstance(captured, tuple) and any(isinstance(each, Node) for each in captured):
        return [repr(each) for each in captured]
    if captured == ():
        return []
    return repr(captured) if isinstance(captured, Node) else captured


def agree(m: Match | None, expected: dict[str, Any] | None) -> None:
    if expected is None:
        assert m is None
        return
    assert m is not None
    got = {name: shown(value) for name, value in m.captures.items()}
    assert got == {name: None if value == "None" else value for name, value in expected.items()}


@pytest.mark.parametrize(("pattern", "text", "captures"), MATCHES, ids=str)
def test_matches(pattern: Any, text: str, captures: dict[str, Any]) -> None:
    v = parse(text)
    m = match(pattern, v)
    agree(m, captures)
    assert m is not None
    assert m.root is v
    assert explain(pattern, v) is None


@pytest.mark.parametrize(("pattern", "text", "captures"), IN_ANY_ORDER, ids=str)
def test_matches_in_any_order(pattern: Any, text: str, captures: dict[str, Any] | None) -> None:
    v = parse(text)
    agree(match(pattern, v, commutative={"add", "mul", "sum"}), captures)
    assert match(pattern, v) is None


@pytest.mark.parametrize(("pattern", "text"), MISSES, ids=str)
def test_misses(pattern: Any, text: str) -> None:
    v = parse(text)
    assert match(pattern, v) is None
    assert explain(pattern, v)


def test_once_counts_the_uses_of_the_whole_graph() -> None:
    g = parse("d = div(a, 2)\n[mul(a, add(erf(d), 1)), neg(d)]")
    assert match(GELU, g[0]) is not None
    assert match(GELU, g[0], g) is None
    assert "used outside the match" in (explain(GELU, g[0], g) or "")
    assert [*find_all(GELU, g)] == []
    assert [m.k.value for m in find_all(GELU, g[0])] == [2]
    result = [g[0], g[0][1][0][0]]
    assert match(GELU, g[0], result) is None  # a result of the graph is used outside


def test_once_inside_alternatives() -> None:
    pattern = P.f(alt(a=once(P.g(x)), b=P.h(x)))
    g = parse("b = g(a)\n[f(b), b, f(h(a))]")
    assert match(pattern, g[0], g) is None
    assert [m.tag for m in find_all(pattern, [g[0], g[2]])] == ["a", "b"]


def test_names_may_mean_equal_nodes() -> None:
    v = parse("add(neg(a), neg(a))")
    assert match(P.add(x, x), v) is None
    assert match(P.add(x, x), v, same=equal) is not None
    assert match(P.add(x, x), parse("add(neg(a), neg(b))"), same=equal) is None


def test_a_node_in_a_pattern_is_that_node() -> None:
    a = inp("a")
    assert match(P.neg(a), node("neg", a)) is not None
    assert match(P.neg(a), node("neg", inp("a"))) is None


def test_every_pattern_of_a_node_can_have_a_name_and_guards() -> None:
    path = (P.conv >> chain(P.add)).named("end").where(lambda v: v.op == "add")
    g = parse("relu(add(conv(q), p))")
    m = match(P.relu(path), g)
    assert m is not None
    assert m.end is g[0]
    assert match(P.relu(path), parse("relu(conv(q))")) is None
    m = match(P.f(P.g(1).named("inner"), once(P.h(x)).named("only")), parse("f(g(1), h(p))"))
    assert m is not None
    assert (m.inner.op, m.only.op) == ("g", "h")


def test_a_match_knows_its_nodes() -> None:
    g = parse("relu(add(conv(q, 1), p))")
    m = match(P.conv(x, C.k) >> chain(P.add) >> P.relu, g)
    assert m is not None
    assert m.nodes[0] is g
    assert set(m.nodes) == {g, g[0], g[0][0], g[0][0][1]}
    assert m["x"] is m.x
    with pytest.raises(AttributeError, match="captures no z; it captures"):
        _ = m.z


def test_several_roots() -> None:
    qkv = P.all(q=P.matmul(x, V.wq), k=P.matmul(x, V.wk), v=P.t(P.matmul(x, V.wv)))
    g = parse("[matmul(a, q), matmul(a, k), t(matmul(a, v)), matmul(b, q), matmul(b, k), t(matmul(c, u))]")
    found = list(find_all(qkv, g))
    assert [[repr(root) for root in m.root] for m in found] == [["matmul(a, q)", "matmul(a, k)", "t(matmul(a, v))"]]
    with pytest.raises(ValueError, match="captures nothing"):
        list(find_all(P.all(a=P.f(x), b=P.g(y)), g))


def test_more_choices_than_python_nests_blocks() -> None:
    pattern = P.f(*[alt(P.a(V.x), V(f"y{at}")) for at in range(40)], P.b(V.x))
    inputs = [inp("i") for _ in range(40)]
    inputs[7] = node("a", inp("j"))
    m = match(pattern, node("f", *inputs, node("b", inputs[7][0])))
    assert m is not None
    assert m.x is inputs[7][0]
    assert m.y7 is None
    assert m.y8 is inputs[8]
    assert match(pattern, node("f", *inputs, node("c", inputs[7][0]))) is None


def test_the_time_of_a_match_in_any_order_is_bounded() -> None:
    twenty = [P.a(V(f"x{at}")) for at in range(20)]
    assert match(P.sum(*twenty), node("sum", *[node("a", inp("i"))] * 20), commutative={"sum"}) is not None
    assert match(P.sum(*twenty), node("sum", *[node("a", inp("i"))] * 19, inp("j")), commutative={"sum"}) is None


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: match(P.f(*rest("a"), *rest("b")), const(1)), "only one rest"),
        (lambda: match(P.f(opt(x), *rest("b")), const(1)), "cannot stand beside rest"),
        (lambda: match(P.f(P.all(a=x, b=x)), const(1)), "cannot stand here"),
        (lambda: P.f(x, axis=P.g(x)), "matched by a value, V or opt"),
        (lambda: P.f(x) >> P.g(x), "says nothing of its inputs"),
        (lambda: chain(P.g(x)), "says nothing of its inputs"),
        (lambda: V("two words"), "identifier"),
        (lambda: P.f([1]), "unhashable"),
        (lambda: P.f(V), "no pattern by itself"),
        (lambda: P.all(a=x), "two patterns"),
        (alt, "needs a pattern"),
        (lambda: match(P.f(alt(a=x), alt(a=y)), node("f", inp("a"), inp("b"))), "the name tag is taken"),
        (lambda: match(P.f(*rest("a", each=P.g(x))), const(1)), "cannot capture"),
        (lambda: match(P.all(a=x, b=x), const(1)), "find_all"),
    ],
)
def test_patterns_that_make_no_sense(make: Any, error: str) -> None:
    with pytest.raises((ValueError, TypeError), match=error):
        make()


@pytest.mark.parametrize(
    ("pattern", "text", "reason"),
    [
        (P.add(x, P.mul(y, 2)), "add(a, mul(b, 3))", "input 1: no input of mul(b, 3) matches 2"),
        (P.add(x, P.div(y, 2)), "add(a, div(b, 3))", "input 1 of input 1: expected the constant 2, got 3"),
        (P.add(x, P.mul(y, 2)), "sub(a, 3)", "the node: expected add, got sub: sub(a, 3)"),
        (P.add(x, y), "add(a)", "the node: add has 1 inputs, expected add(x, y)"),
        (P.add(x, y), "add(a, None)", "input 1: expected y, but the operand is absent"),
        (P.f(x, axis=1), "f(a, axis=2)", "the node: attribute axis is 2, expected 1"),
        (P.f(x, axis=1), "f(a)", "the node: f has no attribute axis"),
        (P.f(x, x), "f(a, b)", "one name stands for different nodes: a and b"),
        (P.f(C.k), "f(a)", "input 0: expected a constant, got a"),
        (P.mul(P.neg(P.abs(x)), y), "mul(a, neg(sqrt(b)))", "input 0 of input 1: expected abs, got sqrt: sqrt(b)"),
        (P.f(P.a(x) | P.b(P.c(x))), "f(b(d(p)))", "input 0 of input 0: expected c, got d: d(p)"),
        (P.f(P.a(x) | P.b(x)), "f(c(p))", "input 0: nothing in alt(a(x), b(x)) matches c(p)"),
    ],
)
def test_explanations(pattern: Any, text: str, reason: str) -> None:
    assert explain(pattern, parse(text), commutative={"mul"}) == reason


def test_operations_and_values_of_any_text() -> None:
    odd = "a\0'\"\n\\{"
    big = 10**5000
    assert match(P[odd](x, big, **{odd: odd}), node(odd, inp("p"), const(big), **{odd: odd})) is not None
    other = node(odd, inp("p"), const(big + 1), **{odd: 1})
    assert match(P[odd](x, big), other) is None
    assert "expected the constant 0x" in (explain(P[odd](x, big), other) or "")
    assert odd in (explain(P[odd](x, x, **{odd: odd}), other) or "")
    assert match(P[1.5](x, -0.0), node(1.5, inp("p"), const(-0.0))) is not None
    assert match(P[1.5](float("nan")), node(1.5, const(float("nan")))) is not None


def test_finding_in_a_cycle() -> None:
    g = parse("a = add(x, delay(a))\na")
    found = list(find_all(P.add(x, P.delay(P.add(x, P.delay(y)))), g))
    assert len(found) == 1
    assert found[0].y is g
