"""Attention operators of com.microsoft against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from microsoft import Node, check

rng = np.random.default_rng(10)
BATCH, STEPS, HEADS, SIZE = 2, 4, 2, 8
WIDTH = HEADS * SIZE


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def states(steps: int, heads: int = HEADS) -> np.ndarray:
    return floats(BATCH, heads, steps, SIZE)


def padding(steps: int) -> np.ndarray:
    """A mask that hides the end of one row and the start of the other."""
    mask = np.ones((BATCH, steps), np.int32)
    mask[0, -1], mask[1, 0] = 0, 0
    return mask


X, W, BIAS = floats(BATCH, STEPS, 6), floats(6, 3 * WIDTH) / 2, floats(3 * WIDTH)
MASKS = (
    padding(STEPS),
    rng.integers(0, 2, (BATCH, STEPS, STEPS)).astype(np.int32) | np.eye(STEPS, dtype=np.int32),
    np.int32([3, 4]),
    np.int32([3, 4, 0, 1]),
)
WHOLE = ("y", "present")
ATTENTION = [
    Node("Attention", inputs, {"num_heads": HEADS, **attributes}, baked, outputs)
    for inputs, attributes, outputs in (
        ((X, W, BIAS), {}, ("y",)),
        ((X, W, BIAS), {"unidirectional": 1}, WHOLE),
        ((X, W), {"scale": 0.25}, WHOLE),
        *(((X, W, BIAS, mask), {}, ("y",)) for mask in MASKS),
        ((X, W, BIAS, MASKS[0]), {"unidirectional": 1, "mask_filter_value": -50.0}, ("y",)),
        ((X, W, BIAS, None, floats(2, BATCH, HEADS, 3, SIZE)), {"unidirectional": 1}, WHOLE),
        ((X, W, BIAS, padding(STEPS + 3), floats(2, BATCH, HEADS, 3, SIZE)), {}, WHOLE),
        ((X, W, BIAS, None, None, floats(BATCH, HEADS, STEPS, STEPS)), {}, ("y",)),
        ((X, W, BIAS, None, None, floats(1, 1, STEPS, STEPS)), {}, ("y",)),
        (
            (X, floats(6, 2 * WIDTH + 2 * HEADS * 5), floats(2 * WIDTH + 2 * HEADS * 5)),
            {"qkv_hidden_sizes": [WIDTH, WIDTH, 2 * HEADS * 5]},
            ("y",),
        ),
    )
    for baked in ((), (1, 2)[: len(inputs) - 1])
]
BYTES = rng.integers(0, 256, (BATCH, STEPS, 6)).astype(np.uint8)
QUANTIZED_WEIGHT = rng.integers(-128, 128, (6, 3 * WIDTH)).astype(np.int8)
SCALES = (np.array(0.02, np.float32), np.array(0.01, np.float32))
ZEROS = (np.array(120, np.uint8), np.array(3, np.int8))
QUANTIZED = [
    Node(
        "QAttention",
        (BYTES, QUANTIZED_WEIGHT, BIAS, SCALES[0], weight_scale, mask, *zeros, *past),
        {"num_heads": HEADS, **attributes},
        baked,
        ("y", "present") if past else ("y",),
    )
    for weight_scale, zeros, mask, past, attributes in (
        (SCALES[1], ZEROS, None, (), {}),
        (SCALES[1], ZEROS, np.int32([3, 4]), (), {}),
        (SCALES[1], ZEROS, MASKS[0], (), {"unidirectional": 1}),
        (rng.uniform(0.01, 0.02, 3 * WIDTH).astype(np.float32), (ZEROS[0], np.zeros(3 * WIDTH, np.int8)), None, (), {}),
        (SCALES[1], ZEROS, None, (floats(2, BATCH, HEADS, 3, SIZE),), {"unidirectional": 1}),
    )
    for baked in ((), (1, 2, 3, 4, 6, 7))
]
Q, K, V = floats(BATCH, STEPS, WIDTH), floats(BATCH, STEPS + 2, WIDTH), floats(BATCH, STEPS + 2, HEADS * 5)
SAME = floats(BATCH, STEPS, WIDTH)
ALL = ("y", "present_key", "present_value")
MULTI_HEAD = [
    Node("MultiHeadAttention", inputs, {"num_heads": HEADS, **attributes}, baked, outputs)
    for inputs, attributes, outputs in (
        ((Q, K, V), {}, ("y",)),
        ((Q, K, V), {"scale": 0.3}, ALL),
        ((Q, SAME, SAME, BIAS), {}, ("y",)),
        ((Q, SAME, SAME), {"unidirectional": 1}, ("y",)),
        ((Q, K, V, None, padding(STEPS + 2)), {}, ("y",)),
        ((Q, SAME, SAME, BIAS, np.int32([3, 4])), {}, ("y",)),
        ((Q, K, V, None, None, floats(BATCH, HEADS, STEPS, STEPS + 2)), {}, ("y",)),
        ((Q, K, V, None, None, floats(1, 1, STEPS, STEPS + 2)), {}, ("y",)),
        ((Q, SAME, SAME, None, None, None, states(3), states(3)), {}, ALL),
        ((Q, SAME, SAME, BIAS, None, None, states(3), states(3)), {"unidirectional": 1}, ALL),
        ((Q, SAME, SAME, None, padding(STEPS + 3), None, states(3), states(3)), {}, ALL),
        ((Q, states(5), states(5)), {}, ("y",)),
        ((Q, K, V, None, padding(STEPS + 2)), {}, (*ALL, "qk")),
        ((Q, SAME, SAME, BIAS, None, floats(1, HEADS, STEPS, STEPS)), {"scale": 0.3}, (*ALL, "qk")),
    )
    for baked in ((), *(((3,),) if inputs[3:] and inputs[3] is not None else ()))
]
ONE = (floats(BATCH, 1, WIDTH), floats(BATCH, 1, WIDTH), floats(BATCH, 1, WIDTH))
DECODER = [
    Node("DecoderMaskedMultiHeadAttention", inputs, {"num_heads": HEADS, **attributes}, outputs=outputs)
    for inputs, attributes, outputs in (
        ((ONE[0], states(5), states(5)), {}, ("y",)),
        ((ONE[0], states(5), states(5), padding(5)), {}, ("y",)),
        ((*ONE, None, None, states(6), states(6), np.int32([3])), {"past_present_share_buffer": 1}, ALL),
        ((*ONE, padding(4), None, states(6), states(6), np.int32([3])), {"past_present_share_buffer": 1}, ALL),
        (
            (*ONE, None, floats(1, HEADS, 1, 4), states(6), states(6), np.int32([3]), None, None, BIAS),
            {"past_present_share_buffer": 1, "scale": 0.3},
            ALL,
        ),
    )
]


@pytest.mark.parametrize("node", ATTENTION + QUANTIZED + MULTI_HEAD + DECODER, ids=str)
def test_against_onnx_runtime(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path, rtol=1e-3, atol=1e-5)


def test_attention_is_written_as_torch_is(tmp_path: Path) -> None:
    source = check(Node("Attention", (X, W, BIAS), {"num_heads": HEADS}, (1, 2)), tmp_path)
    assert "self.qkv_proj = nn.Linear(6, 48)" in source
    assert "F.scaled_dot_product_attention(q, k, v)" in source
