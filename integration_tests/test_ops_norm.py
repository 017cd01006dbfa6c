"""Normalizations that train or have no layer in torch, and activations, against ONNX's reference and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from one_node import Array, Row, check, lower_proto, model_of, table

pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
rng = np.random.default_rng(13)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


IMAGE = floats(3, 4, 5, 6)
CHANNELS = (rng.random(4, np.float32), floats(4), floats(4), rng.random(4, np.float32))


def trained(x: Array, scale: Array, b: Array, mean: Array, var: Array) -> tuple[Array, Array, Array]:
    """By the statistics of the batch, which move the running ones a tenth of the way."""
    axes = (0, *range(2, x.ndim))
    ones = (-1, *(1,) * (x.ndim - 2))
    m, v = x.mean(axes), x.var(axes)
    y = (x - m.reshape(ones)) / np.sqrt(v.reshape(ones) + np.float32(1e-5)) * scale.reshape(ones) + b.reshape(ones)
    return y, mean * np.float32(0.9) + m * np.float32(0.1), var * np.float32(0.9) + v * np.float32(0.1)


def normalized(x: Array, p: int, axis: int) -> Array:
    """ONNX's reference forgets the absolute values."""
    norm = (abs(x.astype(np.float64)) ** p).sum(axis, keepdims=True) ** (1 / p)
    return (x / np.where(norm == 0, 1, norm)).astype(x.dtype)


def layer_norm(x: Array) -> tuple[Array, Array, Array]:
    mean = x.mean(-1, keepdims=True)
    inverse = 1 / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return (x - mean) * inverse, mean, inverse


NORMS = [
    *(
        Row("BatchNormalization", opset, (x, *CHANNELS), {"training_mode": 1}, (1, 2, 3, 4), outputs=3)
        for opset in (14, 15, 28)
        for x in (IMAGE, floats(6, 4))
    ),
    *(
        Row(
            "BatchNormalization",
            opset,
            (IMAGE, *CHANNELS),
            {"is_test": 0} if opset < 7 else {},
            (1, 2, 3, 4),
            trained,
            outputs=3,
        )
        for opset in (1, 6, 7, 9, 13)
    ),
    *(
        Row(
            "BatchNormalization",
            opset,
            (floats(6, 2, 2), *(floats(2, 2) for _ in range(3)), rng.random((2, 2), np.float32)),
            {"spatial": 0},
            (1, 2, 3, 4),
            lambda x, *rest: tuple(
                y.reshape((6, 2, 2) if i == 0 else (2, 2))
                for i, y in enumerate(trained(x.reshape(6, 4), *(r.ravel() for r in rest)))
            ),
            outputs=3,
        )
        for opset in (6, 7)
    ),
    Row(
        "BatchNormalization",
        9,
        (floats(6), *(np.ones(1, np.float32) for _ in range(4))),
        {},
        (1, 2, 3, 4),
        lambda x, s, b, m, v: (x - 1) / np.sqrt(1 + np.float32(1e-5)) + 1,
    ),
    *(
        Row(
            "LpNormalization",
            opset,
            (x,),
            {"p": p, "axis": axis},
            expected=lambda x, p=p, axis=axis: normalized(x, p, axis),
        )
        for opset in (1, 22)
        for x in (floats(2, 3, 4), np.zeros((2, 3, 4), np.float32), floats(2, 3, 4) * np.float32(1e-10))
        for p, axis in ((1, -1), (2, -1), (2, 1))
    ),
    Row("LpNormalization", 22, (np.zeros((2, 3), np.float16),)),
    Row("LpNormalization", 1, (floats(2, 3).astype(np.float64) * 1e-40,)),
    Row(
        "LayerNormalization",
        17,
        (floats(2, 8).astype(np.float16), np.ones(8, np.float16)),
        {},
        (1,),
        lambda x, w: tuple(v.astype(t) for v, t in zip(layer_norm(x.astype(np.float32)), "eff", strict=True)),
        outputs=3,
    ),
    *(Row("MeanVarianceNormalization", opset, (IMAGE,)) for opset in (9, 13)),
    Row("MeanVarianceNormalization", 13, (floats(3, 4),), {"axes": [-1]}),
    Row(
        "InstanceNormalization",
        6,
        (floats(2, 4, 1, 1), *CHANNELS[:2]),
        {},
        (1, 2),
        lambda x, s, b: 0 * x + b.reshape(-1, 1, 1),
    ),
    *(
        Row(
            "GroupNormalization",
            18,
            (IMAGE, CHANNELS[0][:2], CHANNELS[1][:2]),
            {"num_groups": 2},
            baked,
        )
        for baked in ((1, 2), ())
    ),
]
ACTIVATIONS = [
    *(
        Row("Shrink", 9, (x,), {"lambd": lambd, "bias": bias})
        for x in (floats(3, 4), np.float32([np.nan, np.inf, 0.5, -0.5]), floats(3, 4).astype(np.float64))
        for lambd, bias in ((0.5, 0.0), (0.5, 0.5), (0.3, 1.0))
    ),
    *(
        Row("Shrink", 28, (np.arange(8).astype(dtype),), {"lambd": 1.5, "bias": 1.0})
        for dtype in (np.int8, np.uint8, np.int64)
    ),
    *(
        Row("Hardmax", opset, (x,), {} if axis is None else {"axis": axis})
        for opset in (13, 28)
        for x in (floats(2, 3, 4), np.float32([[1, 3, 3], [2, 2, 1]]), floats(3, 4).astype(np.float16))
        for axis in (None, 0, -1)
    ),
    *(
        Row(
            "Hardmax",
            opset,
            (floats(2, 3, 4),),
            {} if axis is None else {"axis": axis},
            expected=lambda x, axis=1 if axis is None else axis: np.eye(int(np.prod(x.shape[axis:])), dtype=x.dtype)[
                x.reshape(int(np.prod(x.shape[:axis])), -1).argmax(1)
            ].reshape(x.shape),
        )
        for opset in (1, 11, 12)
        for axis in (None, 0, 2)
    ),
    Row("SwiGLU", 28, (floats(2, 3), floats(2, 3)), expected=lambda a, b: a / (1 + np.exp(-a)) * b),
    Row("SwiGLU", 28, (floats(2, 3), floats(2, 3)), {"alpha": 2.0}, (), lambda a, b: a / (1 + np.exp(-2 * a)) * b),
    Row("ThresholdedRelu", 1, (floats(2, 3),), {"alpha": 0.5}, (), lambda x: np.where(x > 0.5, x, 0)),
]


@pytest.mark.parametrize(**table(NORMS + ACTIVATIONS))
def test_normalizations_and_activations(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    **table(
        [
            Row("MeanVarianceNormalization", opset, (IMAGE,), {"across_channels": across, "normalize_variance": scaled})
            for opset in (7, 8)
            for across in (0, 1)
            for scaled in (0, 1)
        ]
    )
)
def test_mean_variance_normalization_when_it_was_experimental(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic)


@pytest.mark.parametrize(("names", "trains"), [(["y0"] + [""] * 4, False), (["y0", "mean"], True)])
def test_outputs_without_a_name_do_not_make_it_train(names: list[str], trains: bool) -> None:
    model = model_of(Row("BatchNormalization", 9, (IMAGE, *CHANNELS)), symbolic=False)
    del model.graph.node[0].output[:]
    model.graph.node[0].output.extend(names)
    (y,) = lower_proto(model).outputs.values()
    assert y.attrs.get("training", False) is trains


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("LpNormalization", 1, (IMAGE,), {"p": 3}), "order 3"),
        (Row("Shrink", 9, (np.arange(4),), {"bias": 0.5}), "integers"),
        (Row("BatchNormalization", 9, (IMAGE, *CHANNELS), outputs=5), "left to the implementation"),
    ],
    ids=lambda value: "" if isinstance(value, Row) else value,
)
def test_what_makes_no_sense_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
