"""What becomes of scores in the operators of ai.onnx.ml."""

import math

import torch
from torch import Tensor


def softmax_zero(scores: Tensor) -> Tensor:
    """Softmax over the last dimension in which scores of zero stay zero and do not count."""
    zero = scores.abs() <= 1e-7
    powers = torch.exp(scores - scores.amax(-1, keepdim=True)).masked_fill(zero, 0.0)
    total = powers.sum(-1, keepdim=True)
    return torch.where(total == 0, 0.5, powers / total)


def probit(x: Tensor) -> Tensor:
    """The inverse of the normal distribution, by Winitzki's approximation, which ONNX Runtime uses."""
    log = torch.log(4 * x * (1 - x))
    half = 2 / (math.pi * 0.147) + 0.5 * log
    return (
        torch.sign(2 * x - 1)
        * math.sqrt(2)
        * torch.sqrt(torch.sqrt(half * half - log / 0.147) - half)
    )


def one_hot(places: Tensor, count: int, *, known: bool = False) -> Tensor:
    """One at each place of a new last dimension, and zeros elsewhere and for places of -1.

    With ``known``, a place of -1 is an error.
    """
    if known and bool((places < 0).any()):
        raise ValueError("an element is none of the categories")
    return (places.unsqueeze(-1) == torch.arange(count, device=places.device)).float()


def rbf(x: Tensor, vectors: Tensor, gamma: float) -> Tensor:
    """Give exp(-gamma |x - v|²) for every row of x and every vector."""
    distances = torch.cdist(x, vectors, compute_mode="donot_use_mm_for_euclid_dist")
    return torch.exp(-gamma * distances.square())


def count_wins(scores: Tensor, count: int) -> Tensor:
    """Count how often each class wins, given a score for every pair, which is positive if the first one does."""
    first, second = torch.triu_indices(count, count, 1, device=scores.device)
    wins = torch.where(scores > 0, first, second)
    return (wins.unsqueeze(-1) == torch.arange(count, device=scores.device)).sum(1)


def pairwise_probabilities(
    scores: Tensor, slopes: Tensor, offsets: Tensor, count: int
) -> Tensor:
    """Probabilities of the classes from scores of their pairs (Wu, Lin and Weng 2004, the second method; libsvm)."""
    first, second = torch.triu_indices(count, count, 1, device=scores.device)
    wins = torch.sigmoid(-(scores * slopes + offsets)).clamp(1e-7, 1 - 1e-7)
    r = scores.new_zeros(scores.shape[0], count, count)
    r[:, first, second], r[:, second, first] = wins, 1 - wins
    q = -r.mT * r + torch.diag_embed(r.square().sum(1))
    p = scores.new_full((scores.shape[0], count), 1 / count)
    done = torch.zeros(scores.shape[0], dtype=torch.bool, device=scores.device)
    for _ in range(max(100, count)):
        qp = (q @ p.unsqueeze(-1)).squeeze(-1)
        pqp = (p * qp).sum(-1)
        done = done | ((qp - pqp.unsqueeze(-1)).abs().amax(-1) < 0.005 / count)
        new = p
        for t in range(count):
            step = (pqp - qp[:, t]) / q[:, t, t]
            new = new + step.unsqueeze(-1) * (torch.arange(count, device=p.device) == t)
            pqp = (pqp + step * (step * q[:, t, t] + 2 * qp[:, t])) / (1 + step) ** 2
            qp = (qp + step.unsqueeze(-1) * q[:, t]) / (1 + step).unsqueeze(-1)
            new = new / (1 + step).unsqueeze(-1)
        p = torch.where(done.unsqueeze(-1), p, new)
    return p
