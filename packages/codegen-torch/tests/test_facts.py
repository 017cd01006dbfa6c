"""Facts and the rule of broadcasting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_torch.dims import Dim, minimum
from codegen_torch.dtypes import DType
from codegen_torch.expr import graph_input
from codegen_torch.facts import Fact, KindError, MapOf, OptionalOf, SequenceOf, Size, broadcast, elements, joined

B, S = Dim.symbol("batch"), Dim.symbol("seq")


@pytest.mark.parametrize(
    ("shapes", "result"),
    [
        (((2, 3), (2, 3)), (2, 3)),
        (((2, 3), (3,)), (2, 3)),
        (((2, 1), (1, 3)), (2, 3)),
        (((B, S), (S,)), (B, S)),
        (((B, 1), (1, S)), (B, S)),
        (((B, 4), (B, 1)), (B, 4)),
        (((B,), (4,)), (4,)),  # batch is 1 or 4
        (((B,), (1,), (1, 1)), (1, B)),
        (((), (3,)), (3,)),
        (((B, S), (1, minimum(S, 512))), (B, S)),  # longer than the table fails
        (((B, 0), (1, 1)), (B, 0)),
    ],
)
def test_broadcast(shapes: tuple[tuple[Size, ...], ...], result: tuple[Size, ...]) -> None:
    assert broadcast(*shapes) == result
    assert broadcast(*reversed(shapes)) == result


def test_two_unknown_sizes_make_a_third() -> None:
    (size,) = broadcast((B,), (S,)) or ()
    assert isinstance(size, Dim)
    assert not size.is_bound()
    assert size not in (B, S)


def test_an_unknown_rank_leaves_the_result_unknown() -> None:
    assert broadcast((2, 3), None) is None


@given(st.lists(st.lists(st.sampled_from((1, 3)), max_size=4).map(tuple), min_size=1, max_size=4))
def test_numbers_are_broadcast_as_numpy_does(shapes: list[tuple[int, ...]]) -> None:
    assert broadcast(*shapes) == np.broadcast_shapes(*shapes)


def test_a_fact_in_words() -> None:
    assert str(Fact(DType.FLOAT32, (B, 2 * S, 3))) == "float32[batch, 2 * seq, 3]"
    assert str(Fact(DType.INT64, None)) == "int64[…]"
    assert str(Fact(DType.INT64, (), host=True)) == "host int64[]"


def test_what_is_constant_and_static() -> None:
    known = Fact(DType.INT64, (2,), np.array([1, 2]))
    sized = Fact(DType.INT64, (2,), elements([B, 2], (2,)))
    assert known.is_constant
    assert not sized.is_constant
    assert known.is_static
    assert not Fact(DType.FLOAT32, (B,)).is_static
    assert Fact(DType.FLOAT32, (B, 3)).size == 3 * B
    assert Fact(DType.FLOAT32, None).size is None
    assert Fact(DType.STRING, (1,), np.array(["a"], object)).is_constant


def test_elements_are_not_looked_into() -> None:
    x = graph_input("x", Fact(DType.INT64, (3,)))
    array = elements([x, B, 3], (3, 1))
    assert array.shape == (3, 1)
    assert array[0, 0] is x


F32, I64 = Fact(DType.FLOAT32, (2, B)), Fact(DType.INT64, (), host=True)


@pytest.mark.parametrize(
    ("fact", "annotation", "text"),
    [
        (F32, "Tensor", "float32[2, batch]"),
        (Fact(DType.STRING, (2,)), "np.ndarray", "string[2]"),
        (I64, "int", "host int64[]"),
        (Fact(DType.STRING, (), host=True), "str", "host string[]"),
        (SequenceOf(F32), "list[Tensor]", "list[float32[2, batch]]"),
        (SequenceOf(F32, 3), "list[Tensor]", "list[float32[2, batch] × 3]"),
        (OptionalOf(SequenceOf(F32)), "list[Tensor] | None", "list[float32[2, batch]] | None"),
        (OptionalOf(F32, absent=True), "Tensor | None", "None"),
        (MapOf(DType.STRING, I64), "dict[str, int]", "dict[string, host int64[]]"),
    ],
    ids=str,
)
def test_kinds_say_what_they_are(fact: Fact, annotation: str, text: str) -> None:
    assert (fact.annotation, str(fact)) == (annotation, text)


def test_nothing_is_known_of_a_container_as_a_tensor() -> None:
    for fact in (SequenceOf(F32, 3), OptionalOf(F32), MapOf(DType.INT64, F32)):
        assert (fact.host, fact.dims, fact.rank, fact.size, fact.value, fact.fill) == (True, *[None] * 5)
        assert not fact.is_tensor
        assert not fact.is_constant
        assert not fact.is_static


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        (F32, F32, "float32[2, batch]"),
        (F32, Fact(DType.FLOAT32, (2,)), "float32[…]"),
        (Fact(DType.FLOAT32, (2,), np.ones(2, np.float32), 1.0), Fact(DType.FLOAT32, (2,)), "float32[2]"),
        (F32, OptionalOf(F32, absent=True), "float32[2, batch] | None"),
        (OptionalOf(F32), F32, "float32[2, batch] | None"),
        (SequenceOf(F32, 2), SequenceOf(F32, 2), "list[float32[2, batch] × 2]"),
        (SequenceOf(F32, 2), SequenceOf(Fact(DType.FLOAT32, None), 0), "list[float32[2, batch]]"),
        (MapOf(DType.INT64, I64), MapOf(DType.INT64, I64), "dict[int64, host int64[]]"),
    ],
    ids=str,
)
def test_one_or_the_other(left: Fact, right: Fact, text: str) -> None:
    assert str(joined(left, right)) == str(joined(right, left)) == text
    assert joined(left, right).fill is None


def test_sizes_that_differ_become_a_fresh_one() -> None:
    left, right = joined(F32, Fact(DType.FLOAT32, (2, 3))).dims or ()
    assert left == 2
    assert isinstance(right, Dim)
    assert not right.is_bound()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (F32, Fact(DType.INT64, (2, B))),
        (F32, SequenceOf(F32)),
        (MapOf(DType.INT64, I64), MapOf(DType.STRING, I64)),
        (F32, Fact(DType.FLOAT32, (2, B), host=True)),
    ],
)
def test_values_of_different_kinds_cannot_be_one(left: Fact, right: Fact) -> None:
    with pytest.raises(KindError, match="on one side and"):
        joined(left, right)
