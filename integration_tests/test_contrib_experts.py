"""Mixtures of experts of com.microsoft against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from microsoft import Node, check

rng = np.random.default_rng(12)
TOKENS, EXPERTS, HIDDEN, INNER = 6, 4, 32, 64


def floats(*shape: int, scale: float = 1.0) -> np.ndarray:
    return (rng.standard_normal(shape) * scale).astype(np.float32)


X, SCORES = floats(TOKENS, HIDDEN), floats(TOKENS, EXPERTS)
BATCHED = X.reshape(2, 3, HIDDEN)


def layer(outputs: int, inputs: int) -> tuple[np.ndarray, np.ndarray]:
    return floats(EXPERTS, outputs, inputs, scale=inputs**-0.5), floats(EXPERTS, outputs)


PLAIN, FUSED, SECOND = layer(INNER, HIDDEN), layer(2 * INNER, HIDDEN), layer(HIDDEN, INNER)
SWIGLU = {"activation_type": "swiglu", "activation_alpha": 1.5, "activation_beta": 1.0, "swiglu_limit": 1.25}
ACTIVATIONS = ("relu", "gelu", "silu", "identity")
MIXTURES = [
    Node("MoE", inputs, attributes, baked)
    for inputs, attributes in (
        *(
            ((X, SCORES, *PLAIN, *SECOND), {"activation_type": name, "k": 2})
            for name in ("relu", "gelu", "silu", "identity")
        ),
        ((BATCHED, SCORES, *PLAIN, *SECOND), {"k": 1, "normalize_routing_weights": 1}),
        ((BATCHED, SCORES, *PLAIN, *SECOND), {"k": 3, "normalize_routing_weights": 1}),
        ((X, SCORES, PLAIN[0], None, SECOND[0]), {"k": 2}),
        *(((X, SCORES, *FUSED, *SECOND), {"k": 2, "swiglu_fusion": 1, **SWIGLU}) for _ in "x"),
    )
    for baked in ((), tuple(i for i in range(2, len(inputs)) if inputs[i] is not None))
]


def packed(
    outputs: int, inputs: int, bits: int, block: int, zero: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Packed weights, their scales and zero points."""
    shape = (EXPERTS, outputs, inputs // block) if block else (EXPERTS, outputs)
    scales = rng.uniform(0.5, 1.5, shape).astype(np.float32) * inputs**-0.5 / 2 ** (bits - 1)
    zeros = rng.integers(0, 256, (*shape[:-1], -(-shape[-1] * bits // 8))).astype(np.uint8) if zero else None
    return rng.integers(0, 256, (EXPERTS, outputs, inputs * bits // 8)).astype(np.uint8), scales, zeros


def quantized(bits: int, block: int, zero: bool, x=X, rest=(), **attributes) -> list[Node]:
    fused = attributes.get("activation_type") == "swiglu"
    first = packed((2 if fused else 1) * INNER, HIDDEN, bits, block, zero)
    second = packed(HIDDEN, INNER, bits, block, zero)
    biases = (FUSED if fused else PLAIN)[1], SECOND[1]
    inputs = (
        x,
        SCORES,
        *first[:2],
        biases[0],
        *second[:2],
        biases[1],
        None,
        None,
        None,
        first[2],
        second[2],
        None,
        *rest,
    )
    given = tuple(i for i in range(2, 14) if i < len(inputs) and inputs[i] is not None)
    settings = {"expert_weight_bits": bits, **({"block_size": block} if block else {}), **attributes}
    return [Node("QMoE", inputs, settings, baked) for baked in ((), given)]


QUANTIZED = [
    node
    for nodes in (
        *(quantized(bits, 0, zero, k=2, activation_type="silu") for bits in (4, 8) for zero in (False, True)),
        *(quantized(4, 32, zero, k=2, activation_type="relu") for zero in (False, True)),
        quantized(4, 0, False, BATCHED, k=2, normalize_routing_weights=1, swiglu_fusion=1, **SWIGLU),
        quantized(4, 0, False, rest=(np.abs(floats(TOKENS, EXPERTS)),), k=2, activation_type="gelu"),
        quantized(4, 0, False, rest=(np.abs(floats(TOKENS, EXPERTS)),), k=2, normalize_routing_weights=1),
    )
    for node in nodes
]


@pytest.mark.parametrize("node", MIXTURES + QUANTIZED, ids=str)
def test_against_onnx_runtime(node: Node, tmp_path: Path) -> None:
    check(node, tmp_path, rtol=1e-3, atol=1e-4)


def three_layers(x, scores, w1, b1, w2, b2, w3, b3) -> np.ndarray:
    """ONNX Runtime has no CPU kernel for a gate of its own; this is its documentation."""
    y = np.zeros_like(x)
    weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
    for token in range(TOKENS):
        for expert in np.argsort(-scores[token])[:2]:
            gate = np.minimum(w1[expert] @ x[token] + b1[expert], 1.25)
            gated = np.clip(w3[expert] @ x[token] + b3[expert], -1.25, 1.25)
            hidden = gate / (1 + np.exp(-1.5 * gate)) * (gated + 1)
            y[token] += weights[token, expert] * (w2[expert] @ hidden + b2[expert])
    return y


def test_a_gate_in_a_layer_of_its_own(tmp_path: Path) -> None:
    inputs = (X, SCORES, *PLAIN, *SECOND, *layer(INNER, HIDDEN))
    check(Node("MoE", inputs, {"k": 2, "swiglu_fusion": 0, **SWIGLU}, expected=three_layers), tmp_path)


def test_weights_are_parameters_and_packed_ones_buffers(tmp_path: Path) -> None:
    source = check(MIXTURES[1], tmp_path / "plain", rtol=1e-3, atol=1e-4)
    assert "nn.Parameter(torch.empty(4, 64, 32))" in source
    source = check(QUANTIZED[1], tmp_path / "packed", rtol=1e-3, atol=1e-4)
    assert "torch.empty(4, 64, 16, dtype=torch.uint8)" in source
