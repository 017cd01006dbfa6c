"""Quantization whose scale depends on the numbers."""

import torch
from torch import Tensor


def quantize_dynamically(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantize to uint8 between the extremes of a tensor and zero; also scale and zero point (ONNX)."""
    low, high = x.amin().clamp(max=0.0), x.amax().clamp(min=0.0)
    scale = torch.where(high == low, 1.0, high - low) / 255
    zero_point = torch.round((-low / scale).clamp(0, 255))
    y = torch.round(x / scale) + zero_point
    return y.clamp(0, 255).to(torch.uint8), scale, zero_point.to(torch.uint8)
