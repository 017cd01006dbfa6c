"""Normalizations, spelled out or not: before and after."""

from __future__ import annotations

import numpy as np
import pytest
from layer_texts import BATCH, OTHER, SEQ, X, name, number, recovered, stored, text, value

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, constant, weight
from codegen_torch.layers import recover_layers
from codegen_torch.symbols.namespaces import F, torch
from codegen_torch.tensors import TensorRef


def statistics(*shape: int) -> list[Expr]:
    return [constant(TensorRef.of_array(np.ones(shape, np.float32))) for _ in range(2)]


@pytest.mark.parametrize(("rank", "layer"), [(2, 1), (3, 1), (4, 2), (5, 3)])
def test_batch_norm_is_the_layer_for_the_rank(rank: int, layer: int) -> None:
    x = value("x", BATCH, 3, *(4,) * (rank - 2))
    before = F.batch_norm(x, *statistics(3), stored("w", 3), stored("b", 3), eps=1e-3)
    assert recovered(before) == f"nn.BatchNorm{layer}d(x, [3], [3], w[3], b[3], eps=0.001)"
    layer_expr = recover_layers({"y": before})["y"]
    assert [operand.op for operand in layer_expr.inputs[1:]] == ["constant", "constant", "weight", "weight"]


def by_group(*back: int | Dim, scale: Expr | None = None) -> Expr:
    """Two groups of channels, normalized as instances, in another shape."""
    filled = [weight(TensorRef.filled((2,), DType.FLOAT32, fill)) for fill in (1.0, 0.0)]
    y = F.instance_norm(value("x", BATCH, 4, 6).reshape(BATCH, 2, -1), None, None, *filled).reshape(*back)
    return y * (stored("w", 4, 1) if scale is None else scale) + stored("b", 4, 1)  # type: ignore[no-any-return]


def test_groups_normalized_as_instances_are_a_group_norm() -> None:
    assert recovered(by_group(BATCH, 4, 6)) == "nn.GroupNorm(x, w[4], b[4], num_groups=2)"


@pytest.mark.parametrize("before", [by_group(BATCH, 3, 4, 2), by_group(BATCH, 4, 6, scale=stored("w", 6))], ids=name)
def test_groups_of_another_shape_or_scale_stay(before: Expr) -> None:
    assert "group_norm" not in recovered(before)
    assert "GroupNorm" not in recovered(before)


SCALE, SHIFT = stored("s", 8), stored("t", 8)
SQUARES = [X**2, X**2.0, X ** number(2.0), X * X]
MEANS = [square.mean(-1, keepdim=True) + number(1e-6) for square in SQUARES]
INVERSE_ROOTS = [
    torch.rsqrt(MEANS[0]),
    torch.reciprocal(torch.sqrt(MEANS[1])),
    number(1.0) / torch.sqrt(MEANS[2]),
    MEANS[3] ** -0.5,
]


@pytest.mark.parametrize(
    "before",
    [
        *(SCALE * (X * inverse) for inverse in INVERSE_ROOTS),
        (INVERSE_ROOTS[0] * X) * SCALE,
        SCALE * (X / torch.sqrt(number(1e-6) + (X * X).mean(2, keepdim=True))),
    ],
    ids=name,
)
def test_a_spelled_out_rms_norm_is_a_layer(before: Expr) -> None:
    assert recovered(before) == "nn.RMSNorm(x, s[8], eps=1e-06)"


@pytest.mark.parametrize(
    "before",
    [
        SCALE * (X * torch.rsqrt((X * X).mean(1, keepdim=True) + number(1e-6))),
        SCALE * (X * torch.rsqrt((X**3).mean(-1, keepdim=True) + number(1e-6))),
        SCALE * (value("y", BATCH, SEQ, 8) * INVERSE_ROOTS[0]),
        SCALE * (X * torch.sqrt(MEANS[0])),
    ],
    ids=name,
)
def test_what_is_no_rms_norm_stays(before: Expr) -> None:
    assert "rms" not in recovered(before).lower()


CENTRED = X - X.mean(-1, keepdim=True)
DEVIATION = torch.sqrt((CENTRED**2).mean(-1, keepdim=True) + number(1e-5))


MEAN, OTHER_MEAN = X.mean(-1, keepdim=True), OTHER.mean(-1, keepdim=True)
DELTA = X - MEAN
VARIANCE = (CENTRED**2).mean(-1, keepdim=True) + number(1e-5)
FACTOR = torch.rsqrt((DELTA * DELTA).mean(-1, keepdim=True) + number(1e-5)) * SCALE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (CENTRED / DEVIATION * SCALE + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (SHIFT + SCALE * (CENTRED / DEVIATION), "nn.LayerNorm(x, s[8], t[8])"),
        (CENTRED / DEVIATION * SCALE, "nn.LayerNorm(x, s[8], None)"),
        (SCALE * CENTRED / DEVIATION + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (SCALE * CENTRED * torch.rsqrt(VARIANCE) + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (CENTRED * (torch.rsqrt(VARIANCE) * SCALE) + SHIFT, "nn.LayerNorm(x, s[8], t[8])"),
        (X * FACTOR + (SHIFT - MEAN * FACTOR), "nn.LayerNorm(x, s[8], t[8])"),
        (FACTOR * X + (SHIFT - FACTOR * MEAN), "nn.LayerNorm(x, s[8], t[8])"),
        (
            CENTRED / torch.sqrt((CENTRED * CENTRED).mean(-1).unsqueeze(2) + number(1e-5)) * SCALE + SHIFT,
            "nn.LayerNorm(x, s[8], t[8])",
        ),
        (CENTRED / DEVIATION, "F.layer_norm(x, None, None, normalized_shape=(8,))"),
        (F.layer_norm(X, SCALE, SHIFT, normalized_shape=(8,)), "nn.LayerNorm(x, s[8], t[8])"),
        (F.layer_norm(X, SCALE, normalized_shape=(8,), eps=1e-12), "nn.LayerNorm(x, s[8], None, eps=1e-12)"),
    ],
    ids=name,
)
def test_layer_norm(before: Expr, after: str) -> None:
    assert recovered(before) == after


def test_a_standardization_without_eps_stays() -> None:
    before = CENTRED / torch.sqrt((CENTRED**2).mean(-1, keepdim=True))
    assert recovered(before) == text(before)


@pytest.mark.parametrize(
    "before",
    [
        X * FACTOR + (SHIFT - OTHER_MEAN * FACTOR),
        OTHER * FACTOR + (SHIFT - MEAN * FACTOR),
        X * FACTOR + (SHIFT - MEAN * FACTOR * number(2.0)),
        SCALE * CENTRED * torch.rsqrt((OTHER**2).mean(-1, keepdim=True) + number(1e-5)) + SHIFT,
    ],
    ids=name,
)
def test_what_is_not_quite_a_layer_norm_stays(before: Expr) -> None:
    assert "layer_norm" not in recovered(before)
    assert "LayerNorm" not in recovered(before)


def test_a_mean_keeps_only_the_axis_that_is_put_back() -> None:
    assert recovered(X.mean(-1).unsqueeze(-1)) == "Tensor.mean(x, dim=-1, keepdim=True)"
    assert recovered(X.mean(-1).unsqueeze(0)) == text(X.mean(-1).unsqueeze(0))
