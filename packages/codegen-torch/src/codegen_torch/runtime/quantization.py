"""Quantization: to integers and back, by a known scale or one that depends on the numbers."""

import torch
from torch import Tensor


def quantize_dynamically(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Quantize to uint8 between the extremes of a tensor and zero; also scale and zero point (ONNX)."""
    low, high = x.amin().clamp(max=0.0), x.amax().clamp(min=0.0)
    scale = torch.where(high == low, 1.0, high - low) / 255
    zero_point = torch.round((-low / scale).clamp(0, 255))
    y = torch.round(x / scale) + zero_point
    return y.clamp(0, 255).to(torch.uint8), scale, zero_point.to(torch.uint8)


def fake_quantize(
    x: Tensor, scale: float, zero_point: int, dtype: torch.dtype
) -> Tensor:
    """The numbers nearest to those of a tensor for which integers of a type stand (ONNX)."""
    limits = torch.iinfo(dtype)
    integers = (
        (torch.round(x / scale) + zero_point).clamp(limits.min, limits.max).to(dtype)
    )
    return (integers.to(x.dtype) - zero_point) * scale


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


def dynamic_quantize_lstm(
    x: Tensor,
    w: Tensor,
    w_scale: Tensor,
    w_zero: Tensor,
    r: Tensor,
    r_scale: Tensor,
    r_zero: Tensor,
    bias: Tensor | None = None,
    h: Tensor | None = None,
    c: Tensor | None = None,
    *,
    hidden_size: int,
    backwards: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """One direction of an LSTM whose weights are quantized (ONNX Runtime, "DynamicQuantizeLSTM").

    Args:
        x: [steps, batch, inputs].
        w: Quantized weights of the input, [inputs, 4 * hidden], gates in ONNX's order: input, output, forget, cell.
        w_scale: Their scale, one or one per column.
        w_zero: What stands for zero in them.
        r: Quantized weights of the state, [hidden, 4 * hidden].
        r_scale: Their scale.
        r_zero: What stands for zero in them.
        bias: The biases of both, one after another, [8 * hidden].
        h: The first state, [batch, hidden]; by default zeros.
        c: The first cell.
        hidden_size: The size of the state.
        backwards: Whether the last step comes first.

    Returns:
        The state at each step, [steps, batch, hidden], and the last state and cell.
    """
    h = x.new_zeros(x.shape[1], hidden_size) if h is None else h
    c = x.new_zeros(x.shape[1], hidden_size) if c is None else c
    inputs = dynamic_product(x.flatten(0, 1), w, w_scale, w_zero).view(*x.shape[:2], -1)
    if bias is not None:
        inputs = inputs + bias[: 4 * hidden_size] + bias[4 * hidden_size :]
    steps = range(len(x))
    states = []
    for step in reversed(steps) if backwards else steps:
        gates = inputs[step] + dynamic_product(h, r, r_scale, r_zero)
        into, out, forget, cell = gates.chunk(4, -1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(into) * torch.tanh(cell)
        h = torch.sigmoid(out) * torch.tanh(c)
        states.append(h)
    return torch.stack(states[::-1] if backwards else states), h, c


def dynamic_product(x: Tensor, weight: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    """The product of a matrix, quantized between its extremes, with a quantized one."""
    numbers, x_scale, x_zero = quantize_dynamically(x)
    exact = (numbers.double() - x_zero) @ (weight.double() - zero)
    return exact.to(x.dtype) * (x_scale * scale)
