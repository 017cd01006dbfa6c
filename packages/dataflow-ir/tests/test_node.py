import copy
import enum
import pickle
from dataclasses import dataclass
from typing import Any

import pytest

from dataflow_ir import FrozenDict, Interner, Node, Opaque, const, fix, inp, node, out, thread, typed


class Color(enum.StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Point:
    x: float


DIFFERENT = [
    0, 0.0, -0.0, False, 1, 1.0, True, 1 + 0j, complex(1, -0.0), float("nan"), float("inf"), "1", b"1", None, (), (1,),
    (1.0,), (True,), ((1,),), (0.0,), (-0.0,), frozenset({1}), frozenset({1.0}), FrozenDict(a=1), FrozenDict(a=True),
    "red", Color.RED, int, Point(0.0), Point(-0.0), Point(0), ...,
]  # fmt: skip


def test_values_that_python_confuses_have_different_keys() -> None:
    assert len({typed(value) for value in DIFFERENT}) == len(DIFFERENT)
    assert len({const(value).key for value in DIFFERENT}) == len(DIFFERENT)
    assert len({node("op", a=value).key for value in DIFFERENT}) == len(DIFFERENT)


def test_every_nan_is_the_same_constant() -> None:
    assert const(float("nan")).key == const(-float("nan")).key
    assert const((1, float("nan"))).key == const((1, float("nan"))).key


def test_key_tells_operation_attributes_and_inputs() -> None:
    x, y = inp("x"), inp("y")
    assert node("f", x, y, a=1, b=2).key == Node("f", (x, y), {"b": 2, "a": 1}).key
    keys = {node("f", x).key, node("g", x).key, node("f", y).key, node("f", x, None).key, node("f", x, a=1).key}
    assert len(keys) == 5
    assert node("f", inp("x")).key != node("f", x).key


def test_nodes_are_equal_only_to_themselves() -> None:
    assert inp("x") != inp("x")
    with pytest.raises(TypeError, match="must not define __eq__"):
        type("Bad", (Node,), {"__eq__": lambda self, other: True})


def test_attributes_are_immutable_and_hashable() -> None:
    attrs = node("f", axis=1, perm=(0, 1)).attrs
    assert attrs == {"axis": 1, "perm": (0, 1)}
    assert hash(attrs) == hash(FrozenDict(perm=(0, 1), axis=1))
    assert {**attrs, "axis": 2} == attrs | {"axis": 2}
    with pytest.raises(TypeError, match="cannot be changed"):
        attrs["axis"] = 2
    with pytest.raises(TypeError, match="cannot be changed"):
        attrs.update(axis=2)
    with pytest.raises(TypeError, match="'perm' holds an unhashable list"):
        node("f", perm=[0, 1])  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(attrs)) == copy.deepcopy(attrs) == attrs


def test_opaque_values_are_compared_by_identity() -> None:
    array = [1, 2]
    assert node("f", a=Opaque(array)).key == node("f", a=Opaque(array)).key != node("f", a=Opaque([1, 2])).key


def test_an_input_must_be_a_node() -> None:
    with pytest.raises(TypeError, match="input 1 of 'add' is a int, not a Node"):
        node("add", inp("x"), 1)  # type: ignore[arg-type]


def test_structural_matching() -> None:
    def simplify(v: Node) -> Any:
        match v:
            case Node("add", [a, Node("const", value=0)]):
                return a
        return None

    x = inp("x")
    assert simplify(node("add", x, const(0))) is x
    assert simplify(node("add", x, const(1))) is None
    assert simplify(node("add", x, x)) is None


def test_threading_and_fixing() -> None:
    x = inp("x")
    loop = thread(node("f", x), x)
    assert [*loop.inputs] == [x, x]
    thread(loop, loop, at=0)
    assert [*loop.inputs] == [loop, x, x]
    loop[1] = None
    assert [*loop.inputs] == [loop, None, x]
    deep = fix(lambda self: node("f", node("g", node("h", self), x), self))
    assert deep[0][0][0] is deep
    assert deep[1] is deep
    with pytest.raises(ValueError, match="defined by nothing"):
        fix(lambda self: self)


def test_repr_is_short_whatever_the_graph() -> None:
    v: Node = inp("x" * 1000)
    for _ in range(100):
        v = node("concatenate_all_of_them", v, v, v, v, v, v, v, name="y" * 1000, table=tuple(range(1000)))
    loop = thread(node("loop"), v)
    thread(loop, loop)
    for each in (v, loop, const("z" * 1000), out(v, 1)):
        assert len(repr(each)) <= 120
        assert "\n" not in repr(each)
    assert repr(node("f", inp("x"), None, const(1.5), axis=-1)) == "f(x, None, 1.5, axis=-1)"


class Fancy(Node):
    """A subclass with a slot of its own and a constructor of its own."""

    __slots__ = ("fact",)

    def __init__(self, op: str, inputs: tuple[Any, ...], attrs: Any = None, meta: Any = None, fact: int = 0) -> None:
        super().__init__(op, inputs, attrs, meta)
        self.fact = fact

    def rebuild(self, inputs: tuple[Any, ...]) -> "Fancy":
        return Fancy(self.op, inputs, self.attrs, dict(self.meta), self.fact)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


def test_subclasses_survive_copies() -> None:
    v = Fancy("f", (inp("x"),), {"axis": 1}, {"name": "v"}, fact=7)
    for twin in (copy.copy(v), copy.deepcopy(v), pickle.loads(pickle.dumps(v))):
        assert isinstance(twin, Fancy)
        assert (twin.op, twin.attrs, twin.meta, twin.fact) == ("f", {"axis": 1}, {"name": "v"}, 7)
    assert copy.copy(v).inputs == v.inputs
    assert copy.deepcopy(v)[0] is not v[0]


def test_deepcopy_keeps_sharing_between_roots() -> None:
    x = inp("x")
    a, b, again = copy.deepcopy([node("f", x), node("g", x), x])
    assert a[0] is b[0] is again is not x


def test_interner() -> None:
    cons = Interner(has_effect=lambda v: v.op == "random")
    x = inp("x")
    assert cons.node("neg", x) is cons.node("neg", x)
    assert cons.node("f", axis=1) is not cons.node("f", axis=1.0)
    assert cons.node("random") is not cons.node("random")
    assert cons.node("neg", x) in cons
    assert node("neg", x) not in cons
