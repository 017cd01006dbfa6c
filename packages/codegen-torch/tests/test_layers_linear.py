"""Products, convolutions and lookups with what is stored: before and after."""

from __future__ import annotations

import pytest
from layer_texts import BATCH, IMAGE, SEQ, X, name, number, recovered, stored, text, value

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import F, torch

W, B = stored("w", 8, 6), stored("b", 6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (X @ W, "nn.Linear(x, w[6, 8], None)"),
        (X @ W + B, "nn.Linear(x, w[6, 8], b[6])"),
        (B + X @ W, "nn.Linear(x, w[6, 8], b[6])"),
        (X @ W + stored("b", 1, 1, 6), "nn.Linear(x, w[6, 8], b[6])"),
        (X @ stored("w", 6, 8).transpose(0, 1), "nn.Linear(x, w[6, 8], None)"),
        (F.linear(X, stored("w", 6, 8), B), "nn.Linear(x, w[6, 8], b[6])"),
        (F.linear(X, stored("w", 6, 8)) + B, "nn.Linear(x, w[6, 8], b[6])"),
        (F.linear(X.reshape(-1, 8), stored("w", 6, 8), B).reshape(BATCH, SEQ, 6), "nn.Linear(x, w[6, 8], b[6])"),
        (F.linear(X.flatten(0, 1), stored("w", 6, 8)).unflatten(0, (BATCH, SEQ)), "nn.Linear(x, w[6, 8], None)"),
        (
            F.linear(value("x", BATCH, SEQ, 4, 2).reshape(-1, 8), stored("w", 6, 8)).unflatten(0, (BATCH, SEQ)),
            "nn.Linear(Tensor.flatten(x, start_dim=2), w[6, 8], None)",
        ),
    ],
    ids=name,
)
def test_linear(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        W @ value("x", 6, SEQ),
        X @ value("y", 8, 6),
        X @ stored("w", 2, 8, 6),
        stored("a", 4, 8) @ W,
        F.linear(value("x", SEQ, 8), stored("w", 6, 8), value("b", 6)),
    ],
    ids=name,
)
def test_what_is_no_linear_layer_stays(before: Expr) -> None:
    assert recovered(before) == text(before)


@pytest.mark.parametrize("offset", [stored("b", 3, 6), value("b", 6), number(1.0)], ids=name)
def test_what_is_no_bias_is_added(offset: Expr) -> None:
    x = value("x", 1, 8)
    assert recovered(x @ W + offset) == f"operator.add(nn.Linear(x, w[6, 8], None), {text(offset)})"


def test_a_product_that_is_used_without_its_bias_keeps_it_apart() -> None:
    product = X @ W
    result = recover_layers({"y": product + B, "z": product})
    assert text(result["y"]) == "operator.add(nn.Linear(x, w[6, 8], None), b[6])"
    assert result["y"].inputs[0] is result["z"]


def test_flattening_stays_where_other_dimensions_are_restored() -> None:
    before = F.linear(X.flatten(0, 1), stored("w", 6, 8)).unflatten(0, (SEQ, BATCH))
    assert "Tensor.flatten" in recovered(before)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (F.conv2d(IMAGE, stored("w", 4, 3, 3, 3), stored("b", 4)), "nn.Conv2d(x, w[4, 3, 3, 3], b[4])"),
        (
            F.conv2d(IMAGE, stored("w", 4, 3, 3, 3), stride=2, padding=(1, 0)),
            "nn.Conv2d(x, w[4, 3, 3, 3], None, stride=2, padding=(1, 0))",
        ),
        (
            F.conv_transpose2d(IMAGE, stored("w", 3, 4, 2, 2), stride=2),
            "nn.ConvTranspose2d(x, w[3, 4, 2, 2], None, stride=2)",
        ),
        (
            F.conv2d(IMAGE, torch.full((4, 3, 3, 3), 0.5, dtype=DType.FLOAT32)),
            "nn.Conv2d(x, [4, 3, 3, 3], None)",
        ),
        (F.conv2d(IMAGE, value("w", 4, 3, 3, 3)), "F.conv2d(x, w, None)"),
        (F.embedding(value("i", SEQ, dtype=DType.INT64), W), "nn.Embedding(i, w[8, 6])"),
        (
            F.embedding(value("i", SEQ, dtype=DType.INT64), stored("t", 5, 2, 2)),
            "F.embedding(i, t[5, 2, 2])",
        ),
        (F.prelu(IMAGE, stored("a", 3)), "nn.PReLU(x, a[3])"),
    ],
    ids=name,
)
def test_stored_weights_make_layers(before: Expr, after: str) -> None:
    assert recovered(before) == after
