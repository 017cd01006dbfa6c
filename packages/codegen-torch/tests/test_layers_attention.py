"""Attention in the ways that exporters spell it: before and after."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from layer_texts import (
    BATCH,
    KEPT,
    NEGATIVE,
    ROOT,
    SEQ,
    TURNED,
    K,
    Q,
    V,
    X,
    name,
    number,
    recovered,
    stored,
    text,
    value,
    weights,
)

from codegen_torch.expr import Expr
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import F, torch

ADDED = torch.where(KEPT, number(0.0), number(NEGATIVE))
CUT = torch.where(KEPT, number(0.0), number(-math.inf))
KEY = value("k", BATCH, 2, SEQ, 4)
BY_HEADS = "Tensor.transpose(Tensor.unflatten(x, dim=-1, sizes=(2, 4)), dim0=1, dim1=2), k, k, None"
MINIMUM = f"torch.where(m, 0, {NEGATIVE:.7g})"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (weights(Q @ K.transpose(-2, -1) / number(math.sqrt(8))) @ V, "q, k, v, None"),
        (weights(Q @ K.transpose(2, 3) * number(0.5)) @ V, "q, k, v, None, scale=0.5"),
        (weights(Q @ K.transpose(2, 3)) @ V, "q, k, v, None, scale=1.0"),
        (weights((X * number(0.5)).unflatten(-1, (2, 4)).transpose(1, 2) @ KEY.transpose(2, 3)) @ KEY, BY_HEADS),
        (weights((Q * ROOT) @ (TURNED * ROOT) + ADDED, guarded=True) @ V, f"q, k, v, {MINIMUM}"),
        (weights((Q * ROOT) @ (TURNED * ROOT) + ADDED) @ V, f"q, k, v, {MINIMUM}"),
        (weights((Q * ROOT) @ (TURNED * ROOT) + CUT, guarded=True) @ V, "q, k, v, m"),
        (weights(CUT + (Q * ROOT) @ (TURNED * ROOT), guarded=True) @ V, "q, k, v, m"),
        (
            weights(torch.where(KEPT, (Q * ROOT) @ (TURNED * ROOT), number(-math.inf)), guarded=True) @ V,
            "q, k, v, m",
        ),
        (
            weights(Q @ K.transpose(2, 3) + stored("bias", 1, 4, 1, 1) + ADDED) @ V,
            f"q, k, v, operator.add(bias[1, 4, 1, 1], {MINIMUM}), scale=1.0",
        ),
        (
            weights(Q @ value("k", BATCH, SEQ, 4, 8).permute(0, 2, 3, 1)) @ V,
            "q, Tensor.transpose(k, dim0=1, dim1=2), v, None, scale=1.0",
        ),
    ],
    ids=name,
)
def test_attention(before: Expr, after: str) -> None:
    assert recovered(before) == f"F.scaled_dot_product_attention({after})"


@pytest.mark.parametrize(
    "before",
    [
        weights((Q * ROOT) @ (TURNED * ROOT) + CUT) @ V,  # NaN in a wholly masked row, where torch has zeros
        weights((Q * ROOT) @ (TURNED * ROOT) + value("bias", BATCH, 1, SEQ, SEQ)) @ V,  # may hold minus infinity
        F.softmax(Q @ K.transpose(2, 3), dim=-2) @ V,
        weights(Q @ K.transpose(2, 3)) @ value("v", 1, 4, SEQ, 8),
    ],
    ids=name,
)
def test_what_is_not_quite_attention_stays(before: Expr) -> None:
    assert recovered(before) == text(before)


def test_keys_may_be_turned_by_one_permutation_with_all_heads_in_a_batch() -> None:
    keys = value("k", SEQ, 12, 8)
    before = weights(value("q", 3, 4, SEQ, 8) @ keys.permute(1, 2, 0).unflatten(0, (3, 4))) @ value("v", 3, 4, SEQ, 8)
    turned = "Tensor.unflatten(Tensor.transpose(k, dim0=0, dim1=1), dim=0, sizes=(3, 4))"
    assert recovered(before) == f"F.scaled_dot_product_attention(q, {turned}, v, None, scale=1.0)"


@pytest.mark.parametrize("widen", [lambda x: x.expand(-1, -1, 4, -1, -1), lambda x: x.repeat(1, 1, 4, 1, 1)])
def test_a_single_head_is_a_group(widen: Callable[[Expr], Expr]) -> None:
    k, v = (widen(value(name, BATCH, 1, SEQ, 8).unsqueeze(2)).squeeze(1) for name in "kv")
    assert recovered(weights(Q @ k.transpose(2, 3)) @ v).endswith("(q, k, v, None, scale=1.0, enable_gqa=True)")


def test_attention_whose_weights_are_a_result_stays() -> None:
    p = weights(Q @ K.transpose(2, 3))
    assert text(recover_layers({"y": p @ V, "p": p})["y"]) == text(p @ V)


def repeated(x: Expr) -> Expr:
    groups: Expr = x.unsqueeze(2).expand(-1, -1, 2, -1, -1).flatten(1, 2)
    return groups


def test_repeated_heads_are_groups() -> None:
    few_keys, few_values = (value(name, BATCH, 2, SEQ, 8) for name in "kv")
    before = weights(Q @ repeated(few_keys).transpose(2, 3) / number(math.sqrt(8))) @ repeated(few_values)
    assert recovered(before) == "F.scaled_dot_product_attention(q, k, v, None, enable_gqa=True)"
