"""Activations, products, norms and tensor operators of com.microsoft against ONNX Runtime."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from microsoft import Node, check

rng = np.random.default_rng(8)


def floats(*shape: int, dtype=np.float32) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype)


X, BIAS = floats(2, 5, 8), floats(8)


def split_gelu(x: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """ONNX Runtime has a CUDA kernel alone; this is its documentation."""
    left, right = np.split(x + bias, 2, -1)
    return left * right * 0.5 * (1 + np.vectorize(math.erf)(right / np.sqrt(2)).astype(np.float32))


def gemm_fast_gelu(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """ONNX Runtime has no CPU kernel; this is its documentation."""
    y = x @ w if bias is None else x @ w + bias
    return 0.5 * y * (1 + np.tanh(0.797885 * y + 0.035677 * y**3))


ACTIVATIONS = [
    Node("Gelu", (X,)),
    *(Node("BiasGelu", (X, BIAS), baked=baked) for baked in ((), (1,))),
    *(Node("FastGelu", (X, BIAS), baked=baked) for baked in ((), (1,))),
    Node("FastGelu", (X,)),
    *(Node("QuickGelu", (X,), attributes) for attributes in ({}, {"alpha": 1.0}, {"alpha": 0.5})),
    *(Node("BiasSplitGelu", (X, BIAS), baked=baked, expected=split_gelu) for baked in ((), (1,))),
]
A, B = floats(3, 2, 4, 5), floats(3, 2, 5, 6)
PRODUCTS = [
    *(
        Node("FusedMatMul", (a, b), attributes, baked)
        for a, b, attributes in (
            (A, B, {}),
            (A, B, {"alpha": 0.125}),
            (A.swapaxes(-1, -2), B, {"transA": 1}),
            (A, B.swapaxes(-1, -2), {"transB": 1, "alpha": 2.0}),
            (A[0, 0], B[0, 0].T, {"transB": 1}),
            (np.moveaxis(A[0], 0, 1), B[0], {"transBatchA": 1}),
            (A[0], np.moveaxis(B[0], 0, 1), {"transBatchB": 1}),
            (np.moveaxis(A, 2, 0), np.moveaxis(B, 2, 0), {"transBatchA": 1, "transBatchB": 1}),
            (np.moveaxis(A[0].swapaxes(-1, -2), 0, 1), B[0], {"transBatchA": 1, "transA": 1}),
        )
        for baked in ((), (1,))
    ),
    *(
        Node("FusedGemm", (A[0, 0], B[0, 0], floats(6)), attributes, baked)
        for attributes in (
            {"activation": "Relu"},
            {"activation": "LeakyRelu", "activation_alpha": 0.25},
            {"activation": "Tanh", "alpha": 0.5, "beta": 2.0},
            {"activation": "Sigmoid"},
            {"activation": "Elu", "activation_alpha": 0.5},
            {"activation": "HardSigmoid", "activation_alpha": 0.25, "activation_beta": 0.5},
        )
        for baked in ((), (1, 2))
    ),
    Node("FusedGemm", (A[0, 0].T, B[0, 0].T), {"activation": "Relu", "transA": 1, "transB": 1}),
    *(
        Node("GemmFastGelu", inputs, baked=baked, expected=gemm_fast_gelu)
        for inputs in ((A[0], B[0, 0]), (A[0], B[0, 0], floats(6)))
        for baked in ((), tuple(range(1, len(inputs))))
    ),
    *(
        Node("FusedConv", inputs, {"kernel_shape": [3, 3], **attributes}, baked)
        for inputs in (
            (floats(2, 3, 6, 5), floats(4, 3, 3, 3), floats(4)),
            (floats(2, 3, 6, 5), floats(4, 3, 3, 3), floats(4), floats(2, 4, 4, 3)),
        )
        for attributes in (
            {"activation": "Relu"},
            {"activation": "LeakyRelu", "activation_params": [0.25]},
            {"activation": "Clip", "activation_params": [-0.5, 0.5]},
            {"activation": "HardSigmoid", "activation_params": [0.25, 0.5]},
        )
        for baked in ((), (1, 2))
    ),
]
SKIP, GAMMA, BETA = floats(2, 5, 8), floats(8), floats(8)
IDS, SEGMENTS = rng.integers(0, 9, (2, 5)).astype(np.int32), rng.integers(0, 2, (2, 5)).astype(np.int32)
TABLES = (floats(9, 8), floats(7, 8), floats(2, 8), GAMMA, BETA)
MASK = np.int32([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
SUM = ("y", "", "", "sum")
NORMS = [
    *(
        Node("SimplifiedLayerNormalization", (X, scale), {"epsilon": 1e-3, **axis}, baked, outputs, domain="")
        for scale, axis in ((GAMMA, {}), (GAMMA, {"axis": 2}))
        for baked in ((), (1,))
        for outputs in (("y",), ("y", "inverse"))
    ),
    *(
        Node("SkipLayerNormalization", inputs, {"epsilon": 1e-3}, baked, outputs)
        for inputs in (
            (X, SKIP, GAMMA),
            (X, SKIP, GAMMA, BETA),
            (X, SKIP, GAMMA, BETA, BIAS),
            (X, SKIP[:1], GAMMA, BETA, BIAS),
            (X, SKIP[0], GAMMA, BETA),
        )
        for baked in ((), tuple(range(2, len(inputs))))
        for outputs in (("y",), SUM)
    ),
    *(
        Node("SkipSimplifiedLayerNormalization", inputs, {"epsilon": 1e-3}, baked, outputs)
        for inputs in ((X, SKIP, GAMMA), (X, SKIP, GAMMA, BIAS), (X[0], SKIP[0], GAMMA))
        for baked in ((), tuple(range(2, len(inputs))))
        for outputs in (("y",), SUM)
    ),
    *(
        Node("EmbedLayerNormalization", inputs, {"epsilon": 1e-3}, baked, outputs)
        for inputs in (
            (IDS, SEGMENTS, *TABLES),
            (IDS, SEGMENTS, *TABLES, MASK),
            (IDS, None, *TABLES[:2], None, *TABLES[3:], MASK),
            (IDS, SEGMENTS, *TABLES, MASK, rng.integers(0, 7, (2, 5)).astype(np.int32)),
        )
        for baked in ((), (2, 3, 4, 5, 6))
        for outputs in (("y", "lengths"), ("y", "lengths", "sum"))
    ),
]
IMAGE = floats(2, 3, 6, 5)
ROIS = np.float32([[0, 0, 1, 1], [0.2, 0.1, 0.7, 0.9], [-0.3, 0.5, 0.6, 1.4], [0.9, 0.8, 0.1, 0.2]])
BYTES = rng.integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
TENSORS = [
    *(
        Node("GatherND", (IMAGE, indices), baked=baked)
        for indices in (np.array([[0, 1], [1, 2]]), np.array([[[0], [1]]]), np.array([[0, 1, -1, -2]]))
        for baked in ((), (1,))
    ),
    Node("Inverse", (floats(3, 4, 4) + 4 * np.eye(4, dtype=np.float32),)),
    *(
        Node("Trilu", (IMAGE, *k), {"upper": upper}, tuple(range(1, 1 + baked * len(k))))
        for k in ((), (np.array(1),), (np.array(-2),))
        for upper in (0, 1)
        for baked in (0, 1)
    ),
    *(
        Node("Range", tuple(np.array(bound, dtype) for bound in bounds), {}, baked)
        for dtype in (np.int64, np.int32, np.float32)
        for bounds in ((1, 9, 2), (9, 1, -3), (2, 7), ([1], [4], [1]), (3, 1, 1))
        for baked in ((), tuple(range(len(bounds))))
    ),
    *(
        Node(
            "GridSample",
            (IMAGE, rng.uniform(-1.3, 1.3, (2, 4, 3, 2)).astype(np.float32)),
            {"mode": mode, "padding_mode": padding, "align_corners": align},
        )
        for mode in ("bilinear", "nearest", "bicubic")
        for padding in ("zeros", "border", "reflection")
        for align in (0, 1)
    ),
    *(
        Node("CropAndResize", (IMAGE, ROIS, np.int32([0, 1, 1, 0]), np.int32(size)), attributes, baked)
        for size in ((3, 4), (1, 7), (1, 1))
        for attributes in ({}, {"mode": "nearest"}, {"extrapolation_value": -2.5})
        for baked in ((), (3,))
    ),
    *(
        Node("NhwcMaxPool", (x,), {"kernel_shape": [3, 2], **attributes}, fixed=(0,))
        for x in (BYTES, BYTES.astype(np.int8))
        for attributes in (
            {},
            {"strides": [2, 1], "pads": [1, 0, 1, 1]},
            {"dilations": [2, 1]},
            {"auto_pad": "SAME_UPPER"},
        )
    ),
]


@pytest.mark.parametrize("node", ACTIVATIONS + PRODUCTS + NORMS + TENSORS, ids=str)
def test_against_onnx_runtime(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path)


@pytest.mark.parametrize(
    ("node", "lines"),
    [
        (Node("BiasGelu", (X, BIAS), baked=(1,)), ["self.x1 = nn.Parameter(torch.empty(8))"]),
        (Node("FusedMatMul", (A, B[0, 0]), baked=(1,)), ["self.linear = nn.Linear(5, 6, bias=False)"]),
        (
            Node("FusedConv", (IMAGE, floats(4, 3, 3, 3), floats(4)), {"activation": "Relu"}, (1, 2)),
            ["nn.Conv2d(3, 4, 3)"],
        ),
        (
            Node("SkipLayerNormalization", (X, SKIP, GAMMA, BETA), {}, (2, 3)),
            ["nn.LayerNorm(8, eps=1e-12)", "(x0 + x1)"],
        ),
        (Node("SkipSimplifiedLayerNormalization", (X, SKIP, GAMMA), {}, (2,)), ["nn.RMSNorm(8, eps=1e-12)"]),
        (
            Node("EmbedLayerNormalization", (IDS, SEGMENTS, *TABLES), {}, (2, 3, 4, 5, 6), ("y", "")),
            ["nn.Embedding(9, 8)", "nn.Embedding(2, 8)", "nn.LayerNorm(8, eps=1e-12)"],
        ),
    ],
    ids=["bias", "linear", "conv", "layer norm", "rms norm", "embedding"],
)
def test_weights_become_layers(node: Node, lines: list[str], tmp_path: Path) -> None:
    source = check(node, tmp_path)
    assert [line for line in lines if line not in source] == []
