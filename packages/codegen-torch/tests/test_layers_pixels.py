"""Pixels and channels that change into each other: before and after."""

from __future__ import annotations

import pytest
from layer_texts import BATCH, name, recovered, value

from codegen_torch.dims import Dim
from codegen_torch.expr import Expr

H, W = Dim.symbol("h"), Dim.symbol("w")
IMAGE = value("x", BATCH, 3, 2 * H, 2 * W)
CHANNELS = value("x", BATCH, 12, H, W)
ALONE = value("x", BATCH, 4, H, W)
PARTS = IMAGE.unflatten(3, (W, 2)).unflatten(2, (H, 2))
BLOCKS = CHANNELS.unflatten(1, (3, 2, 2))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PARTS.permute(0, 1, 3, 5, 2, 4).flatten(1, 3), "F.pixel_unshuffle(x, downscale_factor=2)"),
        (
            IMAGE.unsqueeze(3)
            .reshape(BATCH, 3, H, 2, -1)
            .unflatten(-1, (W, 2))
            .permute(0, 1, 3, 5, 2, 4)
            .flatten(1, 3),
            "F.pixel_unshuffle(x, downscale_factor=2)",
        ),
        (BLOCKS.permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3), "F.pixel_shuffle(x, upscale_factor=2)"),
        (
            ALONE.reshape(BATCH, 1, 2, 2, H, W).permute(0, 1, 4, 2, 5, 3).reshape(BATCH, 1, 2 * H, 2 * W),
            "F.pixel_shuffle(x, upscale_factor=2)",
        ),
    ],
    ids=name,
)
def test_pixels(before: Expr, after: str) -> None:
    assert recovered(before) == after


@pytest.mark.parametrize(
    "before",
    [
        PARTS.permute(0, 3, 5, 1, 2, 4).flatten(1, 3),  # channels of a block in a row, as ONNX has it
        PARTS.permute(0, 1, 5, 3, 2, 4).flatten(1, 3),
        CHANNELS.unflatten(1, (2, 2, 3)).permute(0, 1, 4, 2, 5, 3).flatten(4, 5).flatten(2, 3),
        IMAGE.unflatten(3, (2, W)).unflatten(2, (2, H)).permute(0, 1, 3, 5, 2, 4).flatten(1, 3),
    ],
    ids=name,
)
def test_other_orders_stay(before: Expr) -> None:
    assert "F.pixel" not in recovered(before)
