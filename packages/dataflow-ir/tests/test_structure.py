import itertools
import os
import subprocess
import sys
from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import CycleError, Node, Opaque, fn, inp, node, parse, syntax

RINGS = [
    "a = f(a)\na",
    "a = f(f(a))\na",
    "a = f(f(f(a)))\na",
    "a = f(b)\nb = f(a)\nb",
]


@pytest.mark.parametrize(("a", "b"), [*itertools.product(RINGS, RINGS)])
def test_cycles_with_one_unfolding_are_equal(a: str, b: str) -> None:
    assert df.equal(parse(a), parse(b))
    assert df.fingerprint(parse(a)) == df.fingerprint(parse(b))
    assert df.isomorphic(df.cse(parse(a)), parse(RINGS[0]))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("f(x)", "f(y)"),
        ("f(x)", "g(x)"),
        ("f(x, y)", "f(y, x)"),
        ("f(x)", "f(x, None)"),
        ("f(x, None)", "f(None, x)"),
        ("f(1)", "f(1.0)"),
        ("f(1)", "f(True)"),
        ("f(0.0)", "f(-0.0)"),
        ("f(x, a=1)", "f(x, b=1)"),
        ("f(x, a=1)", "f(x, a=True)"),
        ("f(x)[0]", "f(x)[1]"),
        ("[x, y]", "(x, y)"),
        ("[x]", "x"),
        ("{'a': x}", "{'b': x}"),
        ("x", "None"),
        ("a = f(a)\na", "f(f(x))"),
        ("a = f(a)\na", "a = f(g(a))\na"),
        ("a = f(g(a))\na", "a = g(f(a))\na"),
        ("a = f(a, x)\na", "a = f(a, y)\na"),
        ("a = f(b, 1)\nb = f(a, 1)\na", "a = f(b, 1)\nb = f(a, 2)\na"),
        ("def f(p, q):\n    return g(p, q)\nfunction(code=f)", "def f(p, q):\n    return g(q, p)\nfunction(code=f)"),
        ("def f(c, /, q):\n    return g(c)\nfunction(x, code=f)", "def f(c, q):\n    return g(c)\nfunction(x, code=f)"),
    ],
)  # fmt: skip
def test_what_differs_differs(a: str, b: str) -> None:
    assert not df.equal(parse(a), parse(b))
    assert not df.isomorphic(parse(a), parse(b))
    assert df.fingerprint(parse(a)) != df.fingerprint(parse(b))


def test_names_of_parameters_do_not_matter() -> None:
    a, b = fn(lambda p, q: node("f", p, q)), fn(lambda s, t: node("f", s, t))
    assert df.equal(a, b)
    assert df.isomorphic(a, b)
    assert df.fingerprint(a) == df.fingerprint(b)
    assert len(df.nodes(df.cse(node("pair", a, b)))) == 2


def test_sharing_is_structure_for_isomorphic_alone() -> None:
    a, b = parse("a = f(x)\ng(a, a)"), parse("g(f(x), f(x))")
    assert df.equal(a, b)
    assert not df.isomorphic(a, b)
    assert not df.isomorphic(b, a)


def test_fingerprints_do_not_depend_on_the_process() -> None:
    code = "import dataflow_ir as df, sys; print(df.fingerprint(df.parse(sys.stdin.read())))"
    text = "a = f(x, b=frozenset({'x', 'y', 'z'}), c={'p': 1, 'q': 2})\n[a, g(a)]"
    found = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        run = subprocess.run(
            [sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True, env=environment
        )
        found.add(run.stdout.strip())
    assert found == {df.fingerprint(parse(text))}


def test_what_has_no_text_has_no_fingerprint_but_can_be_compared() -> None:
    value = Opaque([])
    with pytest.raises(TypeError, match="has no fingerprint"):
        df.fingerprint(node("f", a=value))
    assert df.equal(node("f", a=value), node("f", a=value))
    assert not df.equal(node("f", a=value), node("f", a=Opaque([])))
    one, two = fn(lambda p: node("f", p, a=value)), fn(lambda p: node("f", p, a=value))
    assert df.equal(one, two)


def test_cse_leaves_effects_alone() -> None:
    x = inp("x")
    g = node("add", node("neg", node("random", x)), node("neg", node("random", x)))
    assert df.cse(g, has_effect=lambda v: v.op == "random") is g
    assert len(df.nodes(df.cse(g))) == 4
    loop = parse("a = f(a)\nb = f(b)\nadd(a, b, random(x), random(x))")
    assert len(df.nodes(df.cse(loop, has_effect=lambda v: v.op == "random"))) == 5


def test_cse_shares_between_graphs_by_a_common_cache() -> None:
    cache: dict[Any, Node] = {}
    a = df.cse(parse("f(x)"), cache)
    assert df.cse(parse("g(f(x))"), cache)[0] is a


@pytest.mark.parametrize(
    ("before", "changes", "after"),
    [
        ("f(g(x), h(x))", {"g(x)": "k(y)"}, "f(k(y), h(x))"),
        ("f(g(x), h(x))", {"x": "neg(x)"}, "a = neg(x)\nf(g(a), h(a))"),
        ("f(g(x))", {"g(x)": "x", "x": "y"}, "f(y)"),
        ("f(x, y)", {"x": "y", "y": "x"}, "f(y, x)"),
        ("f(x, y, z)", {"x": "y", "y": "z", "z": "y"}, "f(z, z, y)"),
        ("a = f(x, a)\na", {"x": "neg(x)"}, "a = f(neg(x), a)\na"),
        ("f(x)", {"f(x)": "g(f(x), h(f(x)))"}, "a = f(x)\ng(a, h(a))"),
        ("f(h(x), x)", {"x": "neg(x)", "h(x)": "g(h(x), x)"}, "b = neg(x)\nf(g(h(b), b), b)"),
    ],
)
def test_subst(before: str, changes: dict[str, str], after: str) -> None:
    first = df.cse([parse(before), *[parse(part) for pair in changes.items() for part in pair]])
    g, pairs = first[0], iter(first[1:])
    result = df.subst(dict(zip(pairs, pairs, strict=False)), g)
    assert df.isomorphic(df.cse(result), df.cse(parse(after))), syntax(result)


def test_subst_keeps_the_new_nodes_themselves() -> None:
    x = inp("x")
    new = node("abs", x)
    assert df.subst({x: new}, node("f", x))[0] is new
    assert df.subst({new: x}, x) is x


def test_replace_and_contains_go_by_structure() -> None:
    g = parse("add(f(x), g(f(x)))")
    assert df.isomorphic(df.replace(g, parse("f(x)"), inp("y")), parse("add(y, g(input(name='y')))")) is False
    assert df.equal(df.replace(g, parse("f(x)"), inp("y")), parse("add(y, g(y))"))
    assert df.contains(g, parse("g(f(x))"))
    assert not df.contains(g, parse("g(x)"))
    assert not df.isreaching(parse("f(x)"), g)
    assert df.isreaching(g[1][0], g)


def test_common_nodes_are_the_same_nodes() -> None:
    x, y = inp("x"), inp("y")
    assert df.common(node("f", x, y), [node("g", x), inp("y")]) == [x]


def test_map_bodies_reaches_nested_functions_and_keeps_the_rest() -> None:
    inner = fn(lambda b: node("sqrt", b))
    other = fn(lambda b: node("abs", b))
    g = node("pair", df.call(fn(lambda a: df.call(inner, a)), inp("x")), other)
    result = df.map_bodies(lambda body: df.map_ops(lambda op: {"sqrt": "cbrt"}.get(op, op), body), g)
    assert "cbrt" in syntax(result)
    assert "sqrt" not in syntax(result)
    assert result[1] is other
    assert df.map_bodies(lambda body: body, g) is g


def test_order_by_key_follows_it_wherever_inputs_allow() -> None:
    g = parse("[c(b(x), line=1), a(x, line=0), d(line=5), e(line=-1)]")
    order = df.topo(g, key=lambda v: v.attrs.get("line", 2))
    assert [v.op for v in order] == ["e", "input", "a", "b", "c", "d"]


def test_a_cycle_has_no_order_and_the_error_shows_it() -> None:
    with pytest.raises(CycleError, match="the graph has a cycle: f <- h <- g <- f") as caught:
        df.topo(parse("a = f(x, h(g(a)))\nk(a)"))
    path = caught.value.path
    assert [v.op for v in path] == ["f", "h", "g"]
    assert all(b in a.inputs for a, b in itertools.pairwise([*path, path[0]]))
    with pytest.raises(CycleError, match="88 more"):
        df.topo(parse("a = " + "f(" * 99 + "a" + ")" * 99 + "\na"))


def test_topological_orders_of_cycles() -> None:
    g = parse("a = add(x, delay(a))\nneg(a)")
    with pytest.raises(df.CycleError):
        df.topo(g)
    assert [v.op for v in df.topo(g, cycles="break")] == ["input", "delay", "add", "neg"]
    assert [len(group) for group in df.topo(g, cycles="scc")] == [1, 2, 1]
    with pytest.raises(ValueError, match="without a key"):
        df.topo(g, id, cycles="break")
