from typing import Any

import pytest

from dataflow_ir import CycleError, Node, call, const, evaluate, fn, inp, node, parse

OPS = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b, "divmod": divmod, "pair": lambda a, b: (a, b)}


def run(op: str, attrs: Any, *values: Any) -> Any:
    return OPS[op](*values)


def test_each_node_is_computed_once() -> None:
    calls = []

    def handler(op: str, attrs: Any, *values: Any) -> Any:
        calls.append(op)
        return run(op, attrs, *values)

    assert evaluate(parse("a = add(x, 1)\nmul(a, a)"), handler, x=2) == 9
    assert calls == ["add", "mul"]


def test_nests_outputs_and_absent_inputs() -> None:
    g = parse("a = divmod(x, 3)\n{'q': a[0], 'r': [a[1], None], 'n': pair(x, None)}")
    assert evaluate(g, run, x=11) == {"q": 3, "r": [2, None], "n": (11, None)}


def test_functions_capture_call_and_return_functions() -> None:
    y = inp("y")
    adder = fn(lambda a: fn(lambda b: node("add", node("add", a, b), y)))
    assert evaluate(call(call(adder, const(1)), const(2)), run, y=10) == 13
    assert evaluate(call(fn(lambda a: [a, (a, node("mul", a, a))]), y), run, y=3) == [3, (3, 9)]


def test_a_handler_may_call_functions() -> None:
    g = node("map", fn(lambda a: node("add", a, inp("y"))), inp("items"))

    def handler(op: str, attrs: Any, *values: Any) -> Any:
        return list(map(*values)) if op == "map" else run(op, attrs, *values)

    assert evaluate(g, handler, y=1, items=[1, 2]) == [2, 3]


def test_calls_nest_deeper_than_python_recurses() -> None:
    f = fn(lambda a: node("add", a, const(1)))
    for _ in range(1500):
        f = calling(f)
    assert evaluate(call(f, const(0)), run) == 1


def calling(f: Node) -> Node:
    return fn(lambda a: call(f, a))


def test_other_meanings_of_the_same_graph() -> None:
    g = parse("add(mul(x, y), 1)")
    used = evaluate(g, lambda op, attrs, *sets: set().union(*[s for s in sets if isinstance(s, set)]), x={"x"}, y={"y"})
    assert used == {"x", "y"}


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("add(x, z)", ValueError, "input 'z' has no value; given: x"),
        ("a = add(a, x)\na", CycleError, "the graph has a cycle: add <- add"),
        ("def f(p):\n    return p\ncall(function(code=f), x, x)", TypeError, "takes 1 arguments, got 2"),
        ("def f(c, /):\n    return c\ncall(function(code=f))", TypeError, "captures 1 values, got 0"),
    ],
)
def test_what_cannot_be_evaluated(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        evaluate(parse(text), run, x=1)


def test_a_call_with_the_wrong_number_of_arguments_is_refused_at_once() -> None:
    with pytest.raises(TypeError, match="takes 2 arguments, got 1"):
        call(fn(lambda a, b: a), inp("x"))
    with pytest.raises(TypeError, match="plain parameters"):
        fn(lambda *a: a[0])
