import operator
from typing import Any

import pytest

import dataflow_ir as df
from dataflow_ir import Interpreter, call, inp, node, parse
from dataflow_ir.interpret import constants, memo, notes, table


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


def test_constants_may_mean_something_else() -> None:
    types = Interpreter(constants(type), table({"add": lambda a, b: float if float in (a, b) else int}))
    assert types(parse("add(x, 1)"), x=int) is int
    assert types(parse("add(x, 1.0)"), x=int) is float
    assert types(call(df.fn(lambda a: parse("add(1, 2.5)")), inp("x")), x=int) is float
