from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import dataflow_ir as df
from dataflow_ir import Forward, Node, const, fix, inp, isomorphic, node, parse, postwalk, prewalk, stop, syntax

BOTH = pytest.mark.parametrize("walker", [prewalk, postwalk])


def rename(old: str, new: str) -> Callable[[Node], Node | None]:
    return lambda v: Node(new, v.inputs, v.attrs) if v.op == old else None


@BOTH
def test_each_node_is_visited_once(walker: Any) -> None:
    g = parse("a = f(x, y)\nb = g(a, a, b)\nh(b, a, b, x)")
    visits: Counter[Any] = Counter()
    walker(lambda v: visits.update([v.op if v.op != "input" else v.attrs["name"]]), g)
    assert visits == {"f": 1, "g": 1, "h": 1, "x": 1, "y": 1}


@BOTH
def test_untouched_parts_are_the_same_objects(walker: Any) -> None:
    left, right = parse("[loop(l), relu(f(y))]")
    df.thread(left, left)
    g = node("add", left, right)
    result = walker(rename("relu", "gelu"), g)
    assert result is not g
    assert result[0] is left
    assert result[1][0] is right[0]


@pytest.mark.parametrize(
    ("walker", "change", "before", "after"),
    [
        (postwalk, lambda v: v[0][0] if v.op == "neg" and v[0].op == "neg" else None, "neg(neg(neg(neg(x))))", "x"),
        (postwalk, lambda v: node("neg", v) if v.op == "f" else None, "f(f(x))", "neg(f(neg(f(x))))"),
        (prewalk, lambda v: v[0] if v.op == "identity" else None, "f(identity(g(x)))", "f(g(x))"),
        (prewalk, lambda v: stop(const(0)) if v.op == "f" else None, "g(f(f(x)))", "g(0)"),
        (prewalk, lambda v: stop() if v.op == "f" else rename("g", "h")(v), "g(f(g(x)))", "h(f(g(x)))"),
        (prewalk, lambda v: stop(node("neg", v)) if v.op == "f" else None, "g(f(x))", "g(neg(f(x)))"),
        (postwalk, rename("f", "h"), "a = f(x, a)\na", "a = h(x, a)\na"),
        (prewalk, rename("f", "h"), "a = f(x, a)\na", "a = h(x, a)\na"),
        (postwalk, rename("g", "h"), "a = f(x, g(a))\na", "a = f(x, h(a))\na"),
        (postwalk, rename("input", "other"), "a = f(g(a), x)\na", "a = f(g(a), other(name='x'))\na"),
        (postwalk, lambda v: v[0] if v.op == "g" else None, "a = f(x, g(a))\na", "a = f(x, a)\na"),
        (prewalk, lambda v: v[0] if v.op == "g" else None, "a = f(x, g(a))\na", "a = f(x, a)\na"),
        (postwalk, lambda v: node("w", v) if v.op == "f" else None, "a = f(x, g(a))\na", "a = w(f(x, g(a)))\na"),
        (postwalk, lambda v: inp("y") if v.op == "f" else None, "a = g(f(x, a))\na", "g(y)"),
        (prewalk, rename("g", "k"), "a = f(b, c)\nb = g(a, c)\nc = h(b)\nc", "a = f(b, c)\nb = k(a, c)\nc = h(b)\nc"),
    ],
)  # fmt: skip
def test_walks(walker: Any, change: Any, before: str, after: str) -> None:
    result = walker(change, parse(before))
    assert isomorphic(result, parse(after)), syntax(result)


@pytest.mark.parametrize("walker", [df.prewalk_, df.postwalk_])
def test_in_place_walks_keep_the_nodes(walker: Any) -> None:
    g = parse("a = f(x, g(a))\nh(a)")
    f = g[0]
    assert walker(rename("input", "other"), g) is g
    assert g[0] is f
    assert f[0].op == "other"
    assert f[1][0] is f
    walker(rename("f", "k"), g)
    assert isomorphic(g, parse("a = k(other(name='x'), g(a))\nh(a)"))


def test_an_exception_leaves_no_cells_in_place() -> None:
    g = parse("a = f(x, g(a))\nh(a)")

    def fail(v: Node) -> None:
        if v.op == "f":
            raise RuntimeError

    with pytest.raises(RuntimeError):
        df.postwalk_(fail, g)
    assert isomorphic(g, parse("a = f(x, g(a))\nh(a)"))


def test_a_cell_knows_what_it_stands_for() -> None:
    g = parse("a = f(x, g(a))\na")
    met = []
    postwalk(lambda v: met.extend([i.target for i in v.inputs if isinstance(i, Forward)]), g)
    assert met == [g]


def test_a_cycle_that_vanishes_is_an_error() -> None:
    ring = fix(lambda self: node("a", node("b", self)))
    with pytest.raises(df.CycleError, match="vanished") as caught:
        postwalk(lambda v: v[0], ring)
    assert len(caught.value.path) >= 1


def test_using_the_visited_node_in_prewalk_closes_a_cycle() -> None:
    result = prewalk(lambda v: node("w", v) if v.op == "f" else None, parse("g(f(x))"))
    assert isomorphic(result, parse("a = w(a)\ng(a)"))


def test_nodes_replaced_by_one_node_share_its_rebuilt_form() -> None:
    g = parse("a = f(x)\nadd(skip(a), skip(a), a)")
    result = prewalk(lambda v: v[0] if v.op == "skip" else rename("input", "y")(v), g)
    assert result[0] is result[1] is result[2] is not g[2]


def test_changed_nodes_are_made_by_rebuild() -> None:
    class Counted(Node):
        __slots__ = ("generation",)
        generation: int

        def rebuild(self, inputs: tuple[Any, ...]) -> "Counted":
            twin = Counted(self.op, inputs, self.attrs, self.meta)
            twin.generation = self.generation + 1
            return twin

    x = inp("x")
    v, w = Counted("f", (x,)), Counted("f", ())
    v.generation = w.generation = 0
    result = postwalk(rename("input", "other"), [v, w])
    assert [each.generation for each in result] == [1, 0]
    assert result[1] is w


class Pair(NamedTuple):
    left: Any
    right: Any


def test_nests_keep_their_shape() -> None:
    x = inp("x")
    nest: Any = {"a": [x, None], "b": (x, Pair(x, []))}
    result = postwalk(rename("input", "y"), nest)
    y = result["a"][0]
    assert y.op == "y"
    assert result == {"a": [y, None], "b": (y, Pair(y, []))}
    assert isinstance(result["b"][1], Pair)
    with pytest.raises(TypeError, match="nest of lists, tuples and dicts of Nodes, got a int"):
        postwalk(rename("f", "g"), [x, 1])


def test_orders_of_visits() -> None:
    g = parse("a = f(x)\nadd(neg(a), a)")
    seen: list[str] = []
    df.prefor(lambda v: seen.append(v.op), g)
    assert seen == ["add", "neg", "f", "input"]
    seen.clear()
    df.postfor(lambda v: seen.append(v.op), g)
    assert seen == ["input", "f", "neg", "add"] == [v.op for v in df.nodes(g)]
    seen.clear()

    def enter(v: Node) -> Any:
        seen.append(v.op)
        return stop() if v.op == "neg" else None

    df.prefor(enter, parse("add(neg(f(x)), y)"))
    assert seen == ["add", "neg", "input"]
    seen.clear()
    df.walk(g, lambda v: seen.append(f"<{v.op}"), lambda v: seen.append(f"{v.op}>"))
    assert seen == ["<add", "<neg", "<f", "<input", "input>", "f>", "neg>", "add>"]
