"""Functions become graphs, graphs become pictures, layers become interpreters."""

import operator
from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import Interpreter, Node, call, flow, inp, node, ops, parse, to_dot, to_mermaid, topo
from dataflow_ir.interpret import memo, notes, table


def body(f: Node) -> Any:
    return f.attrs["code"].body


def test_tracing_operators() -> None:
    @flow
    def f(a: Any, b: Any) -> Any:
        return (-a + 2) * (3 - b) @ a / b, abs(a % 2**b), [a[1], ~b < a]

    assert df.syntax(body(f)) == (
        "(truediv(matmul(mul(add(neg(a), 2), sub(3, b)), a), b), abs(mod(a, pow(2, b))), [a[1], lt(invert(b), a)])"
    )


def test_tracing_keeps_what_is_shared_and_captures_what_is_outside() -> None:
    y = node("neg", inp("y"))

    @flow
    def f(a: Any) -> Any:
        total = a + y
        return ops.clip(total * total, None, low=0)

    assert f.inputs == (y,)
    assert body(f)[0][0] is body(f)[0][1]
    assert body(f)[1] is None
    clip = table({"clip": lambda v, _, low: max(v, low)})
    run = Interpreter(clip, table({op: getattr(operator, op) for op in ("add", "mul", "neg")}))
    assert run(call(f, inp("x")), x=5, y=2) == 9


def test_tracing_plain_python() -> None:
    @flow
    def power(a: Any) -> Any:
        result = 1
        for _ in range(3):
            result = result * a
        return result

    assert repr(body(power)) == "mul(mul(mul(1, a), a), a)"

    @flow
    def constant(a: Any) -> Any:
        return 7

    assert repr(body(constant)) == "7"


def test_a_traced_value_decides_nothing() -> None:
    with pytest.raises(TypeError, match="cannot decide"):
        flow(lambda a: a or 1)
    with pytest.raises(TypeError, match="no known number"):
        flow(lambda a: [*a])
    with pytest.raises(TypeError, match="plain parameters"):
        flow(lambda *a: a)


def test_reading_the_source() -> None:
    @flow.source
    def running(x: Any) -> Any:
        """A sum of all inputs so far."""
        total = x * -1 + delay(total, start=0)  # type: ignore[name-defined,has-type]  # noqa: F821, F823
        return -total / scale  # type: ignore[name-defined]  # noqa: F821

    assert [v.attrs["name"] for v in running.inputs] == ["scale"]
    g = body(running)
    total = g[0][0]
    assert repr(total[0]) == "mul(x, -1)"
    assert total[1][0] is total
    assert total[0][0] is running.attrs["code"].params[0]


def test_source_that_is_no_graph() -> None:
    def loop(x: Any) -> Any:
        for _ in range(3):
            x = x + 1
        return x

    with pytest.raises(df.TextError):
        flow.source(loop)


def test_to_dot_and_mermaid_of_cycles_functions_and_odd_names() -> None:
    g = parse('a = add(x, delay(a))\n"odd \\"op\\""(a, None, text="<b>")')
    dot, mermaid = to_dot(g), to_mermaid(g)
    assert dot.count(" -> ") == mermaid.count("-->") == 4
    assert '\\"odd' in dot or "odd" in dot
    assert "<b>" not in mermaid
    f = to_dot(call(df.fn(lambda a: node("sqrt", a)), inp("x")))
    assert "subgraph cluster_f0_" in f
    assert "sqrt" in f
    assert "subgraph f0_" in to_mermaid(call(df.fn(lambda a: node("sqrt", a)), inp("x")))


def test_layers() -> None:
    seen: list[Any] = []

    def count(inner: Any, op: Any, attrs: Any, *values: Any) -> Any:
        seen.append(op)
        return inner(op, attrs, *values)

    run = Interpreter(notes(), memo({}), count, table({"add": operator.add, "div": operator.truediv}))
    g = parse("add(div(x, 2), div(x, 2))")
    assert run(g, x=6) == 6
    assert seen == ["const", "div", "add"]
    with pytest.raises(ZeroDivisionError) as error:
        run(parse("div(x, 0)"), x=1)
    assert error.value.__notes__ == ["in div(1, 0)"]
    with pytest.raises(LookupError, match="'sub'"):
        run(parse("sub(x, 0)"), x=1)
    assert run(call(df.fn(lambda a: node("add", a, a)), inp("x")), x=[1]) == [1, 1]


def test_topological_orders_of_cycles() -> None:
    g = parse("a = add(x, delay(a))\nneg(a)")
    with pytest.raises(df.CycleError):
        topo(g)
    assert [v.op for v in topo(g, cycles="break")] == ["input", "delay", "add", "neg"]
    assert [len(group) for group in topo(g, cycles="scc")] == [1, 2, 1]
    with pytest.raises(ValueError, match="without a key"):
        topo(g, id, cycles="break")


def test_interner() -> None:
    cons = df.Interner(has_effect=lambda v: v.op == "random")
    x = inp("x")
    assert cons.node("neg", x) is cons.node("neg", x)
    assert cons.node("f", axis=1) is not cons.node("f", axis=1.0)
    assert cons.node("random") is not cons.node("random")
    assert cons.node("neg", x) in cons
    assert node("neg", x) not in cons
