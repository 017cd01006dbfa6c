"""Attention written with einsum: before and after."""

from __future__ import annotations

import math

import pytest
from layer_texts import BATCH, SEQ, K, Q, V, X, name, number, recovered, text, value, weights

from codegen_torch.expr import Expr
from codegen_torch.symbols.namespaces import F, torch

SCALE = number(8**-0.5)
BY_ROWS = [value(name, BATCH, SEQ, 4, 8) for name in "qkv"]


def attention(equation: str, back: str, q: Expr, k: Expr, v: Expr) -> Expr:
    return torch.einsum([weights(torch.einsum([q, k], equation) * SCALE), v], back)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (attention("bhid,bhjd->bhij", "bhij,bhjd->bhid", Q, K, V), "F.scaled_dot_product_attention(q, k, v, None)"),
        (
            attention("bhid,bhdj->bhij", "bhij,bhjd->bhid", Q, K.transpose(2, 3), V),
            "F.scaled_dot_product_attention(q, k, v, None)",
        ),
        (
            attention("bid,bjd->bij", "bij,bjd->bid", *(x.flatten(0, 1) for x in (Q, K, V))).unflatten(0, (BATCH, 4)),
            "F.scaled_dot_product_attention(q, k, v, None)",
        ),
        (
            attention("bthd,bshd->bhts", "bhts,bshd->bthd", *BY_ROWS),
            "Tensor.transpose(F.scaled_dot_product_attention("
            + "".join(f"Tensor.transpose({name}, dim0=1, dim1=2), " for name in "qkv")
            + "None), dim0=1, dim1=2)",
        ),
    ],
    ids=name,
)
def test_attention(before: Expr, after: str) -> None:
    assert recovered(before) == after


def test_keys_may_come_first() -> None:
    q, k, v = BY_ROWS
    before = attention("aecd,abcd->acbe", "acbe,aecd->abcd", k, q, v)
    assert recovered(before) == recovered(attention("bthd,bshd->bhts", "bhts,bshd->bthd", q, k, v))


def test_scores_are_divided_and_masked_on_the_way() -> None:
    scores = torch.einsum([Q, K], "bhid,bhjd->bhij") / number(math.sqrt(8))
    mask = torch.where(value("m", BATCH, 1, SEQ, SEQ), number(0.0), number(-1e4))
    before = torch.einsum([weights(scores + mask), V], "bhij,bhjd->bhid")
    assert recovered(before).startswith("F.scaled_dot_product_attention(q, k, v, torch.where(m, 0, -10000)")


@pytest.mark.parametrize(
    "before",
    [
        torch.einsum([Q, K], "bhid,bhjd->bhij"),  # no softmax: as it was written
        weights(torch.einsum([Q, K], "bhid,bhjd->hij")),
        weights(torch.einsum([Q, K], "bhid,bhjd->bhijd")),
        weights(torch.einsum([Q, value("k", 1, 4, SEQ, 8)], "bhid,bhjd->bhij")),
        weights(torch.einsum([X, X, X], "bid,bjd,bkd->bij")),
        weights(torch.einsum([Q, K], "bhid,...jd->bhij")),
        F.softmax(torch.einsum([Q], "bhid->bhdi"), dim=-1),
    ],
    ids=name,
)
def test_any_other_einsum_stays(before: Expr) -> None:
    assert recovered(before) == text(before)
