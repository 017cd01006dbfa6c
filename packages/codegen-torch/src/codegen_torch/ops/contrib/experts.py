"""Mixtures of experts: small networks, of which each token takes those that a router likes best.

All experts compute all tokens, so that no shape depends on the router; those that a token did not take count nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.contrib.packed import WIDTHS
from codegen_torch.symbols.namespaces import F, runtime

_ACTIVATIONS = ("relu", "gelu", "silu", "identity", "swiglu")
_FUSIONS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of all experts, [experts, outputs, inputs], with its bias."""

    weight: Expr
    bias: Expr | None


@microsoft("MoE")
def mixture_of_experts(
    input: Expr,
    router_probs: Expr,
    fc1_experts_weights: Expr,
    fc1_experts_bias: Expr | None,
    fc2_experts_weights: Expr,
    fc2_experts_bias: Expr | None = None,
    fc3_experts_weights: Expr | None = None,
    fc3_experts_bias: Expr | None = None,
    *,
    activation_alpha: float = 1.0,
    activation_beta: float = 0.0,
    activation_type: str = "relu",
    k: int = 1,
    normalize_routing_weights: int = 0,
    swiglu_fusion: int = 0,
    swiglu_limit: float | None = None,
    swiglu_limit_after_activation: int = 0,
    use_sparse_mixer: int = 0,
) -> Expr:
    _refuse(use_sparse_mixer, swiglu_limit_after_activation, activation_type, swiglu_fusion, fc3_experts_weights)
    layers = [_Layer(fc1_experts_weights, fc1_experts_bias), _Layer(fc2_experts_weights, fc2_experts_bias)]
    if fc3_experts_weights is not None:
        layers.append(_Layer(fc3_experts_weights, fc3_experts_bias))
    gates = runtime.routing_weights(router_probs, k, normalize=bool(normalize_routing_weights))
    settings = {"alpha": activation_alpha, "beta": activation_beta, "limit": swiglu_limit}
    return _mixed(input, gates, layers, activation_type, swiglu_fusion, settings)


@microsoft("QMoE")
def quantized_mixture_of_experts(
    input: Expr,
    router_probs: Expr,
    fc1_experts_weights: Expr,
    fc1_scales: Expr | None,
    fc1_experts_bias: Expr | None,
    fc2_experts_weights: Expr,
    fc2_scales: Expr | None = None,
    fc2_experts_bias: Expr | None = None,
    fc3_experts_weights: Expr | None = None,
    fc3_scales: Expr | None = None,
    fc3_experts_bias: Expr | None = None,
    fc1_zero_points: Expr | None = None,
    fc2_zero_points: Expr | None = None,
    fc3_zero_points: Expr | None = None,
    router_weights: Expr | None = None,
    *,
    accuracy_level: int = 0,
    activation_alpha: float = 1.0,
    activation_beta: float = 0.0,
    activation_type: str = "relu",
    block_size: int = 0,
    expert_weight_bits: int = 4,
    fc1_expert_weight_bits: int | None = None,
    fc2_expert_weight_bits: int | None = None,
    fc3_expert_weight_bits: int | None = None,
    k: int = 1,
    normalize_routing_weights: int = 0,
    quant_type: str = "int",
    swiglu_fusion: int = 0,
    swiglu_limit: float | None = None,
    swiglu_limit_after_activation: int = 0,
    use_sparse_mixer: int = 0,
    weights_prepacked: int = -1,
) -> Expr:
    """Weights stay packed; the scales' shapes tell the blocks. ONNX Runtime may round the input, here it never is.

    Its CPU kernel normalizes the softmax of the chosen scores whatever ``normalize_routing_weights`` says.
    """
    _refuse(use_sparse_mixer, swiglu_limit_after_activation, activation_type, swiglu_fusion, fc3_experts_weights)
    if quant_type != "int" or weights_prepacked == 1:
        raise NotApplicable("weights of floats or in a layout of one kind of GPU")
    layers: list[_Layer] = []
    for weight, scales, zero_points, bias, own_bits in (
        (fc1_experts_weights, fc1_scales, fc1_zero_points, fc1_experts_bias, fc1_expert_weight_bits),
        (fc2_experts_weights, fc2_scales, fc2_zero_points, fc2_experts_bias, fc2_expert_weight_bits),
        (fc3_experts_weights, fc3_scales, fc3_zero_points, fc3_experts_bias, fc3_expert_weight_bits),
    ):
        if weight is None:
            continue
        bits = own_bits or expert_weight_bits
        if bits not in WIDTHS or scales is None:
            raise NotApplicable(f"weights of {bits} bits or without scales")
        layers.append(_Layer(runtime.dequantize_experts(weight, scales, zero_points, bits=bits), bias))
    normalize = bool(normalize_routing_weights) or router_weights is None
    gates = runtime.routing_weights(router_probs, k, router_weights, normalize=normalize)
    settings = {"alpha": activation_alpha, "beta": activation_beta, "limit": swiglu_limit}
    return _mixed(input, gates, layers, activation_type, swiglu_fusion, settings)


def _refuse(sparse: int, limit_after: int, activation: str, fusion: int, third: Expr | None) -> None:
    if sparse or limit_after:
        raise NotApplicable("the sparse mixer and limits after the activation, which ONNX Runtime has on GPUs alone")
    if activation not in _ACTIVATIONS or fusion not in _FUSIONS:
        raise NotApplicable(f"the activation {activation!r} with swiglu_fusion {fusion} is not supported")
    if (third is None) == (activation == "swiglu" and not fusion) or (third is not None and activation != "swiglu"):
        raise NotApplicable("a third layer goes with swiglu that is not fused, and with nothing else")


def _mixed(x: Expr, gates: Expr, layers: list[_Layer], activation: str, fusion: int, settings: dict[str, Any]) -> Expr:
    first, second, *third = layers
    flat = x.flatten(0, 1) if x.rank == 3 else x
    hidden = runtime.expert_layer(flat, first.weight, first.bias)
    if activation == "swiglu":
        gated = runtime.expert_layer(flat, third[0].weight, third[0].bias) if third else None
        hidden = runtime.swiglu(hidden, gated, interleaved=fusion == 1, **settings)
    elif activation == "gelu":
        hidden = F.gelu(hidden, approximate="tanh")
    elif activation != "identity":
        hidden = F.relu(hidden) if activation == "relu" else F.silu(hidden)
    y = runtime.mix_experts(runtime.expert_layer(hidden, second.weight, second.bias), gates)
    return y.unflatten(0, (x.shape[0], -1)) if x.rank == 3 else y  # type: ignore[no-any-return]
