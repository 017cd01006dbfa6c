"""One step of an optimizer for one tensor, as ai.onnx.preview.training has them: new values, no change in place."""

import torch
from torch import Tensor


def adagrad_step(
    r: Tensor,
    t: Tensor,
    x: Tensor,
    g: Tensor,
    h: Tensor,
    *,
    norm: float,
    decay: float,
    eps: float,
) -> tuple[Tensor, Tensor]:
    """AdaGrad: new values and accumulated squared gradients."""
    g = norm * x + g
    h = h + g * g
    return x - r / (1 + t * decay) * g / (h.sqrt() + eps), h


def adam_step(
    r: Tensor,
    t: Tensor,
    x: Tensor,
    g: Tensor,
    v: Tensor,
    h: Tensor,
    *,
    alpha: float,
    beta: float,
    norm: float,
    norm_post: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Adam: new values, averaged gradients and averaged squared gradients."""
    g = norm * x + g
    v = alpha * v + (1 - alpha) * g
    h = beta * h + (1 - beta) * g * g
    steps = t.to(r.dtype).clamp(min=1)
    rate = torch.where(t > 0, r * (1 - beta**steps).sqrt() / (1 - alpha**steps), r)
    return (1 - norm_post) * (x - rate * v / (h.sqrt() + eps)), v, h


def momentum_step(
    r: Tensor,
    t: Tensor,
    x: Tensor,
    g: Tensor,
    v: Tensor,
    *,
    alpha: float,
    beta: float,
    norm: float,
    nesterov: bool,
) -> tuple[Tensor, Tensor]:
    """Gradient descent with momentum: new values and momenta. The first step takes the whole gradient."""
    g = norm * x + g
    v = alpha * v + torch.where(t > 0, x.new_full((), beta), 1.0) * g
    return x - r * (g + alpha * v if nesterov else v), v
