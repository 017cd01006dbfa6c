"""Definitions of operators: how their signatures are read, and what is refused."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, call, graph_input
from codegen_torch.facts import Fact
from codegen_torch.lower.registry import (
    NEWEST,
    Const,
    Context,
    Int,
    Ints,
    NotApplicable,
    Strings,
    definitions,
    host_elements,
    op,
    ranges,
    registered,
)

S = Dim.symbol("seq")
CONTEXT = Context((True,), 13)


@pytest.fixture(autouse=True)
def own_domain() -> Iterator[None]:
    before = set(registered())
    yield
    for key in set(registered()) - before:
        del registered()[key]


def tensor(name: str, *dims: int | Dim, dtype: DType = DType.FLOAT32) -> Expr:
    return graph_input(name, Fact(dtype, dims))


def apply(op_type: str, inputs: Sequence[Expr | None], version: int = 13, **attributes: object) -> Any:
    (definition,) = definitions("test", op_type, version)
    return definition.apply(inputs, attributes, CONTEXT)


def test_the_signature_tells_inputs_and_attributes() -> None:
    @op("Two", since=1, domain="test")
    def two(x: Expr, y: Expr | None = None, *, axis: int = -1) -> tuple[object, ...]:
        return x, y, axis

    x, y = tensor("x", 2), tensor("y", 2)
    assert apply("Two", [x]) == (x, None, -1)
    assert apply("Two", [x, None]) == (x, None, -1)
    assert apply("Two", [x, y], axis=3) == (x, y, 3)
    with pytest.raises(NotApplicable, match="'x' is missing"):
        apply("Two", [])
    with pytest.raises(NotApplicable, match="3 inputs, not at most 2"):
        apply("Two", [x, y, x])
    with pytest.raises(NotApplicable, match="attribute 'other'"):
        apply("Two", [x], other=1)


def test_an_attribute_without_default_is_required() -> None:
    @op("Needs", since=1, domain="test")
    def needs(x: Expr, *, axis: int) -> int:
        return axis

    assert apply("Needs", [tensor("x", 2)], axis=1) == 1
    with pytest.raises(NotApplicable, match="'axis' is missing"):
        apply("Needs", [tensor("x", 2)])


def test_any_number_of_inputs() -> None:
    @op("Many", since=1, domain="test")
    def many(*xs: Expr) -> tuple[Expr, ...]:
        return xs

    xs = [tensor("x", 2), tensor("y", 2), tensor("z", 2)]
    assert apply("Many", xs) == tuple(xs)


def test_the_range_of_opsets() -> None:
    @op("Old", since=2, until=6, domain="test")
    def old(x: Expr) -> Expr:
        return x

    @op("Old", since=7, domain="test")
    def new(x: Expr) -> Expr:
        return x

    found = {version: [d.meaning for d in definitions("test", "Old", version)] for version in range(1, NEWEST + 2)}
    assert found[1] == found[NEWEST + 1] == []
    assert found[2] == found[6] == [old]
    assert found[7] == found[NEWEST] == [new]
    assert ranges("test", "Old") == f"2 to 6, 7 to {NEWEST}"
    assert ranges("test", "Unknown") == ""


def test_the_context_is_handed_over_and_no_attribute() -> None:
    @op("Asks", since=1, domain="test")
    def asks(x: Expr, *, context: Context) -> Context:
        return context

    assert apply("Asks", [tensor("x", 2)]) is CONTEXT
    with pytest.raises(NotApplicable, match="'context'"):
        apply("Asks", [tensor("x", 2)], context=1)


def test_numbers_that_must_be_known() -> None:
    @op("Knows", since=1, domain="test")
    def knows(axes: Const[Ints], k: Const[int] | None = None) -> tuple[object, ...]:
        return axes, k

    assert apply("Knows", [array(np.array([1, -1])), array(np.array(3))]) == ((1, -1), 3)
    assert apply("Knows", [array(np.array([], np.int64))]) == ((), None)
    with pytest.raises(NotApplicable, match="'axes' is only known when the model runs"):
        apply("Knows", [tensor("x", 2, dtype=DType.INT64)])
    with pytest.raises(NotApplicable, match="'k' has 2 elements, not one"):
        apply("Knows", [array(np.array([1])), array(np.array([1, 2]))])


def test_host_values_may_be_numbers_sizes_or_read_when_the_model_runs() -> None:
    @op("Sizes", since=1, domain="test")
    def sizes(shape: Ints) -> Ints:
        return shape

    known = apply("Sizes", [array(np.array([2, 3]))])
    assert known == (2, 3)
    assert all(type(size) is int for size in known)
    first, second = apply("Sizes", [tensor("n", 2, dtype=DType.INT64)])
    assert (first.op, second.op) == ("host.item", "host.item")
    with pytest.raises(NotApplicable, match="number of elements of input 'shape'"):
        apply("Sizes", [tensor("n", S, dtype=DType.INT64)])


def test_a_host_number() -> None:
    @op("Number", since=1, domain="test")
    def number(k: Int) -> Int:
        return k

    assert apply("Number", [array(np.array([5]))]) == 5
    assert apply("Number", [tensor("k", dtype=DType.INT64)]).op == "host.item"
    with pytest.raises(NotApplicable, match="not one integer"):
        apply("Number", [tensor("k", 2, dtype=DType.INT64)])


def test_the_parts_of_a_concatenation_are_read_one_by_one() -> None:
    n = tensor("n", dtype=DType.INT64)
    shape = call("torch.cat", [call("Tensor.unsqueeze", n, 0), array(np.array([4, 8]))], dim=0)
    first, *rest = host_elements(shape) or ()
    assert isinstance(first, Expr)
    assert (first.op, first.inputs) == ("host.item", (n,))
    assert rest == [4, 8]


def test_consumed_inputs_mean_nothing() -> None:
    @op("Hint", since=1, domain="test")
    def hint(x: Expr) -> Expr:
        return x

    x = tensor("x", 2)
    assert apply("Hint", [x], consumed_inputs=(0,)) is x


def test_strings_and_numbers_are_told_apart() -> None:
    @op("Text", since=1, domain="test")
    def text(x: Strings, y: Expr | Strings, z: Expr | None = None) -> tuple[object, ...]:
        return x, y, z

    number, word = tensor("x", 2), tensor("w", 2, dtype=DType.STRING)
    assert apply("Text", [word, word]) == (word, word, None)
    assert apply("Text", [word, number, number]) == (word, number, number)
    with pytest.raises(NotApplicable, match="'x' is no tensor of strings"):
        apply("Text", [number, number])
    with pytest.raises(NotApplicable, match="strings are not supported as input 'z'"):
        apply("Text", [word, word, word])


def test_every_definition_says_what_its_inputs_are() -> None:
    """An annotation that nothing reads would hand a tensor to a rule that expects numbers."""
    known = {"Expr", "Ints", "Int", "Const[Ints]", "Const[Floats]", "Const[int]", "Const[float]", "Const[bool]"}
    known |= {"Const[Array]", "Strings", "Expr | Strings", "Value", "List", "Map", "Maybe"}
    for found in registered().values():
        for definition in found:
            for parameter in definition.inputs:
                annotation = parameter.annotation.removesuffix(" | None")
                assert annotation in known, f"{definition.op_type}: {inspect.getsource(definition.meaning)}"
                assert definition.since <= definition.until <= NEWEST


def test_ranges_of_one_operator_leave_no_gap() -> None:
    """What was defined once stays defined, up to the newest opset."""
    for (domain, op_type), found in registered().items():
        if domain:
            continue
        covered = {version for definition in found for version in range(definition.since, definition.until + 1)}
        assert covered == set(range(min(covered), max(covered) + 1)), op_type
