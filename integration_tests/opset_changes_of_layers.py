"""Changes of meaning that opsets brought to layers: resampling, normalization, pooling, recurrence."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from one_node import Array, Row
from opset_changes import IMAGE, Change, rng, rows


def repeated(x: Array, places: Sequence[int]) -> Array:
    return x[..., list(places)]


LINE = np.float32([[[[1, 2, 3, 4]]]])
TWICE = np.float32([1, 1, 1, 2])
FEWER = np.float32([1, 1, 1, 0.75])
RESIZES = [
    Change(
        "Resize 11: there are regions and sizes, and half pixels by default",
        rows(
            "Resize",
            (10,),
            (LINE, TWICE),
            lambda x, _: np.float32([[[[1, 1.5, 2, 2.5, 3, 3.5, 4, 4]]]]),
            (1,),
            mode="linear",
        ),
        rows(
            "Resize",
            (11, 12),
            (LINE, np.float32([]), TWICE),
            lambda *_: np.float32([[[[1, 1.25, 1.75, 2.25, 2.75, 3.25, 3.75, 4]]]]),
            (1, 2),
            mode="linear",
        ),
    ),
    Change(
        "Resize 11: the nearest element is the one before, or the nearest",
        rows("Resize", (10,), (LINE, FEWER), lambda x, _: repeated(x, (0, 2, 3)), (1,)),
        rows("Resize", (11,), (LINE, np.float32([]), FEWER), lambda x, *_: repeated(x, (0, 1, 3)), (1, 2)),
    ),
    Change(
        "Resize 13: regions and scales may be absent",
        rows(
            "Resize",
            (11,),
            (LINE, np.float32([]), np.float32([]), np.array([1, 1, 1, 8])),
            lambda x, *_: repeated(x, (0, 0, 1, 1, 2, 2, 3, 3)),
            (1, 2, 3),
        ),
        rows(
            "Resize",
            (13, 28),
            (LINE, None, None, np.array([1, 1, 1, 8])),
            lambda x, *_: repeated(x, (0, 0, 1, 1, 2, 2, 3, 3)),
            (3,),
        ),
    ),
    Change(
        "Resize 18: axes, policies and antialiasing",
        rows(
            "Resize",
            (13,),
            (LINE, None, np.float32([1, 1, 1, 0.5])),
            lambda *_: np.float32([[[[1.5, 3.5]]]]),
            (2,),
            mode="linear",
        ),
        rows(
            "Resize",
            (18, 19),
            (LINE, None, np.float32([0.5])),
            lambda *_: np.float32([[[[1.625, 3.375]]]]),
            (2,),
            mode="linear",
            antialias=1,
            axes=[3],
        ),
    ),
    Change(
        "Resize 19: half pixels about the middle",
        rows(
            "Resize",
            (18,),
            (LINE, None, FEWER),
            lambda *_: np.float32([[[[7 / 6, 2.5, 23 / 6]]]]),
            (2,),
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        ),
        rows(
            "Resize",
            (19,),
            (LINE, None, np.float32([1, 1, 1, 0.7])),
            lambda *_: np.float32([[[[2.5 - 0.5 / 0.7, 2.5 + 0.5 / 0.7]]]]),
            (2,),
            mode="linear",
            coordinate_transformation_mode="half_pixel_symmetric",
        ),
    ),
    Change(
        "Upsample 7: one list of scales; 9: an input",
        rows("Upsample", (1,), (LINE,), lambda x: x.repeat(2, 2).repeat(3, 3), height_scale=2.0, width_scale=3.0),
        [
            *rows("Upsample", (7, 8), (LINE,), lambda x: x.repeat(2, 2).repeat(3, 3), scales=[1.0, 1.0, 2.0, 3.0]),
            *rows("Upsample", (9,), (LINE, np.float32([1, 1, 2, 3])), lambda x, _: x.repeat(2, 2).repeat(3, 3), (1,)),
        ],
    ),
]

S, B, M, V = (rng.random(2).astype(np.float32) + np.float32(0.5) for _ in "sbmv")
EACH = tuple(rng.random((2, 4, 5)).astype(np.float32) + np.float32(0.5) for _ in "sbmv")


def normalized(x: Array, s: Array, b: Array, m: Array, v: Array) -> Array:
    s, b, m, v = (p[:, None, None] if p.ndim == 1 else p for p in (s, b, m, v))
    return ((x - m) / np.sqrt(v + np.float32(1e-5)) * s + b).astype(np.float32)


def trained(x: Array, s: Array, b: Array, m: Array, v: Array) -> tuple[Array, ...]:
    """The variance of the batch is the population's; what runs is a running mean of both."""
    mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3))
    momentum = np.float32(0.9)
    return (
        normalized(x, s, b, mean, variance),
        m * momentum + mean * (1 - momentum),
        v * momentum + variance * (1 - momentum),
    )


def grouped(x: Array, scale: Array, bias: Array, groups: int = 2) -> Array:
    """Normalized in groups of channels; scale and bias belong to the channels, as they come here."""
    parts = x.reshape(x.shape[0], groups, -1)
    parts = (parts - parts.mean(-1, keepdims=True)) / np.sqrt(parts.var(-1, keepdims=True) + 1e-5)
    return (parts.reshape(x.shape) * scale[:, None, None] + bias[:, None, None]).astype(np.float32)


CHANNELS = rng.standard_normal((2, 4, 3, 2)).astype(np.float32)
NORMS = [
    Change(
        "BatchNormalization 7: no test mode; 9: no statistics of every element",
        rows("BatchNormalization", (1, 6), (IMAGE, *EACH), normalized, (1, 2, 3, 4), is_test=1, spatial=0),
        [
            *rows("BatchNormalization", (7, 8), (IMAGE, *EACH), normalized, (1, 2, 3, 4), spatial=0),
            *rows("BatchNormalization", (7, 9), (IMAGE, S, B, M, V), normalized, (1, 2, 3, 4)),
        ],
    ),
    Change(
        "BatchNormalization 14: running statistics are outputs in training mode; 15: of types of their own",
        rows("BatchNormalization", (9,), (IMAGE, S, B, M, V), normalized, (1, 2, 3, 4)),
        [
            *rows("BatchNormalization", (14, 15), (IMAGE, S, B, M, V), normalized, (1, 2, 3, 4)),
            *rows(
                "BatchNormalization",
                (14, 15, 28),
                (IMAGE, S, B, M, V),
                trained,
                (1, 2, 3, 4),
                training_mode=1,
                outputs=3,
            ),
        ],
    ),
    Change(
        "GroupNormalization 21: scale and bias belong to channels, not to groups",
        rows(
            "GroupNormalization",
            (18, 20),
            (CHANNELS, S, B),
            lambda x, s, b: grouped(x, s.repeat(2), b.repeat(2)),
            (1, 2),
            num_groups=2,
        ),
        rows(
            "GroupNormalization",
            (21, 28),
            (CHANNELS, *(np.concatenate([p, p]) for p in (S, B))),
            grouped,
            (1, 2),
            num_groups=2,
        ),
    ),
]


FOUR = np.float32([[[[0, 1], [2, 3]]]])
PIXELS = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
POOLS = [
    Change(
        "AveragePool 7: padding may count; 19: there may be gaps",
        rows(
            "AveragePool",
            (1,),
            (FOUR,),
            lambda x: np.float32([[[[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]]]]),
            kernel_shape=[2, 2],
            pads=[1, 1, 1, 1],
        ),
        [
            *rows(
                "AveragePool",
                (7, 28),
                (FOUR,),
                lambda x: np.float32([[[[0, 0.25, 0.25], [0.5, 1.5, 1], [0.5, 1.25, 0.75]]]]),
                kernel_shape=[2, 2],
                pads=[1, 1, 1, 1],
                count_include_pad=1,
            ),
            *rows(
                "AveragePool",
                (19, 28),
                (PIXELS,),
                lambda x: np.float32([[[[5, 6], [9, 10]]]]),
                kernel_shape=[2, 2],
                dilations=[2, 2],
            ),
        ],
    ),
    Change(
        "MaxPool 8: positions; 10: rounded up",
        rows("MaxPool", (1,), (PIXELS,), lambda x: x[:, :, 2::2, 2::2], kernel_shape=[3, 3], strides=[2, 2]),
        [
            *rows(
                "MaxPool",
                (8, 28),
                (PIXELS,),
                lambda x: (x[:, :, 2::2, 2::2], np.array([[[[10]]]])),
                kernel_shape=[3, 3],
                strides=[2, 2],
                outputs=2,
            ),
            *rows(
                "MaxPool",
                (10, 28),
                (PIXELS,),
                lambda x: np.float32([[[[10, 11], [14, 15]]]]),
                kernel_shape=[3, 3],
                strides=[2, 2],
                ceil_mode=1,
            ),
        ],
    ),
    Change(
        "RoiAlign 16: pixels lie half a pixel off",
        rows(
            "RoiAlign",
            (10,),
            (PIXELS, np.float32([[1, 1, 3, 3]]), np.array([0])),
            lambda *_: np.float32([[[[10]]]]),
            sampling_ratio=1,
        ),
        rows(
            "RoiAlign",
            (16, 22),
            (PIXELS, np.float32([[1, 1, 3, 3]]), np.array([0])),
            lambda *_: np.float32([[[[7.5]]]]),
            sampling_ratio=1,
        ),
        silent=True,
    ),
    Change(
        "GridSample 20: modes have other names",
        rows(
            "GridSample",
            (16,),
            (PIXELS, np.zeros((1, 1, 1, 2), np.float32)),
            lambda *_: np.float32([[[[7.5]]]]),
            mode="bilinear",
        ),
        rows(
            "GridSample",
            (20, 22),
            (PIXELS, np.zeros((1, 1, 1, 2), np.float32)),
            lambda *_: np.float32([[[[7.5]]]]),
            mode="linear",
        ),
    ),
]

W = rng.standard_normal((1, 6, 3)).astype(np.float32)
R = rng.standard_normal((1, 6, 2)).astype(np.float32)
SEQUENCE = rng.standard_normal((4, 2, 3)).astype(np.float32)


def gru(x: Array, w: Array, r: Array, b: Array, linear: bool, layout: int) -> tuple[Array, Array]:
    """All states of a GRU and the last one; ``linear`` multiplies before it resets, ``layout`` has batches first."""
    x = x.swapaxes(0, 1) if layout else x
    (wz, wr, wh), (rz, rr, rh), biases = np.split(w[0], 3), np.split(r[0], 3), np.split(b[0], 6)
    states = [np.zeros((x.shape[1], 2), np.float32)]
    for step in x:
        h = states[-1]
        z = sigmoid(step @ wz.T + h @ rz.T + biases[0] + biases[3])
        reset = sigmoid(step @ wr.T + h @ rr.T + biases[1] + biases[4])
        state = reset * (h @ rh.T + biases[5]) if linear else (reset * h) @ rh.T + biases[5]
        states.append((1 - z) * np.tanh(step @ wh.T + state + biases[2]) + z * h)
    y = np.stack(states[1:])[:, None].astype(np.float32)
    return (y.transpose(2, 0, 1, 3), y[-1].swapaxes(0, 1)) if layout else (y, y[-1])


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def recurrent(opsets: Sequence[int], x: Array, linear: bool = False, layout: int = 0, **attributes: Any) -> list[Row]:
    b = np.linspace(-1, 1, 12, dtype=np.float32)[None]
    expected = functools.partial(gru, linear=linear, layout=layout)
    return rows("GRU", opsets, (x, W, R, b), expected, (1, 2, 3), hidden_size=2, outputs=2, **attributes)


RECURRENT = [
    Change(
        "GRU 3: the reset may come after the product; 14: batches may come first; 22: as before",
        recurrent((1,), SEQUENCE, direction="forward"),
        [
            *recurrent((3, 7, 14, 22, 28), SEQUENCE),
            *recurrent((3, 7, 14, 22), SEQUENCE, linear=True, linear_before_reset=1),
            *[
                dataclasses.replace(row, attributes={**row.attributes, "layout": 1})
                for row in recurrent((14, 22), SEQUENCE.swapaxes(0, 1).copy(), layout=1)
            ],
        ],
    ),
]

CHANGES = RESIZES + NORMS + POOLS + RECURRENT
