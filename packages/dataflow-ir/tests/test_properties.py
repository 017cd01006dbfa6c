"""What must hold on every graph."""

import copy as copying
import pickle
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import dataflow_ir as df
from dataflow_ir import Node
from dataflow_ir.fuzz import strategy

settings.register_profile("fast", max_examples=60, deadline=None, derandomize=True)
settings.load_profile("fast")

ANY = strategy(max_cycles=6, absent=0.05, functions=0.1)
ACYCLIC = strategy(absent=0.05, functions=0.1)
NUMERIC = strategy(values=(-3, -2, 0, 1, 5), attrs=0, functions=0.1)


def compute(op: str, attrs: Any, *values: int) -> int:
    modulus = 2**61 - 1
    match op, values:
        case "neg", (a,):
            return -a
        case "abs", (a,):
            return abs(a)
        case "add", (a, b):
            return (a + b) % modulus
        case "sub", (a, b):
            return (a - b) % modulus
        case "mul", (a, b):
            return (a * b) % modulus
        case "where", (a, b, c):
            return b if a % 2 else c
    raise AssertionError(op)


def value(g: Any) -> Any:
    return df.evaluate(g, compute, x=3, y=-7, z=1000)


def ids(g: Any) -> list[int]:
    return [id(v) for v in df.nodes(g)]


@given(ANY)
def test_walking_without_change_returns_the_same_objects(g: Node) -> None:
    before = [(v, v.inputs) for v in df.nodes(g)]
    for result in (
        df.prewalk(lambda v: None, g),
        df.postwalk(lambda v: None, g),
        df.walk(g, lambda v: v, lambda v: v),
        df.prewalk_(lambda v: None, g),
        df.postwalk_(lambda v: None, g),
    ):
        assert result is g
        assert all(v is w and v.inputs == inputs for (v, inputs), w in zip(before, df.nodes(g), strict=True))


@given(ANY)
def test_a_copy_is_new_and_isomorphic(g: Node) -> None:
    for twin in (df.copy(g), copying.deepcopy(g), df.from_table(df.to_table(g)), pickle.loads(pickle.dumps(g))):
        assert not set(ids(g)) & set(ids(twin))
        assert df.isomorphic(g, twin)
        assert df.equal(g, twin)
        assert df.fingerprint(g) == df.fingerprint(twin)


@given(ANY)
def test_what_is_printed_parses_to_the_same_graph(g: Node) -> None:
    text = df.syntax(g)
    assert df.isomorphic(df.parse(text), g), text
    assert df.syntax(df.parse(text)) == text


@given(ANY, st.integers(1, 6), st.integers(10, 60))
def test_nesting_and_width_are_bounded_and_change_nothing(g: Node, depth: int, width: int) -> None:
    text = df.syntax(g, max_depth=depth, max_width=width)
    assert df.isomorphic(df.parse(text), g), text


@given(NUMERIC)
def test_cse_keeps_the_value_and_leaves_no_duplicates(g: Node) -> None:
    result = df.cse(g)
    assert value(result) == value(g)
    assert not df.duplicates(result)
    assert df.equal(result, g)
    assert df.cse(result) is result


@given(ANY)
def test_cse_leaves_no_duplicates_on_cycles_either(g: Node) -> None:
    result = df.cse(g)
    assert df.equal(result, g)
    assert not df.duplicates(result)
    assert df.cse(result) is result


@given(ANY, ANY)
def test_equal_and_fingerprint_agree(a: Node, b: Node) -> None:
    assert df.equal(a, b) == (df.fingerprint(a) == df.fingerprint(b))


@given(ANY)
def test_equality_is_finer_than_a_changed_leaf(g: Node) -> None:
    changed = df.postwalk(lambda v: df.inp("w") if v.op == "input" and v.attrs["name"] == "x" else None, g)
    has_x = any(v.op == "input" and v.attrs["name"] == "x" for v in df.nodes(g))
    assert df.equal(g, changed) == (not has_x)
    assert (changed is g) == (not has_x)


@given(ANY)
def test_renaming_every_operation_there_and_back_is_the_identity(g: Node) -> None:
    there = df.map_ops(lambda op: f"{op}!", g)
    assert df.isomorphic(df.map_ops(lambda op: op[:-1], there), g)
    by_pre = df.prewalk(lambda v: Node(f"{v.op}!", v.inputs, v.attrs) if v.op not in df.BUILTIN else None, g)
    assert df.isomorphic(by_pre, there)


@given(ANY)
def test_in_place_and_rebuilding_walks_agree(g: Node) -> None:
    def change(v: Node) -> Node | None:
        return Node("plus", v.inputs, v.attrs) if v.op == "add" else None

    rebuilt = df.postwalk(change, g)
    kept = df.copy(g)
    assert df.isomorphic(df.postwalk_(change, df.copy(g)), rebuilt)
    assert df.isomorphic(df.prewalk_(change, df.copy(g)), rebuilt)
    assert df.isomorphic(kept, g)


@given(ANY)
def test_no_forward_cell_is_left(g: Node) -> None:
    wrapped = df.postwalk(lambda v: df.node("wrap", v) if v.op == "mul" else None, g)
    assert not any(isinstance(v, df.Forward) for v in df.nodes(wrapped))
    assert all(v.op != "mul" or u.op == "wrap" for v, us in df.users(wrapped).items() for u in us)


@given(ACYCLIC)
def test_topological_orders(g: Node) -> None:
    by_id = {v: -at for at, v in enumerate(df.nodes(g))}
    for order in (df.topo(g), df.topo(g, key=by_id.__getitem__), df.nodes(g)):
        place = {v: at for at, v in enumerate(order)}
        assert len(place) == len(order) == len(df.nodes(g))
        assert all(place[i] < place[v] for v in order for i in v.inputs if i is not None)
    assert not df.iscyclic(g)


@given(ANY)
def test_components(g: Node) -> None:
    components = df.sccs(g)
    at = {v: number for number, component in enumerate(components) for v in component}
    assert sorted(map(id, at)) == sorted(ids(g))
    assert all(at[i] <= at[v] for v in at for i in v.inputs if i is not None)
    for component in components:
        for v in component:
            assert df.isreaching(component[0], v)
            assert df.isreaching(v, component[0])
    cyclic = any(len(c) > 1 or c[0] in c[0].inputs for c in components)
    assert df.iscyclic(g) == cyclic


def reached(g: Any, without: Node) -> set[Node]:
    seen: set[Node] = set()
    stack = list(df.leaves(g))
    while stack:
        v = stack.pop()
        if v is not without and v not in seen:
            seen.add(v)
            stack += [i for i in v.inputs if i is not None]
    return seen


@given(ANY, st.integers(1, 3))
def test_dominators_are_what_cuts_a_node_off(g: Node, roots: int) -> None:
    order = df.nodes(g)
    nest = order[-roots:]
    nearest = df.dominators(nest)
    above: dict[Node, set[Node]] = {}
    for v in order:
        above[v], w = set(), nearest[v]
        while w is not None:
            above[v].add(w)
            w = nearest[w]
    for cut in order:
        lost = set(order) - reached(nest, cut) - {cut}
        assert lost == {v for v in order if cut in above[v]}


@given(ANY)
def test_users_mirror_inputs(g: Node) -> None:
    used_by = df.users(g)
    assert sum(map(len, used_by.values())) == sum(i is not None for v in df.nodes(g) for i in v.inputs)
    assert all(us.count(u) == u.inputs.count(v) for v, us in used_by.items() for u in us)


@given(NUMERIC, st.randoms(use_true_random=False))
def test_substituting_an_equal_expression_keeps_the_value(g: Node, random: Any) -> None:
    some = [v for v in df.nodes(g) if random.random() < 0.3]
    wrap = {v: df.node("neg", df.node("neg", v)) for v in some if v.op != "function"}
    result = df.subst(wrap, g)
    assert value(result) == value(g)
    assert not df.iscyclic(result)


@given(NUMERIC)
def test_text_is_an_exchange_format_for_values(g: Node) -> None:
    assert value(df.parse(df.syntax(g))) == value(g)
    assert value(df.loads(df.dumps([g, {"twice": (g,)}]))) == value([g, {"twice": (g,)}])
