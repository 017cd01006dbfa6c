"""Functions become graphs."""

import operator
from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import Interpreter, Node, call, flow, inp, node, ops
from dataflow_ir.interpret import table


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
