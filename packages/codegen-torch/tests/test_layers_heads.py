"""Heads in the way of nn.MultiheadAttention: before and after."""

from __future__ import annotations

import pytest
from layer_texts import BATCH, SEQ, name, recovered, stored, value

from codegen_torch.dims import Dim
from codegen_torch.expr import Expr
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import F

X = value("x", SEQ, BATCH, 32)
SAMPLES = value("x", BATCH, SEQ, 32)
HEADS = value("h", BATCH, 4, SEQ, 8)
WEIGHT, BIAS = stored("w", 32, 32), stored("b", 32)
LAYER = "nn.Linear(x, w[32, 32], b[32])"


def apart(x: Expr) -> Expr:
    return x.reshape(SEQ, -1, 8).transpose(0, 1).unflatten(0, (BATCH, 4))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (apart(X), "Tensor.permute(Tensor.unflatten(x, dim=-1, sizes=(4, 8)), dims=(1, 2, 0, 3))"),
        (
            X.reshape(SEQ, -1, 8).permute(1, 2, 0).unflatten(0, (BATCH, 4)),
            "Tensor.permute(Tensor.unflatten(x, dim=-1, sizes=(4, 8)), dims=(1, 2, 3, 0))",
        ),
        (
            apart(F.linear(SAMPLES.transpose(0, 1), WEIGHT, BIAS)),
            f"Tensor.transpose(Tensor.unflatten({LAYER}, dim=-1, sizes=(4, 8)), dim0=1, dim1=2)",
        ),
        (
            F.linear(HEADS.permute(2, 0, 1, 3).flatten(2), WEIGHT, BIAS).transpose(0, 1),
            "nn.Linear(Tensor.flatten(Tensor.transpose(h, dim0=1, dim1=2), start_dim=2), w[32, 32], b[32])",
        ),
    ],
    ids=name,
)
def test_heads(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        X.reshape(SEQ, -1, 8).transpose(0, 1).unflatten(0, (4, BATCH)),  # heads first
        X.reshape(SEQ, -1, 8).transpose(0, 2).unflatten(-1, (SEQ, 1)),
        value("x", Dim.symbol("long"), BATCH, 32).reshape(SEQ, -1, 8).transpose(0, 1).reshape(BATCH, 4, SEQ, 8),
    ],
    ids=name,
)
def test_other_orders_stay(before: Expr) -> None:
    assert "sizes=(4, 8)" not in recovered(before)


def test_a_layer_that_is_used_with_positions_first_as_well_stays() -> None:
    layer = F.linear(SAMPLES.transpose(0, 1), WEIGHT, BIAS)
    after = recover_layers({"y": apart(layer), "z": layer})
    assert after["z"].dims == (SEQ, BATCH, 32)
    assert after["y"].op == "Tensor.permute"


def test_sizes_of_what_is_turned_are_turned() -> None:
    parts = F.linear(SAMPLES.transpose(0, 1), stored("w", 64, 32)).chunk(2, dim=-1)
    heads = recover_layers({str(index): apart(part) for index, part in enumerate(parts)})
    layers = [head.inputs[0].inputs[0] for head in heads.values()]
    assert [part.dims for part in layers] == [(BATCH, SEQ, 32)] * 2
    assert all(part.inputs[0].inputs[0].dims == (BATCH, SEQ, 64) for part in layers)
