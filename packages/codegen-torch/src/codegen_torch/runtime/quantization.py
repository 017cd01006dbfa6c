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


def unpack_bits(packed: Tensor, *, bits: int) -> Tensor:
    """The numbers of so many bits that bytes hold, the lowest first, along the last dimension."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=packed.device)
    numbers: Tensor = (packed[..., None] >> shifts) & (2**bits - 1)
    return numbers.flatten(-2)


def dequantize_blocks(
    packed: Tensor,
    scales: Tensor,
    zero_points: Tensor | None = None,
    groups: Tensor | None = None,
    *,
    bits: int,
    features: int,
) -> Tensor:
    """A weight of [outputs, features] whose rows are quantized in blocks (ONNX Runtime, "MatMulNBits").

    Args:
        packed: Numbers of so many bits, [outputs, blocks, bytes].
        scales: [outputs, blocks].
        zero_points: As the scales, or packed; by default the middle of the numbers.
        groups: The block whose scale each feature has; by default the one it is in.
        bits: The width of a number.
        features: How many of them a row has; the last block may be longer.
    """
    numbers = unpack_bits(packed, bits=bits)
    zeros = (
        torch.full_like(scales, 2 ** (bits - 1)) if zero_points is None else zero_points
    )
    if zeros.dtype == torch.uint8:
        zeros = unpack_bits(zeros, bits=bits)[:, : scales.shape[1]].to(scales.dtype)
    if groups is not None:
        numbers, groups = (
            numbers.flatten(1)[:, :features].to(scales.dtype),
            groups.long(),
        )
        return (numbers - zeros[:, groups]) * scales[:, groups]
    weight = (numbers.to(scales.dtype) - zeros[..., None]) * scales[..., None]
    return weight.flatten(1)[:, :features]


def dequantize_experts(
    packed: Tensor, scales: Tensor, zero_points: Tensor | None = None, *, bits: int
) -> Tensor:
    """Weights of [experts, outputs, inputs].

    Args:
        packed: Numbers of so many bits, [experts, outputs, bytes].
        scales: [experts, outputs], or one for each block of the inputs, [experts, outputs, blocks].
        zero_points: Packed as the weights, of the shape of the scales; by default the middle of the numbers.
        bits: The width of a number.
    """
    numbers = unpack_bits(packed, bits=bits).to(scales.dtype)
    zeros = torch.full_like(scales, 2 ** (bits - 1))
    if zero_points is not None:
        zeros = unpack_bits(zero_points, bits=bits)[..., : scales.shape[-1]].to(
            scales.dtype
        )
    if scales.dim() == 2:
        return (numbers - zeros[..., None]) * scales[..., None]
    blocks = numbers.reshape(*scales.shape, -1)
    weight: Tensor = (blocks - zeros[..., None]) * scales[..., None]
    return weight.flatten(2)
