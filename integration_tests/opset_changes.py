"""Changes of meaning that opsets brought: what describes one, and those of arithmetic, shapes and selection."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
from one_node import Array, Row
from onnx import TensorProto

rng = np.random.default_rng(18)
X = rng.standard_normal((2, 3, 4)).astype(np.float32)
IMAGE = rng.standard_normal((1, 2, 4, 5)).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class Change:
    """A change of meaning.

    Attributes:
        name: The operator and the opset.
        before: Rows at the last opset before, and perhaps at older ones.
        after: Rows at the opset of the change, and perhaps at newer ones.
        silent: Whether the first rows of both differ in nothing but the opset and the answer.
    """

    name: str
    before: Sequence[Row]
    after: Sequence[Row]
    silent: bool = False

    @property
    def short(self) -> str:
        """The operator and the first opset alone."""
        return self.name.split(":")[0]


def rows(
    op: str,
    opsets: Sequence[int],
    inputs: Sequence[Any],
    expected: Callable[..., Any],
    baked: Sequence[int] = (),
    **rest: Any,
) -> list[Row]:
    """The same row at several opsets; what else there is are attributes."""
    outputs = rest.pop("outputs", 1)
    return [Row(op, opset, inputs, rest, tuple(baked), expected, outputs) for opset in opsets]


def softmax(x: Array, axis: Any = -1) -> Array:
    powers = np.exp(x - x.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def log_softmax(x: Array, axis: Any = -1) -> Array:
    return np.log(softmax(x, axis))


def hardmax(x: Array, axis: int = -1) -> Array:
    places = np.arange(x.shape[axis])
    first = np.expand_dims(x.argmax(axis), axis)
    return (np.moveaxis(np.broadcast_to(places, (*np.delete(x.shape, axis), len(places))), -1, axis) == first).astype(
        x.dtype
    )


def as_matrix(function: Callable[..., Array], axis: int = 1) -> Callable[[Array], Array]:
    return lambda x: function(x.reshape(int(np.prod(x.shape[:axis])), -1)).reshape(x.shape)


MATRICES = [
    change
    for name, function in (("Softmax", softmax), ("LogSoftmax", log_softmax), ("Hardmax", hardmax))
    for change in (
        Change(
            f"{name} 13: no matrix is made of the input, and the last axis is the default",
            rows(name, (1, 11), (X,), as_matrix(function)),
            rows(name, (13, 28), (X,), function),
            silent=True,
        ),
        Change(
            f"{name} 13: one axis counts, not all from it on",
            rows(name, (1, 11), (X,), as_matrix(function), axis=1),
            rows(name, (13, 28), (X,), lambda x, f=function: f(x, 1), axis=1),
            silent=True,
        ),
    )
]


def kept(kind: Any) -> Callable[..., Any]:
    return lambda x, *_: (x, np.ones(x.shape, kind))


PLAIN = [
    Change(
        "Clip 6: bounds of float32 where none is given",
        rows("Clip", (1,), (np.float32([-np.inf, 2, np.inf]),), lambda x: np.float32([-np.inf, 1, 1]), max=1.0),
        rows(
            "Clip",
            (6, 10),
            (np.float32([-np.inf, 2, np.inf]),),
            lambda x: np.float32([np.finfo(np.float32).min, 1, 1]),
            max=1.0,
        ),
        silent=True,
    ),
    Change(
        "Clip 11: bounds are inputs; none is given where none is",
        rows("Clip", (6, 10), (X,), lambda x: x.clip(-0.5, 0.5), min=-0.5, max=0.5),
        [
            *rows("Clip", (11, 12, 13), (X, np.float32(-0.5), np.float32(0.5)), lambda x, *_: x.clip(-0.5, 0.5), (1,)),
            *rows(
                "Clip",
                (11,),
                (np.float32([-np.inf, 2, np.inf]), None, np.float32(1)),
                lambda *_: np.float32([-np.inf, 1, 1]),
            ),
            *rows("Clip", (12, 13), (np.array([1, 5, 9]), np.array(7), np.array(3)), lambda *_: np.array([3, 3, 3])),
        ],
    ),
    Change(
        "Dropout 7: no test mode; 10: a mask of booleans; 12: training is an input",
        rows("Dropout", (1, 6), (X,), kept(np.float32), is_test=1, outputs=2),
        [
            *rows("Dropout", (7, 9), (X,), kept(np.float32), outputs=2),
            *rows("Dropout", (10, 11), (X,), kept(bool), outputs=2),
            *rows("Dropout", (12, 13, 28), (X,), kept(bool), outputs=2),
            *rows("Dropout", (12,), (X, np.float32(0.4), np.array(False)), kept(bool), (1, 2), outputs=2),
            *rows("Dropout", (12,), (X, np.float32(0), np.array(True)), kept(bool), (1, 2), outputs=2),
        ],
    ),
    Change(
        "PRelu 7: a slope is broadcast like any operand, and is not the channels'",
        rows("PRelu", (1, 6), (X, np.float32([1, 2, 3])), lambda x, s: np.where(x < 0, x * s[:, None], x), (1,)),
        rows("PRelu", (7, 16), (X, np.float32([1, 2, 3, 4])), lambda x, s: np.where(x < 0, x * s, x), (1,)),
    ),
    Change(
        "Add 7: operands are broadcast like numpy's",
        rows("Add", (1, 6), (X, np.float32([1, 2, 3])), lambda x, y: x + y[:, None], broadcast=1, axis=1),
        rows("Add", (7, 14), (X, np.float32([1, 2, 3, 4])), lambda x, y: x + y),
    ),
    Change(
        "Gemm 7: the addend is broadcast; 11: there may be none",
        rows("Gemm", (1, 6), (X[0], X[1].T, np.float32([1, 2, 3])), lambda a, b, c: a @ b + c, broadcast=1),
        [
            *rows("Gemm", (7, 9), (X[0], X[1].T, np.float32([1, 2, 3])), lambda a, b, c: a @ b + c),
            *rows("Gemm", (11, 13), (X[0], X[1].T), lambda a, b: a @ b),
        ],
    ),
    Change(
        "Pow 12: the exponent has a type of its own",
        rows("Pow", (7,), (np.float32([2, 3]), np.float32([3, 2])), np.power),
        [
            *rows("Pow", (12, 13, 15), (np.float32([2, 3]), np.array([3, 2])), lambda *_: np.float32([8, 9])),
            *rows(
                "Pow",
                (12, 13),
                (np.array([2, 9], np.int32), np.float32([3, 0.5])),
                lambda *_: np.array([8, 3], np.int32),
            ),
        ],
    ),
    Change(
        "Max 8: operands are broadcast; 12: of any numbers",
        rows("Max", (6,), (X, -X), np.maximum),
        [
            *rows("Max", (8,), (X, X[:, :1]), np.maximum),
            *rows("Max", (12, 13), (np.array([1, 7]), np.array([5])), np.maximum),
        ],
    ),
    Change(
        "Mod 28: real numbers, too, are divided downwards",
        rows("Mod", (10, 13), (np.float32([-7.5, 7.5]), np.float32([2, -2])), np.fmod, fmod=1),
        rows("Mod", (28,), (np.float32([-7.5, 7.5]), np.float32([2, -2])), np.mod),
    ),
]

FLOATS8 = np.float32([1000, -1000, 0.3, np.inf])
CASTS = [
    Change(
        "Cast 6: types are numbers, not names",
        rows("Cast", (1, 5), (X * 9,), lambda x: x.astype(np.int32), to="INT32"),
        rows("Cast", (6, 28), (X * 9,), lambda x: x.astype(np.int32), to=TensorProto.INT32),
    ),
    Change(
        "Cast 19: narrow floats end at their largest number, unless they are told not to",
        rows("Cast", (13,), (np.float32([6e4, 0.3]),), lambda x: x.astype(np.float16), to=TensorProto.FLOAT16),
        [
            *rows(
                "Cast", (19, 28), (FLOATS8,), lambda _: narrow([448, -448, 0.3125, 448]), to=TensorProto.FLOAT8E4M3FN
            ),
            *rows(
                "Cast",
                (19, 28),
                (FLOATS8,),
                lambda _: narrow([np.nan, np.nan, 0.3125, np.nan]),
                to=TensorProto.FLOAT8E4M3FN,
                saturate=0,
            ),
        ],
    ),
]


def narrow(numbers: Sequence[float]) -> Array:
    return np.array(numbers, ml_dtypes.float8_e4m3fn)


AXES = [
    Change(
        f"{name} {since}: axes are an input, and none may mean none",
        [
            *rows(name, (1, since - 1), (X + 5,), lambda x, f=function: f(x, (0, 2)), axes=[0, 2]),
            *rows(name, (1, since - 1), (X + 5,), lambda x, f=function: f(x, (0, 1, 2))),
        ],
        [
            *rows(name, (since, 28), (X + 5, np.array([0, 2])), lambda x, _, f=function: f(x, (0, 2)), (1,)),
            *rows(name, (since, 28), (X + 5, np.array([0, 2])), lambda x, _, f=function: f(x, (0, 2))),
            *rows(name, (since, 28), (X + 5,), lambda x, f=function: f(x, (0, 1, 2))),
            *rows(name, (since,), (X + 5,), unreduced, noop_with_empty_axes=1),
        ],
    )
    for name, since, function, unreduced in (
        ("ReduceSum", 13, lambda x, axes: x.sum(axes, keepdims=True), lambda x: x),
        ("ReduceMean", 18, lambda x, axes: x.mean(axes, keepdims=True), lambda x: x),
        ("ReduceMax", 18, lambda x, axes: x.max(axes, keepdims=True), lambda x: x),
        ("ReduceL2", 18, lambda x, axes: np.sqrt((x * x).sum(axes, keepdims=True)), lambda x: x),
        ("ReduceLogSum", 18, lambda x, axes: np.log(x.sum(axes, keepdims=True)), np.log),
        ("ReduceSumSquare", 18, lambda x, axes: (x * x).sum(axes, keepdims=True), lambda x: x * x),
    )
]

BOOLS = np.array([[True, False], [False, False]])
SHAPES = [
    Change(
        "Slice 10: bounds are inputs, and there are steps",
        rows("Slice", (1, 9), (X,), lambda x: x[:, 1:, :-1], axes=[1, 2], starts=[1, 0], ends=[9, -1]),
        [
            *rows(
                "Slice",
                (10, 11, 13),
                (X, *map(np.array, ([1, 0], [9, -1], [1, 2]))),
                lambda x, *_: x[:, 1:, :-1],
                (1, 2, 3),
            ),
            *rows(
                "Slice",
                (10, 11, 13),
                (X, *map(np.array, ([-1], [-9], [2], [-2]))),
                lambda x, *_: x[..., ::-2],
                (1, 2, 3, 4),
            ),
        ],
    ),
    Change(
        "Squeeze 13: axes are an input",
        rows("Squeeze", (1, 11), (X[:, :1],), lambda x: x[:, 0], axes=[1]),
        rows("Squeeze", (13, 28), (X[:, :1], np.array([1])), lambda x, _: x[:, 0], (1,)),
    ),
    Change(
        "Unsqueeze 13: axes are an input, counted from the end, too",
        rows("Unsqueeze", (1, 11), (X,), lambda x: x[:, None, ..., None], axes=[1, 4]),
        rows("Unsqueeze", (13, 28), (X, np.array([-1, 1])), lambda x, _: x[:, None, ..., None], (1,)),
    ),
    Change(
        "Reshape 5: the shape is an input; 14: zero may be a size",
        rows("Reshape", (1, 4), (X,), lambda x: x.reshape(2, 12), shape=[0, -1]),
        [
            *rows("Reshape", (5, 13, 14), (X, np.array([0, -1])), lambda x, _: x.reshape(2, 12), (1,)),
            *rows("Reshape", (14, 28), (X[:, :0], np.array([3, 0])), lambda x, _: x.reshape(3, 0), (1,), allowzero=1),
        ],
    ),
    Change(
        "Concat 4: an axis must be given",
        rows("Concat", (1,), (X, X), lambda *xs: np.concatenate(xs, 1)),
        rows("Concat", (4, 28), (X, X), lambda *xs: np.concatenate(xs, 2), axis=2),
    ),
    Change(
        "Tile 6: every dimension is repeated so often, not one",
        rows("Tile", (1,), (X, np.float32(2), np.float32(1)), lambda x, *_: np.tile(x, (1, 2, 1)), (1, 2)),
        rows("Tile", (6, 13), (X, np.array([1, 2, 1])), lambda x, _: np.tile(x, (1, 2, 1)), (1,)),
    ),
    Change(
        "Split 13: sizes are an input; 18: the last part may be smaller",
        rows("Split", (2, 11), (X,), lambda x: (x[..., :1], x[..., 1:]), axis=2, split=[1, 3], outputs=2),
        [
            *rows(
                "Split", (13, 18), (X, np.array([1, 3])), lambda x, _: (x[..., :1], x[..., 1:]), (1,), axis=2, outputs=2
            ),
            *rows("Split", (18, 28), (X,), lambda x: (x[:, :2], x[:, 2:]), axis=1, num_outputs=2, outputs=2),
        ],
    ),
    Change(
        "Pad 2: the attribute has another name; 11: an input; 18: axes; 19: around",
        rows("Pad", (1,), (X[0],), lambda x: np.pad(x, ((0, 0), (1, 2))), paddings=[0, 1, 0, 2]),
        [
            *rows("Pad", (2, 10), (X[0],), lambda x: np.pad(x, ((0, 0), (1, 2))), pads=[0, 1, 0, 2]),
            *rows("Pad", (11, 13), (X[0], np.array([0, 1, 0, 2])), lambda x, _: np.pad(x, ((0, 0), (1, 2))), (1,)),
            *rows(
                "Pad",
                (18, 28),
                (X[0], np.array([1, 2]), None, np.array([-1])),
                lambda x, *_: np.pad(x, ((0, 0), (1, 2))),
                (1, 3),
            ),
            *rows(
                "Pad",
                (19, 28),
                (X[0], np.array([0, 1, 0, 2])),
                lambda x, _: np.pad(x, ((0, 0), (1, 2)), "wrap"),
                (1,),
                mode="wrap",
            ),
        ],
    ),
    Change(
        "Shape 15: a part of it",
        rows("Shape", (1, 13), (X,), lambda x: np.array(x.shape)),
        rows("Shape", (15, 28), (X,), lambda x: np.array(x.shape[1:-1]), start=1, end=-1),
    ),
    Change(
        "SpaceToDepth 28: channels may come first",
        rows("SpaceToDepth", (1, 13), (IMAGE[..., :4],), lambda x: blocks(x, (0, 3, 5, 1, 2, 4)), blocksize=2),
        [
            *rows("SpaceToDepth", (28,), (IMAGE[..., :4],), lambda x: blocks(x, (0, 3, 5, 1, 2, 4)), blocksize=2),
            *rows(
                "SpaceToDepth",
                (28,),
                (IMAGE[..., :4],),
                lambda x: blocks(x, (0, 1, 3, 5, 2, 4)),
                blocksize=2,
                mode="CRD",
            ),
        ],
    ),
]


def blocks(x: Array, order: tuple[int, ...]) -> Array:
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(order).reshape(n, c * 4, h // 2, w // 2)


TIES = np.float32([[1, 3, 3, 0, 3]])
PICKS = [
    Change(
        "TopK 10: k is an input; 11: the least, too, and ties are told",
        rows("TopK", (1,), (TIES,), lambda _: (np.float32([[3, 3]]), np.array([[1, 2]])), k=2, outputs=2),
        [
            *rows(
                "TopK",
                (10, 11, 24),
                (TIES, np.array([2])),
                lambda *_: (np.float32([[3, 3]]), np.array([[1, 2]])),
                (1,),
                outputs=2,
            ),
            *rows(
                "TopK",
                (11, 24),
                (TIES, np.array([2])),
                lambda *_: (np.float32([[0, 1]]), np.array([[3, 0]])),
                (1,),
                largest=0,
                outputs=2,
            ),
        ],
    ),
    Change(
        "ArgMax 12: the last of equal ones, too",
        rows("ArgMax", (1, 11), (TIES,), lambda _: np.array([[1]]), axis=1),
        rows("ArgMax", (12, 28), (TIES,), lambda _: np.array([[4]]), axis=1, select_last_index=1),
    ),
    Change(
        "ScatterElements 11: positions from the end; 16: sums; 18: extremes",
        rows(
            "Scatter",
            (9, 10),
            (TIES, np.array([[0, 3]]), np.float32([[7, 8]])),
            lambda *_: np.float32([[7, 3, 3, 8, 3]]),
            axis=1,
        ),
        [
            *rows(
                "ScatterElements",
                (11, 13),
                (TIES, np.array([[0, -2]]), np.float32([[7, 8]])),
                lambda *_: np.float32([[7, 3, 3, 8, 3]]),
                axis=1,
            ),
            *rows(
                "ScatterElements",
                (16, 18),
                (TIES, np.array([[0, 0]]), np.float32([[7, 8]])),
                lambda *_: np.float32([[16, 3, 3, 0, 3]]),
                axis=1,
                reduction="add",
            ),
            *rows(
                "ScatterElements",
                (18,),
                (TIES, np.array([[0, 1]]), np.float32([[7, 2]])),
                lambda *_: np.float32([[7, 3, 3, 0, 3]]),
                axis=1,
                reduction="max",
            ),
        ],
    ),
    Change(
        "OneHot 11: positions from the end",
        rows(
            "OneHot",
            (9,),
            (np.array([0, 2]), np.array(3), np.float32([0, 1])),
            lambda *_: np.eye(3, dtype=np.float32)[[0, 2]],
            (1,),
        ),
        rows(
            "OneHot",
            (11, 28),
            (np.array([0, -1]), np.array(3), np.float32([0, 1])),
            lambda *_: np.eye(3, dtype=np.float32)[[0, 2]],
            (1,),
        ),
    ),
    Change(
        "ReduceMax 20: of booleans",
        rows("ReduceMax", (18,), (X, np.array([1])), lambda x, _: x.max(1, keepdims=True), (1,)),
        rows("ReduceMax", (20, 28), (BOOLS, np.array([1])), lambda *_: np.array([[True], [False]]), (1,)),
    ),
]

SIGNALS = [
    Change(
        "DFT 20: the axis is an input, and the last but one by default",
        rows("DFT", (17, 19), (X[..., None],), lambda x: spectrum(x[..., 0], 1)),
        [
            *rows("DFT", (20, 28), (X[..., None],), lambda x: spectrum(x[..., 0], 2)),
            *rows("DFT", (20, 28), (X[..., None], None, np.array(1)), lambda x, _: spectrum(x[..., 0], 1), (2,)),
        ],
        silent=True,
    ),
    Change(
        "Range 27: half precision counts in float32",
        rows("Range", (11,), tuple(np.float32([0, 3000, 1])), lambda *_: np.arange(3000, dtype=np.float32), (0, 1, 2)),
        rows("Range", (27, 28), tuple(np.float16([0, 3000, 1])), lambda *_: np.arange(3000).astype(np.float16)),
    ),
]


def spectrum(x: Array, axis: int) -> Array:
    result = np.fft.fft(x, axis=axis)
    return np.stack([result.real, result.imag], -1).astype(np.float32)


CHANGES = MATRICES + PLAIN + CASTS + AXES + SHAPES + PICKS + SIGNALS
