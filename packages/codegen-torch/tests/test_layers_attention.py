"""Attention in the ways that exporters spell it: before and after."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
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
    as_it_was,
    name,
    number,
    recovered,
    stored,
    text,
    value,
    weights,
)

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, constant, literal
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import F, index, torch
from codegen_torch.tensors import TensorRef

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


PAST = Dim.symbol("past")
LATER_K, LATER_V = (value(name, BATCH, 4, PAST + SEQ, 8) for name in "kv")
SCORES = Q @ LATER_K.transpose(2, 3) / number(math.sqrt(8))
KEYS = torch.arange(0, PAST + SEQ, dtype=DType.INT64)
QUERIES = torch.arange(PAST, PAST + SEQ, dtype=DType.INT64).unsqueeze(1)


def table(rows: np.ndarray[tuple[int, ...], np.dtype[np.bool]]) -> Expr:
    ref = TensorRef.of_array(rows[None, None])
    ref.name = "table"
    return constant(ref)


def of_table(lower: Expr, start: Dim | int = PAST, columns: int = 0) -> Expr:
    """The rows of the queries, and the columns of the keys."""
    return index.slice(index.slice(lower, 2, start, start + SEQ), 3, columns, PAST + SEQ)  # type: ignore[no-any-return]


LOWER = table(np.tri(9, dtype=bool))


def masked(condition: Expr, fill: float = NEGATIVE) -> Expr:
    return weights(torch.where(condition, SCORES, number(fill))) @ LATER_V


@pytest.mark.parametrize("fill", [NEGATIVE, -math.inf])
@pytest.mark.parametrize(
    "condition",
    [
        torch.le(KEYS, QUERIES),
        torch.ge(QUERIES, KEYS),
        ~torch.gt(KEYS, QUERIES),
        ~torch.lt(QUERIES, KEYS),
        torch.le(KEYS, torch.arange(0, SEQ, dtype=DType.INT64).unsqueeze(1) + literal(PAST)),
        of_table(LOWER),
        of_table(LOWER, start=0),
        ~of_table(table(~np.tri(9, dtype=bool))),
    ],
    ids=name,
)
def test_a_mask_that_shows_every_query_the_first_key_is_a_condition(condition: Expr, fill: float) -> None:
    shown = as_it_was(condition)
    assert recovered(masked(condition, fill)) == f"F.scaled_dot_product_attention(q, k, v, {shown})"


def test_the_leading_dimensions_of_such_a_mask_do_not_matter() -> None:
    condition = torch.le(KEYS, QUERIES)
    assert recovered(masked(condition.unsqueeze(0).unsqueeze(0))) == recovered(masked(condition))


@pytest.mark.parametrize(
    "condition",
    [
        torch.lt(KEYS, QUERIES),  # the first query may see nothing
        torch.le(KEYS, QUERIES - literal(1)),
        torch.ge(KEYS, QUERIES),
        ~torch.le(KEYS, QUERIES),
        of_table(table(np.tri(9, k=-1, dtype=bool))),
        of_table(LOWER, columns=1),
        of_table(table(~np.tri(9, dtype=bool))),
        of_table(LOWER, start=PAST + PAST) & value("m", 1, 1, 1, PAST + SEQ, dtype=DType.BOOL),
    ],
    ids=name,
)
def test_a_mask_that_may_hide_all_keys_of_a_query_is_none(condition: Expr) -> None:
    assert "F.scaled_dot_product_attention" not in recovered(masked(condition, -math.inf))


def test_a_table_that_is_cut_elsewhere_may_broadcast_scores() -> None:
    before = masked(index.slice(LOWER, 3, 0, PAST))
    assert "F.scaled_dot_product_attention" not in recovered(before)


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
