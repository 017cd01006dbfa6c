"""Repeats, stacks and rotary turns that exporters spell out: before and after."""

from __future__ import annotations

import pytest
from layer_texts import BATCH, IMAGE, OTHER, SEQ, X, as_it_was, name, recovered, value

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, graph_input
from codegen_torch.facts import Fact
from codegen_torch.symbols.namespaces import index, torch


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X.unsqueeze(1).expand(-1, 2, -1, -1).flatten(0, 1), "Tensor.repeat_interleave(x, repeats=2, dim=0)"),
        (X.unsqueeze(-1).repeat(1, 1, 1, 3).flatten(-2), "Tensor.repeat_interleave(x, repeats=3, dim=2)"),
        (X.unsqueeze(0).expand(2, -1, -1, -1).flatten(0, 1), "Tensor.repeat(x, repeats=(2, 1, 1))"),
        (X.unsqueeze(0).expand(BATCH, -1, -1, -1).reshape(-1, SEQ, 8), "Tensor.repeat(x, repeats=(batch, 1, 1))"),
        (X.unsqueeze(1).expand(-1, 2, -1, -1).flatten(1, 2), "Tensor.repeat(x, repeats=(1, 2, 1))"),
        (X.unsqueeze(1).expand(-1, 2, -1, -1).flatten(2), None),
        (X.unsqueeze(1).repeat(1, 2, 3, 1).flatten(0, 1), None),
        (torch.cat([X.unsqueeze(3), OTHER.unsqueeze(-1)], dim=-1), "torch.stack(x, z, dim=-1)"),
        (torch.cat([X.unsqueeze(0), OTHER.unsqueeze(0), X.unsqueeze(0)]), "torch.stack(x, z, x)"),
        (torch.cat([X.unsqueeze(0), OTHER.unsqueeze(0)], dim=1), None),
        (torch.cat([X.unsqueeze(1), X.unflatten(1, (-1, 1))], dim=1), None),
    ],
    ids=name,
)
def test_repeats_and_stacks(before: Expr, after: str | None) -> None:
    assert recovered(before) == (after or as_it_was(before))


def test_tensors_of_unknown_rank_stay_joined() -> None:
    unknown = graph_input("u", Fact(DType.FLOAT32, None))
    before = torch.cat([unknown.unsqueeze(0), unknown.unsqueeze(0)])
    assert recovered(before) == as_it_was(before)


HALVES, THIRDS = X.chunk(2, dim=-1), value("x", BATCH, 9).chunk(3, dim=-1)
EVEN, ODD = index.slice(X, -1, 0, None, 2), index.slice(X, 2, 1, None, 2)


def woven(first: Expr, second: Expr) -> Expr:
    return torch.cat([first.unsqueeze(-1), second.unsqueeze(-1)], dim=-1).flatten(-2)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (torch.cat([-HALVES[1], HALVES[0]], dim=-1), "runtime.rotate_half(x)"),
        (torch.cat([-index.slice(X, 2, 4), index.slice(X, 2, 0, 4)], dim=2), "runtime.rotate_half(x)"),
        (woven(-ODD, EVEN), "runtime.rotate_pairs(x)"),
    ],
    ids=name,
)
def test_the_turns_of_rotary_embeddings(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        torch.cat([-HALVES[0], HALVES[1]], dim=-1),
        torch.cat([HALVES[1], -HALVES[0]], dim=-1),
        torch.cat([-HALVES[1], HALVES[0]], dim=1),
        torch.cat([-THIRDS[1], THIRDS[0]], dim=-1),
        woven(-EVEN, ODD),
        woven(EVEN, -ODD),
        woven(-index.slice(OTHER, 2, 1, None, 2), EVEN),
        woven(-index.slice(IMAGE, 2, 1, None, 2), index.slice(IMAGE, 2, 0, None, 2)),
    ],
    ids=name,
)
def test_what_is_another_turn_stays(before: Expr) -> None:
    assert "rotate" not in recovered(before)
