"""Further operators of com.microsoft against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from microsoft import Node, check

rng = np.random.default_rng(13)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def scalars(scale: float, zero: int, dtype=np.uint8) -> tuple[np.ndarray, np.ndarray]:
    return np.array(scale, np.float32), np.array(zero, dtype)


IMAGE, KERNEL, BIAS = floats(2, 6, 5, 3), floats(4, 3, 3, 2), floats(4)


def nhwc(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, z: np.ndarray | None = None) -> np.ndarray:
    """ONNX Runtime's CPU kernel needs hardware of its own; this is its documentation."""
    y = F.conv2d(torch.from_numpy(np.moveaxis(x, -1, 1).copy()), torch.from_numpy(w), torch.from_numpy(b))
    y = np.moveaxis(y.numpy(), 1, -1)
    return np.maximum(y if z is None else y + z, 0)


def normalized(silu: bool, last: bool, x, gamma, beta, skip=None, bias=None):
    """ONNX Runtime has kernels for GPUs alone; this is its documentation."""
    added = None if skip is None else skip[:, None, None] if skip.ndim == 2 else skip
    total = x if added is None else x + added if bias is None else x + added + bias
    y = torch.from_numpy(np.ascontiguousarray(np.moveaxis(total, -1, 1) if last else total))
    y = F.group_norm(y, 3, torch.from_numpy(gamma), torch.from_numpy(beta))
    y = (F.silu(y) if silu else y).numpy()
    y = np.moveaxis(y, 1, -1) if last else y
    return y if skip is None else (y, total)


SIX = floats(2, 4, 5, 6)
BYTES = rng.integers(0, 256, (2, 6, 5, 4)).astype(np.uint8)
WEIGHT = rng.integers(-128, 128, (6, 2, 3, 2)).astype(np.int8)
TABLES = [rng.integers(0, 256, shape).astype(np.uint8) for shape in ((9, 8), (7, 8), (2, 8), (8,), (8,))]
IDS, SEGMENTS = rng.integers(0, 9, (2, 5)).astype(np.int32), rng.integers(0, 2, (2, 5)).astype(np.int32)
TABLE_SCALES = [np.array(scale, np.float32) for scale in (0.03, 0.02, 0.04, 0.01, 0.05)]
TABLE_ZEROS = [np.array(zero, np.uint8) for zero in (120, 128, 130, 3, 128)]
MASK = np.int32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
PADS = np.array([0, 1, 2, 0, 1, 0])
MICROSOFT = [
    *(
        Node("TransposeMatMul", (floats(5, 4), floats(5, 6)), {"transA": 1, "alpha": 0.5}, baked)
        for baked in ((), (1,))
    ),
    *(
        Node("NhwcFusedConv", inputs, {"activation": "Relu"}, baked, expected=nhwc)
        for inputs in ((IMAGE, KERNEL, BIAS), (IMAGE, KERNEL, BIAS, floats(2, 4, 4, 4)))
        for baked in ((), (1, 2))
    ),
    *(
        Node(
            "GroupNorm",
            (x, floats(6), floats(6)),
            {"groups": 3, "activation": silu, "channels_last": last},
            baked,
            expected=lambda *xs, silu=silu, last=last: normalized(bool(silu), bool(last), *xs),
            fixed=(0,),
        )
        for x, last in ((SIX, 1), (floats(2, 6, 4, 5), 0))
        for silu in (0, 1)
        for baked in ((), (1, 2))
    ),
    *(
        Node(
            "SkipGroupNorm",
            (SIX, floats(6), floats(6), *rest),
            {"groups": 3, "activation": 1},
            (1, 2),
            ("y", "sum"),
            expected=lambda *xs: normalized(True, True, *xs),
            fixed=(0,),
        )
        for rest in ((floats(2, 4, 5, 6),), (floats(2, 6),), (floats(2, 1, 1, 6), floats(6)))
    ),
    *(
        Node(
            "QLinearConv",
            (x, *scalars(0.02, 113), WEIGHT, *scalars(0.01, 0, np.int8), *scalars(0.3, 100), *bias),
            {"group": 2, "pads": [1, 0, 1, 1], "channels_last": last},
            baked,
        )
        for x, last in ((BYTES, 1), (np.ascontiguousarray(np.moveaxis(BYTES, -1, 1)), 0))
        for bias in ((), (rng.integers(-999, 999, 6).astype(np.int32),))
        for baked in ((), tuple(range(1, 8 + len(bias))))
    ),
    *(
        Node(
            "QLinearWhere", (BYTES > 99, BYTES, *scalars(0.02, 113), BYTES[:1], *scalars(0.03, 90), *scalars(0.04, 100))
        )
        for _ in "x"
    ),
    *(
        Node(
            "QEmbedLayerNormalization",
            (IDS, SEGMENTS, *TABLES, *mask, *TABLE_SCALES, *TABLE_ZEROS),
            {},
            baked,
            ("y", "lengths"),
        )
        for mask in ((None,), (MASK,))
        for baked in ((), (*range(2, 7), *range(8, 18)))
    ),
    *(Node("ExpandDims", (floats(2, 3), np.array(axis, np.int32)), {}, (1,)) for axis in (0, 1, -1)),
    *(
        Node("Pad", (floats(2, 3, 4), PADS, np.array(1.5, np.float32)), {"mode": mode}, baked)
        for mode in ("constant", "edge")
        for baked in ((), (1, 2))
    ),
]


@pytest.mark.parametrize("node", MICROSOFT, ids=str)
def test_against_onnx_runtime(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path)
