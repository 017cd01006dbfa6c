"""Rewriting comes to the right end, or says why not."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow_ir as df
from dataflow_ir import C, Node, P, RewriteError, Rules, V, const, inp, node, once, opt, parse, rest, rewrite
from dataflow_ir.fuzz import grow

settings.register_profile("fast", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("fast")

x, y, z = V.x, V.y, V.z
MODULUS = 2**61 - 1


def arithmetic(*, once_only: bool = False) -> Rules:
    """Identities that hold for integers modulo a prime, whatever the order they are applied in."""
    once_or_not: Any = once if once_only else lambda p: p
    rules = Rules(commutative={"add", "mul"})
    rules[P.add(x, 0)] = x
    rules[P.mul(x, 1)] = x
    rules[P.mul(V._, 0)] = const(0)
    rules[P.neg(once_or_not(P.neg(x)))] = x
    rules[P.sub(x, x)] = 0
    rules[P.sub(x, once_or_not(P.neg(y)))] = P.add(x, y)
    rules[P.add(x, once_or_not(P.neg(y)))] = P.sub(x, y)
    rules[P.add(P.add(x, C.a), C.b)] = lambda x, a, b: node("add", x, const((a.value + b.value) % MODULUS))
    rules[P.add(P.mul(x, y), P.mul(x, z))] = P.mul(x, P.add(y, z))
    rules[P.add(x, x)] = P.mul(x, 2)
    rules[P.where(C.c, x, y)] = lambda c, x, y: x if c.value % 2 else y
    rules[P.where(V._, x, x)] = x

    @rules(P.add(C.a, C.b) | P.mul(C.a, C.b))
    def folded(m: df.Match, a: Node, b: Node) -> Node:
        return const(compute(m.root.op, {}, a.value, b.value))

    return rules


def compute(op: str, attrs: Any, *values: int) -> int:
    match op, values:
        case "neg", (a,):
            return -a % MODULUS
        case "abs", (a,):
            return a * a % MODULUS  # any function will do
        case "add", (a, b):
            return (a + b) % MODULUS
        case "sub", (a, b):
            return (a - b) % MODULUS
        case "mul", (a, b):
            return (a * b) % MODULUS
        case "where", (a, b, c):
            return b if a % 2 else c
    raise AssertionError(op)


def numeric(random: Any, size: int, **options: Any) -> Node:
    return grow(random, size, values=(0, 1, 2, 5), attrs=0, **options)


GRAPHS = st.builds(numeric, st.randoms(use_true_random=False), st.integers(1, 60))


@given(GRAPHS)
def test_rewriting_keeps_the_value(g: Node) -> None:
    expected = df.evaluate(g, compute, x=3, y=12345, z=1000)
    rules = arithmetic()
    for options in ({}, {"strategy": "topdown"}, {"fixpoint": False}, {"strategy": "topdown", "fixpoint": False}):
        result = rewrite(g, rules, **options)
        assert df.evaluate(result, compute, x=3, y=12345, z=1000) == expected
    for rules in (arithmetic(), arithmetic(once_only=True)):
        result = rewrite(g, rules)
        assert not +rules.count(result)
        assert rewrite(result, rules) is result


@given(st.randoms(use_true_random=False), st.integers(5, 60), st.integers(1, 5))
def test_rewriting_keeps_the_values_of_a_machine_with_delays(random: Any, size: int, cycles: int) -> None:
    g = numeric(random, size, ops={"neg": 1, "add": 2, "sub": 2, "mul": 2, "where": 3, "delay": 1})
    order = df.nodes(g)
    delays = [v for v in order if v.op == "delay"]
    for v in delays[:cycles]:
        v[0] = random.choice(order)
    expected = simulate(g, 6)
    rules = arithmetic()
    result = rewrite(g, rules)
    assert simulate(result, 6) == expected
    assert simulate(df.cse(g), 6) == expected
    assert not any(isinstance(v, df.Forward) for v in df.nodes(result))
    assert not +rules.count(result)
    assert rewrite(result, rules) is result


def simulate(g: Node, steps: int) -> list[int]:
    """Run a graph in which every cycle goes through a delay, whose value is that of its input one step ago."""
    order = df.nodes(g)
    delays = [v for v in order if v.op == "delay"]
    kept: Mapping[Node, int] = dict.fromkeys(delays, 0)
    results = []
    for step in range(steps):
        values = dict(kept)
        pending = [v for v in order if v not in values]
        while pending:
            left = []
            for v in pending:
                if all(i in values for i in v.inputs):
                    values[v] = now(v, step, [values[i] for i in v.inputs])
                else:
                    left.append(v)
            assert len(left) < len(pending), "a cycle without a delay"
            pending = left
        results.append(values[g])
        kept = {v: values[v[0]] for v in delays}
    return results


def now(v: Node, step: int, values: list[int]) -> int:
    if v.op == "const":
        return int(v.value)
    if v.op == "input":
        return {"x": 3, "y": 7, "z": 1000}[v.attrs["name"]] + step
    return compute(v.op, v.attrs, *values)


def test_what_does_not_change_is_the_same_object() -> None:
    g = parse("add(mul(a, b), mul(a, b))")
    assert rewrite(g, Rules()) is g
    rules = Rules()
    rules[P.f(x)] = x
    changed = rewrite(node("g", g, node("f", g)), rules)
    assert changed[0] is g
    assert changed[1] is g


def test_rules_with_rest_optional_inputs_and_attributes() -> None:
    rules = Rules()
    rules[P.cat(*rest("a"), P.cat(*rest("b"), axis=V.k), *rest("c"), axis=V.k)] = x
    with pytest.raises(ValueError, match="only one rest"):
        _ = rules.index
    rules = Rules()
    rules[P.cat(P.cat(*rest("a"), axis=V.k), *rest("b"), axis=V.k)] = P.cat(*rest("a"), *rest("b"), axis=V.k)
    rules[P.conv(x, y, opt(V.b))] = lambda x, y, b: node("linear", x, y, *([] if b is None else [b]))
    g = parse("cat(cat(cat(p, q, axis=1), r, axis=1), conv(a, b), conv(a, b, c), axis=1)")
    assert str(rewrite(g, rules)) == "cat(p, q, r, linear(a, b), linear(a, b, c), axis=1)"


def test_a_rule_that_declines_lets_others_and_other_choices_try() -> None:
    rules = Rules(commutative={"add"})
    rules[P.add(x, y)] = lambda x, y: node("first", x) if y.op == "neg" else None
    rules[P.add(x, y)] = lambda m: m.root  # returning the node itself declines, too
    rules[P.add(x, y)] = P.second(x, y)
    assert repr(rewrite(parse("f(add(neg(a), b), add(a, b))"), rules)) == "f(first(b), second(a, b))"


def test_guards() -> None:
    rules = Rules()

    @rules(P.pow(x, C.n), where=lambda n: n.value == 2, name="square")
    def square(x: Node) -> Node:
        return node("mul", x, x)

    steps: list[Any] = []
    assert repr(rewrite(parse("f(pow(a, 2), pow(a, 3))"), rules, trace=steps.append)) == "f(mul(a, a), pow(a, 3))"
    assert [str(step) for step in steps] == ["square: pow(a, 2) -> mul(a, a)"]


def test_new_nodes_meet_equal_ones() -> None:
    rules = Rules()
    rules[P.g(x)] = P.f(x)
    g = parse("h(f(a), g(a), g(a))")
    result = rewrite(g, rules)
    assert result[0] is result[1] is result[2] is g[0]
    apart = rewrite(g, rules, has_effect=lambda v: v.op == "f")
    assert len(set(apart.inputs)) == 3


def test_meta_is_carried_over_by_a_hook() -> None:
    rules = Rules()
    rules[P.g(x)] = P.f(x)
    g = parse("h(g(a))")
    g[0].meta["line"] = 7
    assert rewrite(g, rules, on_replace=lambda old, new: new.meta.update(old.meta))[0].meta == {"line": 7}


def test_once_is_counted_anew() -> None:
    rules = Rules()
    rules[P.neg(once(P.neg(x)))] = x
    rules[P.drop(x)] = const(0)
    g = parse("n = neg(a)\nf(neg(n), drop(n))")
    assert repr(rewrite(g, rules)) == "f(a, 0)"
    g = parse("n = neg(a)\nf(neg(n), n)")
    assert rewrite(g, rules) is g


def test_several_roots_become_one() -> None:
    rules = Rules()

    @rules(P.all(q=P.matmul(x, V.wq), k=P.matmul(x, V.wk)))
    def fused(x: Node, wq: Node, wk: Node) -> list[Node]:
        both = node("both", x, wq, wk)
        return [df.out(both, 0), df.out(both, 1)]

    g = parse("f(matmul(a, p), matmul(a, q))")
    result = rewrite(g, rules)
    assert repr(result) == "f(both(a, p, q)[0], both(a, p, q)[1])"
    assert result[0][0] is result[1][0]
    chained = parse("m = matmul(a, p)\nf(m, matmul(a, m))")
    assert rewrite(chained, rules) is chained  # one uses the other


def test_pairs_that_would_use_each_other_are_not_both_merged() -> None:
    rules = Rules()

    @rules(P.all(q=P.a(x, y), k=P.b(x, z)))
    def fused(x: Node, y: Node, z: Node) -> dict[str, Node]:
        both = node("both", x, y, z)
        return {"q": df.out(both, 0), "k": df.out(both, 1)}

    g = parse("a1 = a(p, 1)\nb2 = b(r, 1)\nf(a1, b(p, g(b2)), a(r, g(a1)), b2)")
    result = rewrite(g, rules)
    assert not df.iscyclic(result)
    assert sum(v.op == "both" for v in df.nodes(result)) == 1


class Typed(Node):
    """A node with a slot that is computed when it is built."""

    __slots__ = ("rank",)
    rank: int

    def __init__(self, op: Any, inputs: tuple[Any, ...] = (), attrs: Any = None, meta: Any = None) -> None:
        super().__init__(op, inputs, attrs, meta)
        self.rank = 1 + max([i.rank for i in inputs], default=0)


def test_subclasses_stay_what_they_are() -> None:
    rules = Rules(build=Typed)
    rules[P.g(x)] = P.h(P.f(x))
    rules[P.k(x)] = lambda x: Typed("f", (x,))
    a = Typed("input", (), {"name": "a"})
    g = Typed("top", (Typed("g", (a,)), Typed("k", (a,))))
    result = rewrite(g, rules)
    assert repr(result) == "top(h(f(a)), f(a))"
    assert all(type(v) is Typed for v in df.nodes(result))
    assert result.rank == 4
    assert result[0][0] is result[1]


@pytest.mark.parametrize("strategy", ["bottomup", "topdown"])
def test_rules_without_end_are_named(strategy: Any) -> None:
    rules = Rules()
    rules[P.add(x, 0)] = x
    rules[P.f(x)] = P.g(x)
    rules[P.g(x)] = P.f(x)
    with pytest.raises(
        RewriteError, match=r"go round:\n  [fg]\(x\) -> [fg]\(x\)  at .*\n  [fg]\(x\) -> [fg]\(x\)"
    ) as error:
        rewrite(parse("add(f(p), 0)"), rules, strategy=strategy)
    assert len(error.value.steps) == 2


def test_growth_without_end_is_named() -> None:
    rules = Rules()
    rules[P.f(x)] = P.g(P.f(P.h(x)))
    with pytest.raises(
        RewriteError, match=r"no end of rewriting after 50 replacements.*\n  f\(x\) -> g\(f\(h\(x\)\)\)  at"
    ):
        rewrite(parse("f(p)"), rules, budget=50)
    with pytest.raises(RewriteError, match="after 100200"):
        rewrite(parse("f(p)"), _forever())


def _forever() -> Rules:
    rules = Rules()
    rules[P.f(x)] = P.f(P.g(x))
    return rules


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda r: r.__setitem__(P.f(x), lambda q: q), "parameter q is not captured; captured are x"),
        (lambda r: r.__setitem__(P.f(x), lambda *q: q), "is not captured"),
        (lambda r: (r.__setitem__(P.f(x), y), r.index), "captures no y"),
        (lambda r: (r.__setitem__(P.f(x), once(x)), r.index), "cannot be built"),
        (lambda r: (r.__setitem__(P.f(x), lambda x: 3), rewrite(parse("f(p)"), r)), "returned a int, not a Node"),
        (lambda r: rewrite(inp("p"), r, strategy="sideways"), "strategy must be"),  # type: ignore[arg-type]
    ],
)
def test_rules_that_make_no_sense(make: Any, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        make(Rules())


def test_a_cycle_that_would_vanish_is_an_error() -> None:
    rules = Rules()
    rules[P.id(x)] = x
    with pytest.raises(df.CycleError, match="vanished"):
        rewrite(parse("a = id(id(a))\na"), rules)


def test_rules_add_up() -> None:
    one, two = Rules(commutative={"add"}), Rules()
    one[P.add(x, 0)] = x
    two[P.neg(P.neg(x))] = x
    both = one | two
    assert len(both) == 2
    assert repr(rewrite(parse("neg(add(0, neg(p)))"), both)) == "p"
    assert [rule.name for rule in both] == ["add(x, 0) -> x", "neg(neg(x)) -> x"]
    assert one.once(parse("add(add(p, 0), 0)")).op == "input"
