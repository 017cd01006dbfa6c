"""Pooling and convolution with paddings, gaps, indices and ranks that torch lacks, against ONNX Runtime.

ONNX's reference pads ceil_mode on both sides, ignores dilations under SAME and has no indices with padding; ONNX
Runtime pools over at most three dimensions. What neither knows is written down here.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from interpret import interpret
from one_node import Array, Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(5)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


IMAGE = floats(2, 3, 9, 8)
LINE = floats(2, 3, 11)
VOLUME = floats(1, 2, 6, 7, 5)

PADDINGS = (
    {"pads": [0, 1, 2, 1], "strides": [2, 3]},
    {"pads": [2, 1, 2, 1], "strides": [2, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
    {"auto_pad": "SAME_LOWER"},
    {"auto_pad": "VALID", "strides": [2, 2]},
)
MAX = (
    [
        Row("MaxPool", opset, (IMAGE,), {"kernel_shape": [3, 2], **padding}, outputs=outputs)
        for opset, outputs in ((1, 1), (8, 2), (11, 2), (12, 1), (22, 2))
        for padding in PADDINGS
        if not (outputs == 2 and "auto_pad" in padding and opset == 8)
    ]
    + [
        Row("MaxPool", opset, (IMAGE,), {"kernel_shape": [3, 3], "ceil_mode": 1, **more}, outputs=outputs)
        for opset, outputs in ((10, 1), (12, 2), (22, 2))
        for more in (
            {"strides": [2, 2]},
            {"strides": [3, 3], "pads": [1, 1, 1, 1]},
            {"strides": [2, 2], "pads": [0, 0, 1, 1]},
            {"strides": [2, 2], "dilations": [2, 2], "pads": [0, 1, 1, 2]},
        )
    ]
    + [
        Row("MaxPool", 12, (x,), {"kernel_shape": kernel, "storage_order": order}, outputs=2)
        for x, kernel in ((LINE, [3]), (IMAGE, [2, 3]), (VOLUME, [2, 2, 3]))
        for order in (0, 1)
    ]
    + [
        Row("MaxPool", 12, (rng.integers(-9, 9, (1, 2, 6, 5)).astype(dtype),), {"kernel_shape": [3, 3], **more})
        for dtype in (np.int8, np.uint8)
        for more in ({}, {"pads": [0, 0, 2, 2]})
    ]
    + [
        Row(
            "MaxPool", 12, (np.zeros((1, 1, 4, 4), np.float32),), {"kernel_shape": [2, 2], "strides": [2, 2]}, outputs=2
        ),
        Row("MaxPool", 12, (IMAGE.astype(np.float64),), {"kernel_shape": [2, 2]}),
        Row("MaxPool", 12, (VOLUME,), {"kernel_shape": [2, 2, 3], "dilations": [1, 1, 2], "pads": [0, 0, 2, 0, 0, 2]}),
    ]
)
AVERAGE = [
    Row("AveragePool", opset, (IMAGE,), {"kernel_shape": [3, 2], **padding, **counted})
    for opset in (7, 11, 19, 22)
    for padding in PADDINGS
    for counted in ({}, {"count_include_pad": 1})
] + [
    Row(
        "AveragePool",
        opset,
        (IMAGE,),
        {"kernel_shape": [3, 3], "ceil_mode": 1, "count_include_pad": counted, **more},
    )
    for opset in (10, 19, 22)
    for counted in (0, 1)
    for more in (
        {"strides": [2, 2]},
        {"strides": [3, 3], "pads": [1, 1, 1, 1]},
        {"strides": [2, 2], "pads": [0, 0, 1, 1]},
        {"strides": [2, 3], "pads": [2, 2, 2, 2]},
    )
]
LP = [
    Row("LpPool", opset, (x,), {"kernel_shape": [3] * (x.ndim - 2), "p": p, **more})
    for opset in (2, 11, 18, 22)
    for x in (LINE, IMAGE, VOLUME)
    for p in (1, 2, 3)
    for more in (({}, {"strides": [2] * (x.ndim - 2), "pads": [1] * 2 * (x.ndim - 2)}))
] + [
    Row("LpPool", 22, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    Row("LpPool", 18, (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 2], "p": 3}),
    Row("GlobalLpPool", 2, (IMAGE,)),
    Row("GlobalLpPool", 2, (VOLUME,), {"p": 3}),
    Row("GlobalLpPool", 2, (LINE,), {"p": 1}),
]
CONV = [
    Row("Conv", opset, (IMAGE, floats(4, 3, 3, 2), floats(4)), {"kernel_shape": [3, 2], **padding}, baked)
    for opset in (1, 11, 22)
    for padding in PADDINGS
    for baked in ((1, 2), ())
] + [
    Row("Conv", 11, (IMAGE, floats(6, 3, 1, 1)), {"strides": [2, 2], "auto_pad": "SAME_UPPER"}, (1,)),
    Row("Conv", 11, (IMAGE, floats(6, 1, 3, 2)), {"group": 3, "strides": [2, 2], "auto_pad": "SAME_UPPER"}, (1,)),
]
TRANSPOSED = [
    Row("ConvTranspose", opset, (IMAGE, floats(3, 2, 3, 4), floats(2)), {"strides": [2, 3], **more}, baked)
    for opset in (11, 22)
    for more in (
        {"auto_pad": "SAME_UPPER"},
        {"auto_pad": "SAME_LOWER"},
        {"output_shape": [18, 22]},
        {"output_shape": [17, 21]},
        {"output_shape": [18, 22], "auto_pad": "SAME_UPPER"},
        {"pads": [0, 1, 1, 2]},
        {"pads": [1, 1, 1, 1], "output_padding": [1, 2]},
    )
    for baked in ((1, 2), ())
] + [
    Row("ConvTranspose", 11, (LINE, floats(3, 2, 4)), {"strides": [3], "auto_pad": "SAME_UPPER"}, (1,)),
    Row("ConvTranspose", 11, (VOLUME, floats(2, 1, 2, 3, 2)), {"strides": [2, 1, 2], "group": 2}, (1,)),
]


@pytest.mark.parametrize(**table(MAX + AVERAGE + LP + CONV + TRANSPOSED))
def test_against_the_runtime(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic)


def pooled(x: Array, kernel: list[int], gap: int, reduce: str) -> Array:
    """Over windows without padding that move by one, of any rank."""
    steps = [size - (width - 1) * gap for size, width in zip(x.shape[2:], kernel, strict=True)]
    parts = [
        x[(..., *(slice(o * gap, o * gap + s) for o, s in zip(offset, steps, strict=True)))]
        for offset in itertools.product(*map(range, kernel))
    ]
    return getattr(np.stack(parts), reduce)(0)


def single(x: Array, axis: int, width: int, steps: int) -> Array:
    """The means of windows side by side, the last of which may be shorter."""
    return np.stack(
        [np.take(x, range(i * width, min((i + 1) * width, x.shape[axis])), axis).mean(axis) for i in range(steps)], axis
    )


HYPER = floats(1, 2, 4, 3, 5, 4)
UNPOOLED = {"kernel_shape": [2, 2], "strides": [2, 2]}
WRITTEN = [
    Row(
        "AveragePool",
        1,
        (LINE,),
        {"kernel_shape": [4], "strides": [4], "auto_pad": "SAME_UPPER"},
        expected=lambda x: single(x, 2, 4, 3),
    ),
    Row(
        "GlobalLpPool",
        22,
        (VOLUME,),
        {"p": 3},
        expected=lambda x: (abs(x) ** 3).sum((2, 3, 4), keepdims=True) ** (1 / 3),
    ),
    Row("MaxPool", 12, (HYPER,), {"kernel_shape": [2] * 4}, expected=lambda x: pooled(x, [2] * 4, 1, "max")),
    Row("AveragePool", 11, (HYPER,), {"kernel_shape": [2] * 4}, expected=lambda x: pooled(x, [2] * 4, 1, "mean")),
    Row(
        "AveragePool",
        19,
        (IMAGE,),
        {"kernel_shape": [3, 2], "dilations": [2, 2]},
        expected=lambda x: pooled(x, [3, 2], 2, "mean"),
    ),
    Row(
        "AveragePool",
        22,
        (IMAGE,),
        {"kernel_shape": [3, 2], "dilations": [2, 2], "pads": [1, 2, 1, 2], "count_include_pad": 1},
        expected=lambda x: pooled(np.pad(x, [(0, 0), (0, 0), (1, 1), (2, 2)]), [3, 2], 2, "mean"),
    ),
    Row(
        "LpPool",
        1,
        (IMAGE,),
        {"kernel_shape": [2, 2], "p": 1.0},
        expected=lambda x: 4 * pooled(abs(x), [2, 2], 1, "mean"),
    ),
    Row("GlobalLpPool", 1, (IMAGE,), {"p": 1.0}, expected=lambda x: abs(x).sum((2, 3), keepdims=True)),
    Row(
        "Conv",
        11,
        (HYPER, floats(4, 1, 1, 2, 1, 1), floats(4)),
        {"group": 2},
        (1, 2),
        expected=lambda x, w, b: np.stack(
            [x[:, c // 2, :, :2] * w[c, 0, 0, 0] + x[:, c // 2, :, 1:] * w[c, 0, 0, 1] + b[c] for c in range(4)],
            1,
        ),
    ),
    Row("MaxUnpool", 9, (np.float32([[[[1, 2], [3, 4]]]]), np.array([[[[5, 7], [13, 15]]]])), UNPOOLED),
    Row("MaxUnpool", 11, (np.float32([[[[1, 2], [3, 4]]]]), np.array([[[[5, 7], [13, 15]]]])), UNPOOLED, (1,)),
    *(
        Row(
            "MaxUnpool",
            22,
            (np.float32([[[[1, 2], [3, 4]]]]), np.array([[[[5, 7], [13, 15]]]]), np.array([1, 1, 5, 5])),
            UNPOOLED,
            baked,
        )
        for baked in ((2,), ())
    ),
]


@pytest.mark.parametrize(**table(WRITTEN))
def test_what_is_written_down(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


def test_a_maximum_of_nan_is_nan() -> None:
    x = np.float32([[[1, np.nan, 2, 3]]])
    row = Row("MaxPool", 12, (x,), {"kernel_shape": [2]})
    (found,) = interpret(lower_proto(model_of(row, symbolic=False)).outputs, {"x0": torch.from_numpy(x)}).values()
    assert np.isnan(found.numpy()).tolist() == [[[True, True, False]]]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("MaxPool", 12, (LINE,), {"kernel_shape": [2, 2]}), "rank 3"),
        (Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [2, 2], "auto_pad": "SAME"}), "auto_pad"),
        (Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [2, 2], "strides": [0, 1]}), "positive"),
        (Row("LpPool", 2, (IMAGE,), {"kernel_shape": [2, 2], "p": 0}), "order"),
        (Row("ConvTranspose", 1, (LINE, floats(3, 2, 3)), {"strides": [2], "output_shape": [22]}, (1,)), "which side"),
        (
            Row("ConvTranspose", 11, (LINE, floats(3, 2, 1)), {"strides": [3], "auto_pad": "SAME_UPPER"}, (1,)),
            "differ on a",
        ),
        (
            Row("Conv", 11, (floats(1, 3, 10), floats(3, 3, 1)), {"strides": [5], "auto_pad": "SAME_UPPER"}, (1,)),
            "shorter",
        ),
        (Row("ConvTranspose", 11, (HYPER, floats(2, 1, 1, 1, 1, 1)), {}, (1,)), "4 dimensions"),
    ],
    ids=lambda value: "" if isinstance(value, Row) else value,
)
def test_what_makes_no_sense_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}), ["F.max_pool2d"]),
        (Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}), ["F.pad", "F.max_pool2d"]),
        (
            Row("AveragePool", 19, (IMAGE,), {"kernel_shape": [2, 2], "dilations": [2, 2]}),
            ["runtime.windows", "Tensor.mean"],
        ),
        (Row("LpPool", 18, (IMAGE,), {"kernel_shape": [2, 2]}), ["F.lp_pool2d"]),
    ],
    ids=lambda value: value.op if isinstance(value, Row) else "",
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(lower_proto(model_of(row, symbolic=False)).outputs) == symbols
