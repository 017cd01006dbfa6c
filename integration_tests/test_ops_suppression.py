"""Keeping the best of boxes that overlap, against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from one_node import Row, check, table

rng = np.random.default_rng(16)


def corners(*shape: int) -> np.ndarray:
    """Boxes by two corners, of which either may come first."""
    return rng.random((*shape, 4)).astype(np.float32)


def centers(*shape: int) -> np.ndarray:
    return np.concatenate([rng.random((*shape, 2)), rng.random((*shape, 2)) * 0.5], -1).astype(np.float32)


SCORES = rng.random((2, 3, 30)).astype(np.float32)
TIES = np.round(SCORES, 1)
ROWS = [
    Row(
        "NonMaxSuppression",
        opset,
        (boxes, scores, np.array([limit]), np.float32([overlap]), None if score is None else np.float32([score])),
        {"center_point_box": int(boxes is CENTERS)},
        baked,
    )
    for CENTERS in [centers(2, 30)]
    for opset in (10, 11)
    for boxes in (corners(2, 30), CENTERS)
    for scores in (SCORES, TIES)
    for limit in (1, 4, 100)
    for overlap in (0.0, 0.3, 0.7, 1.0)
    for score in (None, 0.5)
    for baked in ((2, 3, 4), ())
] + [
    Row("NonMaxSuppression", 11, (corners(1, 5), SCORES[:1, :1, :5]), expected=lambda *_: np.zeros((0, 3), np.int64)),
    Row(
        "NonMaxSuppression",
        11,
        (np.zeros((1, 3, 4), np.float32), SCORES[:1, :1, :3], np.array(3)),
        expected=lambda _, scores, __: np.stack([[0, 0, i] for i in np.argsort(-scores[0, 0])]),
    ),
    Row(
        "NonMaxSuppression",
        11,
        (np.zeros((1, 0, 4), np.float32), np.zeros((1, 2, 0), np.float32), np.array(3)),
        expected=lambda *_: np.zeros((0, 3), np.int64),
    ),
]


@pytest.mark.parametrize(**table(ROWS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)
