"""Mixtures of experts, all of which compute all tokens (ONNX Runtime, "MoE" and "QMoE")."""
# mypy: disable-error-code="no-untyped-call"

import torch
from torch import Tensor


def routing_weights(
    scores: Tensor, k: int, weights: Tensor | None = None, *, normalize: bool = False
) -> Tensor:
    """How much each expert counts for each token, [tokens, experts]: nothing but for the k with the best scores.

    Args:
        scores: The router's scores, [tokens, experts].
        k: How many experts a token has.
        weights: What the chosen ones count; by default the softmax of the scores.
        normalize: Whether what counts is 1 in sum.
    """
    weights = torch.softmax(scores, -1) if weights is None else weights
    chosen = scores.topk(k).indices
    picked = weights.gather(-1, chosen)
    if normalize:
        picked = picked / picked.sum(-1, keepdim=True)
    return torch.zeros_like(weights).scatter(-1, chosen, picked)


def expert_layer(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer per expert: [tokens, inputs] or [experts, tokens, inputs] to [experts, tokens, outputs]."""
    y = x @ weight.transpose(1, 2)
    return y if bias is None else y + bias[:, None]


def swiglu(
    x: Tensor,
    gated: Tensor | None = None,
    *,
    interleaved: bool,
    alpha: float,
    beta: float,
    limit: float | None,
) -> Tensor:
    """SwiGLU: what is gated, by default every other feature or the second half, times its gate's SiLU."""
    if gated is None:
        gate, gated = (
            x.unflatten(-1, (-1, 2)).unbind(-1) if interleaved else x.chunk(2, -1)
        )
    else:
        gate = x
    if limit is not None:
        gate, gated = gate.clamp(max=limit), gated.clamp(-limit, limit)
    return gate * torch.sigmoid(alpha * gate) * (gated + beta)


def mix_experts(x: Tensor, weights: Tensor) -> Tensor:
    """The weighted sum of the experts, [experts, tokens, features] to [tokens, features]."""
    return torch.einsum("etf,te->tf", x, weights)
