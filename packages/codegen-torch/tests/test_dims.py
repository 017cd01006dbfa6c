"""Arithmetic of sizes: whatever is decided before the run holds for every value of the symbols."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_torch.dims import Dim, Undecided, divide, minimum, product, same

NAMES = ("batch", "heads", "seq")
B, H, S = (Dim.symbol(name) for name in NAMES)
VALUES = st.fixed_dictionaries({name: st.integers(0, 40) for name in NAMES})


def value_of(size: int | Dim, values: dict[str, int]) -> int:
    """A size under given values of its symbols, computed from its source text."""
    return size if isinstance(size, int) else eval(size.text(str), {"min": min}, values)


@st.composite
def sizes(draw: st.DrawFn, depth: int = 2) -> int | Dim:
    """A polynomial with quotients and minima."""
    if depth == 0:
        return draw(st.one_of(st.integers(0, 9), st.sampled_from((B, H, S))))
    left, right = draw(sizes(depth=depth - 1)), draw(sizes(depth=depth - 1))
    kind = draw(st.sampled_from(("add", "mul", "sub", "quotient", "minimum")))
    if kind == "quotient":
        return left // draw(st.integers(1, 7))
    if kind == "minimum":
        return minimum(left, right)
    size: int | Dim = getattr(operator, kind)(left, right)
    return size


@given(sizes(), sizes(), VALUES)
@pytest.mark.parametrize("compute", [operator.add, operator.sub, operator.mul], ids=["add", "sub", "mul"])
def test_arithmetic_is_that_of_the_numbers(
    compute: Callable[[int | Dim, int | Dim], int | Dim], left: int | Dim, right: int | Dim, values: dict[str, int]
) -> None:
    expected = compute(value_of(left, values), value_of(right, values))
    assert value_of(compute(left, right), values) == expected


@given(sizes(), st.integers(1, 9), VALUES)
def test_division_rounds_down(size: int | Dim, divisor: int, values: dict[str, int]) -> None:
    number = value_of(size, values)
    assert value_of(size // divisor, values) == number // divisor
    assert value_of(size % divisor, values) == number % divisor


@given(sizes(), sizes(), VALUES)
@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_a_decided_comparison_always_holds(
    compare: Callable[[int | Dim, int | Dim], bool], left: int | Dim, right: int | Dim, values: dict[str, int]
) -> None:
    try:
        answer = compare(left, right)
    except Undecided:
        return
    assert answer is compare(value_of(left, values), value_of(right, values))


@given(sizes(), sizes(), VALUES)
def test_sizes_said_to_be_the_same_or_different_are(left: int | Dim, right: int | Dim, values: dict[str, int]) -> None:
    answer = same(left, right)
    assert answer is None or answer is (value_of(left, values) == value_of(right, values))


@given(sizes(), sizes(), VALUES)
def test_an_exact_quotient_times_the_divisor_is_the_size(
    size: int | Dim, divisor: int | Dim, values: dict[str, int]
) -> None:
    quotient = divide(size, divisor)
    if quotient is not None and value_of(divisor, values):
        assert value_of(quotient, values) * value_of(divisor, values) == value_of(size, values)


@given(sizes(), sizes())
def test_a_product_divided_by_a_factor_is_the_other_one(left: int | Dim, right: int | Dim) -> None:
    if left != 0 and right != 0:
        assert divide(left * right, right) == left


@given(sizes(), sizes(), VALUES)
def test_a_minimum_is_one(left: int | Dim, right: int | Dim, values: dict[str, int]) -> None:
    expected = min(value_of(left, values), value_of(right, values))
    assert value_of(minimum(left, right), values) == expected


@given(sizes(), sizes())
def test_equal_sizes_are_equal_however_they_are_made(left: int | Dim, right: int | Dim) -> None:
    assert left + right == right + left
    assert left * right == right * left
    assert hash(left * right) == hash(right * left)
    assert left + right - right == left


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (B, "batch"),
        (2 * S + 1, "2 * seq + 1"),
        (B * S, "batch * seq"),
        (S - 1, "seq - 1"),
        (-S, "-seq"),
        (S // 2, "seq // 2"),
        ((S - 1) // 2, "(seq - 1) // 2"),
        (2 * (S // 3), "2 * (seq // 3)"),
        (-(S // 2), "-(seq // 2)"),
        (-S // 2, "(-seq) // 2"),
        (B - S // 2, "batch - seq // 2"),
        (S * S, "seq * seq"),
        (minimum(S, 512), "min(seq, 512)"),
        (minimum(S + 1, B), "min(batch, seq + 1)"),
        (4 * S // 4, "seq"),
        ((6 * S + 3) // 2, "3 * seq + 1"),
    ],
)
def test_text(size: Dim, text: str) -> None:
    assert str(size) == text


def test_what_does_not_depend_on_a_symbol_is_a_number() -> None:
    for size in (S - S, S * 0, (S + 4) - S, 2 * S // S, product(()), minimum(3, 5)):
        assert isinstance(size, int)


def test_a_fresh_size_is_equal_to_itself_alone_and_not_bound() -> None:
    fresh = Dim.fresh()
    assert fresh == fresh  # noqa: PLR0124
    assert fresh != Dim.fresh()
    bound, unbound = B + S // 2, B + fresh
    assert isinstance(bound, Dim)
    assert isinstance(unbound, Dim)
    assert bound.is_bound()
    assert not unbound.is_bound()


def test_a_minimum_and_a_quotient_of_the_same_parts_differ() -> None:
    assert minimum(S, 2) != S // 2


@pytest.mark.parametrize("question", [lambda: B < S, lambda: S < 512, lambda: B // S, lambda: 6 // S, lambda: 6 % S])
def test_what_depends_on_a_symbol_is_undecided(question: Callable[[], object]) -> None:
    with pytest.raises(Undecided):
        question()


@pytest.mark.parametrize("size", [S, 3 * S, S * B, S // 2, minimum(S, B)])
def test_a_size_is_never_negative(size: Dim) -> None:
    assert size >= 0
    assert not size < 0
    assert same(size, -1) is False
