"""Causal masks in the ways that they are made: before and after."""

from __future__ import annotations

import math

import numpy as np
import pytest
from layer_texts import (
    BATCH,
    KEPT,
    NEGATIVE,
    SEQ,
    K,
    Q,
    V,
    number,
    recovered,
    stored,
    value,
    weights,
)

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, constant
from codegen_torch.symbols.namespaces import index, torch
from codegen_torch.tensors import TensorRef


def triangle(fill: float = 1.0, dtype: DType = DType.FLOAT32) -> Expr:
    made: Expr = torch.full((SEQ, SEQ), fill, dtype=dtype)
    return made


SCORES = Q @ K.transpose(2, 3) / number(math.sqrt(8))
BOOLS = triangle(True, DType.BOOL)
CORNER = constant(TensorRef.of_array(np.tril(np.ones((1, 1, 16, 16), np.float32))))
QUERIES, KEYS = (torch.arange(0, SEQ, dtype=DType.INT64).unsqueeze(dim) for dim in (1, 0))
CAUSAL = [
    torch.where(BOOLS.tril(), SCORES, number(-math.inf)),
    torch.where(torch.eq(triangle().tril(), number(0)), number(-math.inf), SCORES),
    torch.where(torch.eq(triangle().tril().unsqueeze(0).unsqueeze(0), number(0)), number(NEGATIVE), SCORES),
    torch.where(~BOOLS.triu(1), SCORES, number(-math.inf)),
    torch.where(BOOLS.triu(1), number(-math.inf), SCORES),
    torch.where(torch.le(KEYS, QUERIES), SCORES, number(-math.inf)),
    torch.where(torch.gt(KEYS, QUERIES), number(-math.inf), SCORES),
    SCORES + triangle(-math.inf).triu(1),
    SCORES + torch.where(BOOLS.tril(), number(0.0), number(-math.inf)).unsqueeze(0),
]


@pytest.mark.parametrize("scores", CAUSAL, ids=range(len(CAUSAL)))
def test_a_causal_mask_is_left_to_torch(scores: Expr) -> None:
    after = "F.scaled_dot_product_attention(q, k, v, None, is_causal=True)"
    assert recovered(weights(scores) @ V) == recovered(weights(scores, guarded=True) @ V) == after


def test_the_corner_of_a_stored_triangle_is_a_causal_mask() -> None:
    q, k, v = (value(name, BATCH, 4, 6, 8) for name in "qkv")
    corner = index.slice(index.slice(CORNER, 2, 0, 6), 3, 0, 6)
    scores = torch.where(torch.eq(corner, number(0)), number(-math.inf), q @ k.transpose(2, 3))
    expected = "F.scaled_dot_product_attention(q, k, v, None, is_causal=True, scale=1.0)"
    assert recovered(weights(scores) @ v) == expected
    shifted = index.slice(index.slice(CORNER, 2, 2, 8), 3, 0, 6)
    scores = torch.where(torch.eq(shifted, number(0)), number(-math.inf), q @ k.transpose(2, 3))
    assert "is_causal" not in recovered(weights(scores) @ v)


NOT_CAUSAL = [
    torch.where(BOOLS.tril(1), SCORES, number(-math.inf)),
    torch.where(BOOLS.tril(-1), SCORES, number(-math.inf)),
    torch.where(BOOLS.triu(), number(-math.inf), SCORES),
    torch.where(BOOLS.triu(1), SCORES, number(-math.inf)),
    torch.where(BOOLS.tril(), number(-math.inf), SCORES),
    torch.where(torch.lt(KEYS, QUERIES), SCORES, number(-math.inf)),
    torch.where(torch.le(QUERIES, KEYS), SCORES, number(-math.inf)),
    torch.where(BOOLS.tril() & KEPT, SCORES, number(-math.inf)),
    torch.where(torch.ne(triangle(0.0).tril(), number(0)), SCORES, number(-math.inf)),
    SCORES + torch.where(BOOLS.tril(), number(0.0), number(-1e4)),  # lets a little of the future through
    SCORES + torch.where(BOOLS.tril(), number(1.0), number(-math.inf)),
    SCORES + triangle(math.inf).triu(1),
]


@pytest.mark.parametrize("scores", NOT_CAUSAL, ids=range(len(NOT_CAUSAL)))
def test_what_is_not_quite_a_causal_mask_is_kept(scores: Expr) -> None:
    assert "is_causal" not in recovered(weights(scores) @ V)
    assert "is_causal" not in recovered(weights(scores, guarded=True) @ V)


def test_a_bias_may_be_added_to_a_causal_mask() -> None:
    scores = SCORES + stored("bias", 1, 4, 1, 1) + torch.where(BOOLS.tril(), number(0.0), number(-math.inf))
    assert recovered(weights(scores) @ V).startswith("F.scaled_dot_product_attention(q, k, v, operator.add(bias")
