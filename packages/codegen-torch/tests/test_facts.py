"""Facts and the rule of broadcasting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_torch.dims import Dim, minimum
from codegen_torch.dtypes import DType
from codegen_torch.expr import graph_input
from codegen_torch.facts import Fact, Size, broadcast, elements

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
