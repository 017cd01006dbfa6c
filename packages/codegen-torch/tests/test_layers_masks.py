"""Attention masks that are looked up element by element: before and after."""

from __future__ import annotations

import math

import numpy as np
import pytest
from layer_texts import (
    BATCH,
    ROOT,
    SEQ,
    TURNED,
    Q,
    V,
    name,
    number,
    recovered,
    value,
    weights,
)

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, literal
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import index, torch

TOKENS = value("t", BATCH, SEQ, dtype=DType.BOOL)
ROWS = torch.arange(0, BATCH, dtype=DType.INT64)
COLUMNS = torch.arange(0, SEQ, dtype=DType.INT64)
ROWS_4D = ROWS.unsqueeze(1).unsqueeze(2).unsqueeze(3)
COLUMNS_4D = COLUMNS.unsqueeze(0).unsqueeze(1).unsqueeze(2)
POOLED = value("x", BATCH, 4, 1, 1)
BY_CHANNEL = (ROWS * literal(4)).unsqueeze(1).unsqueeze(2).unsqueeze(3)
STORED = array(np.arange(4).reshape(1, 4, 1, 1))
TRUE, FALSE = (torch.full((SEQ,), fill, dtype=DType.BOOL) for fill in (True, False))
VIEW = "index.spread(t, dims=(1, 2))"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (index.tuple([TOKENS, ROWS_4D, COLUMNS_4D]), VIEW),
        (index.tuple([TOKENS, ROWS.unsqueeze(1), COLUMNS]), "t"),
        (
            index.take(TOKENS.reshape(-1, 1), COLUMNS_4D + ROWS_4D * literal(SEQ), 0)
            .flatten()
            .reshape(BATCH, 1, 1, SEQ),
            VIEW,
        ),
        (torch.ge(COLUMNS_4D, literal(0)) & TOKENS.unsqueeze(1).unsqueeze(2), VIEW),
        (TRUE & TOKENS, "t"),
        (TOKENS & TRUE.unsqueeze(0), "t"),
        (FALSE & TOKENS, None),
        (
            torch.ge(COLUMNS_4D.transpose(2, 3), literal(0)) & TOKENS.unsqueeze(1).unsqueeze(2),
            None,
        ),
        (index.tuple([TOKENS, COLUMNS.unsqueeze(1), ROWS]), None),
        (index.tuple([TOKENS, ROWS_4D, COLUMNS_4D + literal(1)]), None),
        (index.tuple([TOKENS, ROWS, value("i", BATCH, dtype=DType.INT64)]), None),
        (index.take(TOKENS.reshape(-1, 1), COLUMNS_4D + ROWS_4D * literal(BATCH), 0), None),
        (index.take(POOLED.flatten(), BY_CHANNEL + STORED, 0), "x"),
        (index.take(POOLED.flatten(), BY_CHANNEL + STORED.flip(1), 0), None),
        (index.take(POOLED.flatten(), BY_CHANNEL + BY_CHANNEL + STORED, 0), None),
        (torch.ge(COLUMNS_4D, literal(1)) & TOKENS.unsqueeze(1).unsqueeze(2), None),
    ],
    ids=name,
)
def test_a_mask_that_is_looked_up_whole_is_a_view(before: Expr, after: str | None) -> None:
    if after is None:
        assert recover_layers({"y": before})["y"].op == before.op
    else:
        assert recovered(before) == after


def test_a_mask_is_not_expanded_for_attention() -> None:
    condition = torch.ge(COLUMNS.unsqueeze(0).unsqueeze(1).unsqueeze(3), literal(0)) & TOKENS.unsqueeze(1).unsqueeze(2)
    scores = (Q * ROOT) @ (TURNED * ROOT) + torch.where(condition, number(0.0), number(-math.inf))
    assert recovered(weights(scores, guarded=True) @ V) == f"F.scaled_dot_product_attention(q, k, v, {VIEW})"


def test_a_rule_may_lead_to_another_one() -> None:
    before = torch.ge(COLUMNS_4D, literal(0)) & index.tuple([TOKENS, ROWS_4D, COLUMNS_4D])
    assert recovered(before) == VIEW
