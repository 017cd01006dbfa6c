"""Attention and its kin against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Array, Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(8)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def bools(*shape: int) -> Array:
    return rng.random(shape) < 0.7


Q, K, V = floats(2, 4, 3, 8), floats(2, 4, 6, 8), floats(2, 4, 6, 5)
PAST = floats(2, 4, 2, 8), floats(2, 4, 2, 5)
FLAT = floats(2, 3, 32), floats(2, 6, 16), floats(2, 6, 10)
HEADS = {"q_num_heads": 4, "kv_num_heads": 2}
LENGTHS = np.array([6, 2])
HIDDEN = np.zeros((3, 6), bool)
HIDDEN[1] = True


def attention(opset: int, *inputs: Array | None, outputs: int = 1, **attributes: Any) -> Row:
    return Row("Attention", opset, inputs, attributes, outputs=outputs)


ATTENTION = [
    *(attention(opset, Q, K, V, **more) for opset in (23, 24, 25) for more in ({}, {"is_causal": 1}, {"scale": 0.3})),
    *(attention(23, Q, K, V, mask) for mask in (floats(3, 6), bools(3, 6), floats(2, 1, 3, 6), bools(4, 3, 6), HIDDEN)),
    *(attention(24, Q, K, V, mask) for mask in (floats(3, 4), bools(2, 1, 3, 4), floats(6))),
    *(attention(24, Q, K, V, mask, is_causal=1) for mask in (floats(3, 6), bools(3, 6), HIDDEN)),
    *(attention(opset, Q, K, V, None, *PAST, outputs=3) for opset in (23, 25)),
    *(attention(23, Q, K, V, mask, *PAST, outputs=3, is_causal=1) for mask in (None, floats(3, 8), bools(3, 8))),
    *(attention(opset, *FLAT, **HEADS, **more) for opset in (23, 25) for more in ({}, {"is_causal": 1})),
    attention(23, Q, K[:, :2], V[:, :2]),
    attention(23, Q, K[:, :1], V[:, :1], is_causal=1),
    attention(24, Q, K, V, None, None, None, LENGTHS),
    attention(24, Q, K, V, floats(3, 6), None, None, LENGTHS, is_causal=1),
    attention(24, Q, K, V, bools(3, 6), None, None, LENGTHS, is_causal=1),
    *(
        attention(25, Q, K, V, mask, **cache, **window)
        for mask in (None, floats(3, 6))
        for cache in ({}, {"is_causal": 1})
        for window in (
            {"left_window_size": 1},
            {"right_window_size": 1},
            {"left_window_size": 0, "right_window_size": 2},
        )
    ),
    attention(25, Q, K, V, None, *PAST, left_window_size=2, is_causal=1),
    attention(25, Q, K, V, None, None, None, LENGTHS, left_window_size=2, right_window_size=0),
    *(attention(opset, Q, K, V, floats(3, 6), softcap=0.7) for opset in (23, 25)),
    *(
        attention(23, Q, K, V, mask, outputs=4, qk_matmul_output_mode=mode)
        for mode in range(4)
        for mask in (None, HIDDEN)
    ),
    *(
        attention(23, *FLAT, floats(3, 6), outputs=4, softcap=2.0, qk_matmul_output_mode=mode, **HEADS)
        for mode in (1, 2, 3)
    ),
    attention(23, Q, K, V, softmax_precision=11),
    attention(23, Q, K, V, softmax_precision=1),
]


@pytest.mark.parametrize(**table(ATTENTION))
def test_attention(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


X = floats(2, 4, 3, 8)
STEPS = np.array([[0, 1, 2], [4, 2, 3]])


def rotary(x: Array, size: int, *, by_position: bool, **attributes: Any) -> Row:
    shape = (5, size) if by_position else (2, 3, size)
    caches = floats(*shape), floats(*shape)
    return Row("RotaryEmbedding", 23, (x, *caches, *([STEPS] if by_position else [])), attributes)


ROTARY = [
    rotary(x, size, by_position=by_position, interleaved=interleaved, **more)
    for by_position in (False, True)
    for interleaved in (0, 1)
    for x, size, more in (
        (X, 4, {}),
        (X, 2, {"rotary_embedding_dim": 4}),
        (floats(2, 3, 32), 4, {"num_heads": 4}),
        (floats(2, 3, 32), 3, {"num_heads": 4, "rotary_embedding_dim": 6}),
    )
]

LINEAR = [
    Row(
        "LinearAttention",
        27,
        (floats(2, 5, 16), floats(2, 5, 8), floats(2, 5, 6), state, decay, beta),
        attributes,
        outputs=2,
    )
    for state in (None, floats(2, 2, 4, 3))
    for rule, decay, beta in (
        ("linear", None, None),
        ("gated", -abs(floats(2, 5, 2)), None),
        ("gated", -abs(floats(2, 5, 8)), None),
        ("delta", None, rng.random((2, 5, 2), np.float32)),
        ("gated_delta", -abs(floats(2, 5, 2)), rng.random((2, 5, 1), np.float32)),
    )
    for attributes in (
        {"q_num_heads": 4, "kv_num_heads": 2, "update_rule": rule, **({"scale": 0.5} if state is None else {})},
    )
]
CAUSAL_CONV = [
    Row("CausalConvWithState", 27, (x, floats(4, 1, width), bias, state), {"activation": activation}, baked, outputs=2)
    for x, width, state in (
        (floats(2, 4, 6), 3, None),
        (floats(2, 4, 6), 3, floats(2, 4, 2)),
        (floats(2, 4, 1), 4, floats(2, 4, 3)),
        (floats(2, 4, 5), 1, None),
    )
    for bias in (None, floats(4))
    for activation in ("none", "silu")
    for baked in ((1,), ())
]
SCATTER = [
    Row("TensorScatter", 24, (cache, update, starts), {"mode": mode, **axis})
    for cache, update, axis in (
        (floats(2, 3, 6, 4), floats(2, 3, 2, 4), {}),
        (floats(2, 6, 4), floats(2, 2, 4), {"axis": 1}),
        (np.arange(24).reshape(2, 3, 4), np.arange(12).reshape(2, 3, 2), {"axis": -1}),
    )
    for mode, starts in (("linear", None), ("linear", np.array([1, 2])), ("circular", np.array([3, 5])))
    if cache.dtype != np.int64 or mode == "circular" or starts is None
]


FLEX = [
    Row("FlexAttention", 1, (Q, *operands), attributes, domain="ai.onnx.preview")
    for operands in ((K, V), (K[:, :2], V[:, :2]))
    for attributes in ({}, {"scale": 0.3}, {"softmax_precision": 11}, {"softmax_precision": 1})
]


@pytest.mark.parametrize(**table(ROTARY + LINEAR + CAUSAL_CONV + SCATTER + FLEX))
def test_its_kin(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (attention(23, *FLAT), "q_num_heads"),
        (attention(23, Q, K, V, None, PAST[0]), "go together"),
        (attention(24, Q, K, V, None, *PAST, LENGTHS), "does not go with"),
        (attention(23, Q, K, V, softmax_precision=7), "no type of floats"),
        (attention(25, Q, K, V, left_window_size=-2), "-1 or more"),
        (Row("LinearAttention", 27, FLAT, {**HEADS, "update_rule": "gated"}), "decay"),
        (Row("LinearAttention", 27, FLAT, {**HEADS, "update_rule": "?"}), "not known"),
        (Row("TensorScatter", 24, (Q, Q), {"mode": "?"}), "not known"),
        (Row("CausalConvWithState", 27, (floats(1, 2, 3), floats(2, 1, 2)), {"activation": "?"}), "not known"),
    ],
    ids=lambda value: "" if isinstance(value, Row) else value,
)
def test_what_makes_no_sense_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))


@pytest.mark.parametrize(
    ("row", "symbols"),
    [
        (attention(23, Q, K, V), ["F.scaled_dot_product_attention"]),
        (attention(23, Q, K, V, floats(3, 6), is_causal=0), ["F.scaled_dot_product_attention"]),
        (attention(24, Q, K, V, is_causal=1), ["F.scaled_dot_product_attention"]),
    ],
    ids=str,
)
def test_is_written_as_torch_is(row: Row, symbols: list[str]) -> None:
    assert symbols_of(lower_proto(model_of(row, symbolic=False)).outputs) == symbols
