"""Convolutions, pooling, normalizations, activations, recurrent networks and resampling against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from interpret import interpret
from one_node import Array, Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(2)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def positive(*shape: int) -> Array:
    return rng.random(shape, np.float32) + np.float32(0.5)


IMAGE = floats(2, 4, 9, 8)
KERNEL, BIAS = floats(6, 4, 3, 3), floats(6)

CONV = [
    Row("Conv", opset, (IMAGE, KERNEL, bias), {"kernel_shape": [3, 3], **attributes}, baked)
    for opset in (1, 11, 22)
    for bias in (BIAS, None)
    for attributes in ({}, {"strides": [2, 2], "pads": [1, 1, 1, 1]}, {"dilations": [2, 1], "pads": [0, 1, 2, 3]})
    for baked in ((1, 2), ())
    if not (bias is None and baked == (1, 2))
] + [
    Row("Conv", 11, (IMAGE, floats(6, 2, 3, 3)), {"group": 2, "kernel_shape": [3, 3]}, (1,)),
    Row("Conv", 11, (floats(2, 4, 9), floats(6, 4, 3)), {"strides": [2], "pads": [1, 1]}, (1,)),
    Row("Conv", 11, (floats(1, 2, 5, 6, 7), floats(3, 2, 2, 3, 3)), {"pads": [0, 1, 1, 0, 1, 1]}, (1,)),
    Row("Conv", 11, (IMAGE, KERNEL), {"auto_pad": "SAME_UPPER"}, (1,)),
    Row("Conv", 11, (IMAGE, floats(6, 4, 2, 4)), {"auto_pad": "SAME_LOWER"}, (1,)),
    Row("Conv", 11, (IMAGE, KERNEL), {"auto_pad": "VALID", "strides": [2, 3]}, (1,)),
]
STATIC_CONV = [
    Row("Conv", 11, (IMAGE, KERNEL), {"auto_pad": padding, "strides": [2, 2]}, (1,))
    for padding in ("SAME_UPPER", "SAME_LOWER")
]
CONV_TRANSPOSE = [
    Row("ConvTranspose", opset, (IMAGE, floats(4, 3, 3, 3), floats(3)), attributes, (1, 2))
    for opset in (1, 11, 22)
    for attributes in (
        {},
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
        {"strides": [2, 3], "pads": [0, 0, 1, 1]},
        {"strides": [2, 2], "pads": [1, 0, 0, 1], "output_padding": [0, 1]},
        {"dilations": [2, 1]},
    )
] + [
    Row("ConvTranspose", 11, (floats(2, 4, 5), floats(4, 3, 3)), {"strides": [2]}, (1,)),
]

POOLS = [
    Row(op, opset, (IMAGE,), {"kernel_shape": [3, 3], **attributes})
    for op, opsets in (("MaxPool", (8, 12, 22)), ("AveragePool", (7, 11, 22)))
    for opset in opsets
    for attributes in (
        {},
        {"strides": [3, 3]},
        {"strides": [2, 1], "pads": [1, 1, 1, 1]},
        {"auto_pad": "VALID", "strides": [2, 2]},
    )
] + [
    Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [3, 2], "dilations": [2, 3], "pads": [1, 1, 1, 1]}),
    Row("MaxPool", 12, (floats(1, 2, 7, 7),), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    Row("MaxPool", 12, (floats(2, 3, 9),), {"kernel_shape": [3], "strides": [2]}),
    Row("MaxPool", 12, (floats(1, 2, 5, 6, 7),), {"kernel_shape": [2, 2, 2]}),
    Row("AveragePool", 11, (IMAGE,), {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}),
    Row("AveragePool", 11, (IMAGE,), {"kernel_shape": [3, 3], "pads": [0, 1, 1, 0], "count_include_pad": 1}),
    Row("GlobalAveragePool", 1, (IMAGE,)),
    Row("GlobalAveragePool", 22, (floats(2, 3, 5),)),
    Row("GlobalMaxPool", 1, (IMAGE,)),
]
STATIC_POOLS = [
    Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    Row("AveragePool", 11, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    Row("AveragePool", 11, (IMAGE,), {"kernel_shape": [7, 7], "pads": [0, 0, 1, 1]}),
    Row("AveragePool", 11, (IMAGE,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
]

NORMS = [
    Row("BatchNormalization", opset, (x, positive(4), floats(4), floats(4), positive(4)), attributes, (1, 2, 3, 4))
    for opset in (14, 15, 28)
    for x in (IMAGE, floats(3, 4), floats(2, 4, 5))
    for attributes in ({}, {"epsilon": 0.01})
] + [
    *(
        Row("LayerNormalization", opset, (floats(2, 3, 4), *scales), {"axis": axis, "epsilon": 1e-3}, baked)
        for opset in (17, 28)
        for axis, scales in ((-1, (floats(4), floats(4))), (-1, (floats(4),)), (1, (floats(3, 4), floats(3, 4))))
        for baked in ((1, 2) if len(scales) == 2 else (1,), ())
    ),
    Row("LayerNormalization", 17, (floats(2, 3, 4), floats(4), floats(4)), {}, (1, 2), outputs=3),
    Row("LayerNormalization", 17, (floats(2, 3, 4), floats(1, 4), np.float32([0.5])), {"axis": 1}, (1, 2)),
    Row("InstanceNormalization", 6, (IMAGE, positive(4), floats(4)), {"epsilon": 0.01}, (1, 2)),
    Row("InstanceNormalization", 22, (floats(2, 4, 5), positive(4), floats(4)), {}, (1, 2)),
    Row("RMSNormalization", 23, (floats(2, 3, 4), floats(4)), {"epsilon": 1e-3}, (1,)),
    Row("RMSNormalization", 23, (floats(2, 3, 4), floats(3, 4)), {"axis": 1}, (1,)),
    Row("RMSNormalization", 23, (floats(2, 3, 4), floats(4))),
    *(
        Row(
            "BatchNormalization",
            opset,
            (floats(5, 4, 3), positive(4, 3), floats(4, 3), floats(4, 3), positive(4, 3)),
            {"spatial": 0, **({"is_test": 1} if opset < 7 else {})},
            (1, 2, 3, 4),
            expected=lambda x, s, b, m, v: (x - m) / np.sqrt(v + 1e-5) * s + b,
        )
        for opset in (1, 6, 7)
    ),
    Row("GroupNormalization", 21, (IMAGE, positive(4), floats(4)), {"num_groups": 2}, (1, 2)),
    Row("Dropout", 7, (IMAGE,), expected=lambda x: x),
    Row("Dropout", 10, (IMAGE,), {"ratio": 0.3}, expected=lambda x: (x, np.ones_like(x, bool)), outputs=2),
    Row("Dropout", 13, (IMAGE, np.float32(0.3), np.array(False)), {}, (1, 2), expected=lambda x, r, t: x),
    Row("Dropout", 6, (IMAGE,), {"is_test": 1}, expected=lambda x: x),
]

X = floats(2, 3, 4)
ACTIVATIONS = [
    *(Row(op, opset, (X,)) for op in ("Relu", "Sigmoid", "Tanh") for opset in (6, 13, 28)),
    *(Row(op, opset, (X,)) for op in ("LeakyRelu", "Elu", "Selu") for opset in (6, 22)),
    *(Row(op, 6, (X,), {"alpha": 0.3}) for op in ("LeakyRelu", "Elu", "Selu", "HardSigmoid")),
    Row("Selu", 6, (X,), {"alpha": 1.5, "gamma": 2.0}),
    Row("HardSigmoid", 6, (X * 3,)),
    Row("HardSigmoid", 6, (X * 3,), {"alpha": 1 / 6, "beta": 0.5}),
    Row("HardSwish", 14, (X * 3,)),
    Row("ThresholdedRelu", 10, (X,), {"alpha": 0.5}),
    Row("Celu", 12, (X,), {"alpha": 0.7}),
    Row("Softplus", 1, (X * 20,)),
    Row("Softsign", 1, (X,)),
    Row("Mish", 18, (X,)),
    Row("Gelu", 20, (X,)),
    Row("Gelu", 20, (X,), {"approximate": "tanh"}),
    Row("Swish", 24, (X,), expected=lambda x: x / (1 + np.exp(-x))),
    Row("Swish", 24, (X,), {"alpha": 0.5}, expected=lambda x: x / (1 + np.exp(-0.5 * x))),
    *(
        Row("PRelu", opset, (X, slope), {}, baked)
        for opset in (7, 16)
        for slope in (floats(3, 1), floats(1), floats(4), floats(3, 4), floats(1, 3, 1))
        for baked in ((1,), ())
    ),
    Row("PRelu", 6, (X, floats(3)), {}, (1,), expected=lambda x, s: np.where(x < 0, x * s[:, None], x)),
]


def _softmax(x: Array, axis: int) -> Array:
    shifted = np.exp(x - x.max(axis, keepdims=True))
    return shifted / shifted.sum(axis, keepdims=True)


SOFTMAX = [
    Row(op, opset, (X,), {} if axis is None else {"axis": axis})
    for op in ("Softmax", "LogSoftmax")
    for opset in (13, 28)
    for axis in (None, 0, 1, -1)
] + [
    Row(
        op,
        opset,
        (x,),
        {} if axis is None else {"axis": axis},
        expected=lambda x, axis=axis, log=op == "LogSoftmax": _of_rows(x, 1 if axis is None else axis, log),
    )
    for op in ("Softmax", "LogSoftmax")
    for opset in (1, 11, 12)
    for x in (X, floats(3, 4), floats(2, 5, 1, 1))
    for axis in (None, 0, 1)
]


def _of_rows(x: Array, axis: int, log: bool) -> Array:
    rows = _softmax(x.reshape(int(np.prod(x.shape[:axis])), -1), 1)
    return (np.log(rows) if log else rows).reshape(x.shape)


@pytest.mark.parametrize(**table(CONV + CONV_TRANSPOSE + POOLS + NORMS + ACTIVATIONS + SOFTMAX))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


# What the reference implementation computes otherwise than the specification says, or does not know at this opset.
BY_RUNTIME = [
    Row("ConvTranspose", 11, (IMAGE, floats(4, 3, 3, 3)), {"group": 2, "strides": [2, 2]}, (1,)),
    Row("ConvTranspose", 11, (IMAGE, floats(4, 3, 3, 3)), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (1,)),
    Row("ConvTranspose", 11, (IMAGE, floats(4, 3, 3, 3)), {"output_shape": [19, 17], "strides": [2, 2]}, (1,)),
    Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}),
    Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [3, 3], "pads": [0, 0, 1, 1], "strides": [2, 2], "ceil_mode": 1}),
    *(
        Row("BatchNormalization", opset, (x, positive(4), floats(4), floats(4), positive(4)), {}, (1, 2, 3, 4))
        for opset in (7, 9)
        for x in (IMAGE, floats(3, 4))
    ),
    Row("GroupNormalization", 18, (IMAGE, positive(2), floats(2)), {"num_groups": 2}, (1, 2)),
    Row("LRN", 1, (IMAGE,), {"size": 3, "alpha": 0.5, "beta": 0.5, "bias": 2.0}),
    Row("LRN", 13, (floats(2, 9, 5, 5),), {"size": 5, "alpha": 0.5}),
]


@pytest.mark.parametrize("row", STATIC_CONV + STATIC_POOLS + BY_RUNTIME, ids=str)
def test_against_the_runtime_at_fixed_sizes(row: Row) -> None:
    compare_with_runtime(row)


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_local_response_norm_puts_the_longer_half_of_its_window_behind_the_channel(size: int) -> None:
    x = floats(1, 6, 2, 2)
    before, after = (size - 1) // 2, -(-(size - 1) // 2)
    sums = np.stack([(x[:, max(0, c - before) : c + after + 1] ** 2).sum(1) for c in range(6)], 1)
    wanted = x / (1.5 + 0.5 / size * sums) ** 0.75
    found = run(Row("LRN", 13, (x,), {"size": size, "alpha": 0.5, "bias": 1.5}))[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def compare_with_runtime(row: Row) -> None:
    model = model_of(row, symbolic=False)
    model.ir_version = 8
    for output in model.graph.output:
        output.type.tensor_type.elem_type = 1
    fed = {f"x{i}": a for i, a in enumerate(row.inputs) if a is not None and i not in row.baked}
    wanted = onnxruntime.InferenceSession(model.SerializeToString()).run(None, fed)
    lowered = lower_proto(model)
    found = interpret(lowered.outputs, {name: torch.from_numpy(array) for name, array in fed.items()})
    for value, want in zip(found.values(), wanted, strict=True):
        assert tuple(value.shape) == want.shape
        np.testing.assert_allclose(value.numpy(), want, rtol=1e-5, atol=1e-5)


def lstm(direction: str, *, bias: bool = True, state: bool = False, layout: int = 0, baked: bool = True) -> Row:
    count = 2 if direction == "bidirectional" else 1
    x = floats(5, 2, 3)
    h, c = (floats(count, 2, 4) for _ in range(2)) if state else (None, None)
    if layout:
        x, h, c = (None if v is None else v.swapaxes(0, 1).copy() for v in (x, h, c))
    return Row(
        "LSTM",
        14,
        (x, floats(count, 16, 3), floats(count, 16, 4), floats(count, 32) if bias else None, None, h, c),
        {"hidden_size": 4, "direction": direction, **({"layout": 1} if layout else {})},
        (1, 2, 3) if baked else (),
        outputs=3,
    )


@pytest.mark.parametrize(
    "row",
    [
        *(lstm(direction, state=state) for direction in ("forward", "bidirectional") for state in (False, True)),
        lstm("forward", bias=False),
        lstm("reverse", state=True),
    ],
    ids=str,
)
def test_lstm(row: Row) -> None:
    compare_with_runtime(row)


def test_an_lstm_with_the_batch_first_is_the_same_turned_around() -> None:
    row = lstm("bidirectional", state=True, layout=1)
    x, w, r, b, _, h, c = row.inputs
    turned = [v.swapaxes(0, 1).copy() for v in (x, h, c)]
    plain = Row(
        "LSTM", 14, (turned[0], w, r, b, None, *turned[1:]), {**row.attributes, "layout": 0}, (1, 2, 3), None, 3
    )
    values = [run(each) for each in (row, plain)]
    np.testing.assert_allclose(values[0][0], values[1][0].transpose(2, 0, 1, 3), rtol=1e-6)
    for ours, theirs in zip(values[0][1:], values[1][1:], strict=True):
        np.testing.assert_allclose(ours, theirs.swapaxes(0, 1), rtol=1e-6)


def run(row: Row) -> list[Array]:
    fed = {f"x{i}": torch.from_numpy(a) for i, a in enumerate(row.inputs) if a is not None and i not in row.baked}
    return [value.numpy() for value in interpret(lower_proto(model_of(row, symbolic=False)).outputs, fed).values()]


def test_an_lstm_that_starts_at_zeros_has_no_state() -> None:
    row = lstm("forward")
    zeros = np.zeros((1, 2, 4), np.float32)
    row = Row("LSTM", 14, (*row.inputs[:5], zeros, zeros), row.attributes, (1, 2, 3, 5, 6), outputs=3)
    layer = next(e for e in _expressions(lower_proto(model_of(row, symbolic=False))) if e.op == "nn.LSTM")
    assert "state" not in layer.attrs


def _expressions(lowered: Any) -> list[Any]:
    from dataflow_ir import nodes

    return nodes(list(lowered.outputs.values()))


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (Row("Conv", 11, (IMAGE, KERNEL, BIAS), {"pads": [1, 1, 1, 1]}, (1, 2)), ["F.conv2d"]),
        (Row("GlobalAveragePool", 1, (IMAGE,)), ["Tensor.mean"]),
        (Row("MaxPool", 12, (IMAGE,), {"kernel_shape": [2, 2], "strides": [2, 2]}), ["F.max_pool2d"]),
        (Row("Softmax", 11, (floats(3, 4),)), ["F.softmax"]),
        (Row("Softmax", 9, (floats(1, 10, 1, 1),)), ["F.softmax"]),
        (Row("Dropout", 12, (IMAGE,)), []),
    ],
    ids=lambda value: value.op if isinstance(value, Row) else "",
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    outputs = lower_proto(model_of(row, symbolic=False)).outputs
    assert symbols_of(outputs) == symbols


def test_what_torch_does_by_itself_is_left_out() -> None:
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0], "dilations": [1, 1], "ceil_mode": 0}
    (pool,) = lower_proto(model_of(Row("MaxPool", 12, (IMAGE,), attributes), symbolic=True)).outputs.values()
    assert dict(pool.attrs) == {"kernel_size": 2}


def test_a_maximum_is_padded_with_minus_infinity() -> None:
    x = -positive(1, 1, 4, 4)
    row = Row("MaxPool", 12, (x,), {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [0, 0, 1, 1]})
    assert (run(row)[0] < 0).all()
