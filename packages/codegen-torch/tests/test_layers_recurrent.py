"""Recurrent layers in a row, and between transpositions: before and after."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from layer_texts import BATCH, SEQ, stored, text, value

from codegen_torch.expr import Expr, call
from codegen_torch.layers import recover_layers

STEPS = value("x", SEQ, BATCH, 8)
SAMPLES = value("x", BATCH, SEQ, 8)


def gru(x: Expr, size: int = 8, **settings: Any) -> tuple[Expr, Expr]:
    weights = [stored("w", 3 * size, 8), stored("r", 3 * size, size)]
    result: Any = call("nn.GRU", (x, *weights), hidden_size=size, bias=False, **settings)
    return result  # type: ignore[no-any-return]


def recovered(*results: Expr) -> list[str]:
    return [
        text(result) for result in recover_layers({str(place): each for place, each in enumerate(results)}).values()
    ]


def test_layers_in_a_row_are_one_module() -> None:
    (found,) = recovered(gru(gru(gru(STEPS)[0])[0])[0])
    weights = ", ".join(["w[24, 8], r[24, 8]"] * 3)
    assert found == f"operator.getitem(nn.GRU(x, {weights}, hidden_size=8, num_layers=3, bias=False), index=0)"


def test_transpositions_around_layers_are_samples_first() -> None:
    (found,) = recovered(gru(gru(SAMPLES.transpose(0, 1))[0])[0].transpose(0, 1))
    weights = ", ".join(["w[24, 8], r[24, 8]"] * 2)
    settings = "hidden_size=8, num_layers=2, bias=False, batch_first=True"
    assert found == f"operator.getitem(nn.GRU(x, {weights}, {settings}), index=0)"


def test_the_sequence_is_the_value_that_the_file_turns_it_around_to_be() -> None:
    y, _ = gru(SAMPLES.transpose(0, 1))
    turned = y.transpose(0, 1)
    for expr, name in ((y, "steps"), (turned, "samples")):
        expr.meta["origin"] = dataclasses.replace(expr.origin, value=name)
    (found,) = recover_layers({"y": turned}).values()
    assert found.op == "operator.getitem"
    assert found.origin.value == "samples"


def test_the_state_stays_where_it_is_when_samples_come_first() -> None:
    y, last = gru(SAMPLES.transpose(0, 1))
    found = recovered(y.transpose(0, 1), last)
    assert [each.count("batch_first=True") for each in found] == [1, 1]
    assert not any("transpose" in each for each in found)


def apart() -> list[tuple[Expr, ...]]:
    first, _ = gru(STEPS)
    below, state = gru(STEPS)
    above, last = gru(below)
    return [
        (gru(first)[0], first),  # what the first says is asked for, too
        (gru(gru(STEPS)[0], size=6)[0],),
        (above, last),
        (gru(below)[0], state),
        (gru(first + first)[0],),
    ]


@pytest.mark.parametrize("results", apart())
def test_layers_that_are_more_than_that_stay_apart(results: tuple[Expr, ...]) -> None:
    assert not any("num_layers" in each for each in recovered(*results))


def halfway() -> list[tuple[Expr, ...]]:
    y, _ = gru(SAMPLES.transpose(0, 1))
    return [(y, y.transpose(0, 1)), (gru(STEPS)[0].transpose(0, 1),), (y,)]


@pytest.mark.parametrize("results", halfway())
def test_steps_stay_first_where_anyone_needs_them_so(results: tuple[Expr, ...]) -> None:
    assert not any("batch_first" in each for each in recovered(*results))
