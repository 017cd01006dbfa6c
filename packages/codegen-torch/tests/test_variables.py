"""Variables: names are the lowest that are free, and free again after the last statement that needs their values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen_torch.dtypes import DType
from codegen_torch.emit.naming import GENERIC, MODULE_NAMES, is_generic
from codegen_torch.emit.variables import Variables
from codegen_torch.expr import Expr, graph_input
from codegen_torch.facts import Fact
from codegen_torch.names import numbered

WANTED = st.sampled_from([None, "x", "x2", "mask", "torch", "len", "x1", "out3"])
OTHERS = st.sets(st.sampled_from(["x", "x2", "x3", "x12", "out", "mask2", "y", "z", "len2"]))
STATEMENTS = st.lists(st.tuples(WANTED, OTHERS, st.integers(-1, 30)), max_size=60)


def value(name: str) -> Expr:
    return graph_input(name, Fact(DType.FLOAT32, (4,)))


def held(*names: str, reserved: tuple[str, ...] = ()) -> Variables:
    return Variables(reserved, {name: value(name) for name in names})


def first_free(wanted: str | None, taken: set[str]) -> str:
    """What a name is by definition."""
    taken = taken | MODULE_NAMES
    candidates = [wanted] if wanted else GENERIC
    return next((name for name in candidates if name not in taken), numbered(wanted or "x", taken))


@given(STATEMENTS, OTHERS)
def test_names_are_the_first_free_ones(statements: list[tuple[str | None, set[str], int]], reserved: set[str]) -> None:
    values = [value(f"v{number}") for number in range(len(statements))]
    ends = {each: number + more for number, (each, (_, _, more)) in enumerate(zip(values, statements, strict=True))}
    last_uses = {each: float(end) for number, (each, end) in enumerate(ends.items()) if end >= number}
    variables = Variables(reserved)
    variables.end(last_uses)
    live: dict[str, Expr] = {}
    for position, (wanted, others, _) in enumerate(statements):
        freed = {name for name, each in live.items() if last_uses.get(each, -1) <= position}
        assert variables.release(position) == freed
        live = {name: each for name, each in live.items() if name not in freed}
        name = variables.unique(wanted, others)
        assert name == first_free(wanted, {*live, *reserved, *others})
        variables.bind(name, values[position])
        live[name] = values[position]
        assert variables.held == live


def test_generic_names_come_in_order() -> None:
    variables = Variables()
    for number in range(6):
        variables.bind(variables.unique(None), value(f"v{number}"))
    assert list(variables.held) == [*GENERIC, "x2", "x3"]
    assert all(map(is_generic, variables.held))
    assert not is_generic("mask")


@pytest.mark.parametrize(
    ("variables", "wanted", "name"),
    [
        (held(), "torch", "torch2"),
        (held("mask"), "mask", "mask2"),
        (held("mask", "mask2", "mask4"), "mask", "mask3"),
        (held("mask", reserved=("mask2",)), "mask", "mask3"),
        (held("mask", "mask02"), "mask", "mask2"),
        (held("x1", "x1_2"), "x1", "x12"),
    ],
)
def test_a_name_that_is_taken_gets_the_lowest_number(variables: Variables, wanted: str, name: str) -> None:
    assert variables.unique(wanted) == name


def test_a_name_that_is_dropped_is_free_again() -> None:
    variables = held("mask", "mask2", "mask3")
    assert variables.unique("mask") == "mask4"
    variables.drop("mask2")
    variables.drop("mask9")
    assert "mask2" not in variables
    assert variables.unique("mask", {"mask2"}) == "mask4"
    assert variables.unique("mask") == "mask2"


def test_a_variable_that_is_overwritten_lives_as_long_as_its_new_value() -> None:
    first, second = value("first"), value("second")
    variables = Variables()
    variables.end({first: 1, second: 2})
    variables.bind("x", first)
    variables.bind("x", second)
    assert [variables.release(position) for position in range(3)] == [set(), set(), {"x"}]
