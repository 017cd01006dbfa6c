"""Casts whose result torch does not define, or not in all of its versions."""

import torch
from torch import Tensor


def round_to_precision(x: Tensor, *, eps: float, smallest: float) -> Tensor:
    """Round to a precision relative to the leading power of two, ties to even; below the smallest, an absolute one."""
    magnitude = x.abs().clamp(min=smallest)
    step = magnitude / torch.frexp(magnitude).mantissa * (eps / 2)
    return torch.round(x / step) * step


def round_to_narrow_float(
    x: Tensor, *, eps: float, smallest: float, largest: float
) -> Tensor:
    """Round to a float of 4 or 6 bits, which has no NaN and ends at its largest number."""
    limited = x.nan_to_num(0.0).clamp(-largest, largest)
    return round_to_precision(limited, eps=eps, smallest=smallest)


def cast_to_float8(x: Tensor, dtype: torch.dtype, *, saturate: bool) -> Tensor:
    """Cast to a float8: beyond the largest number lies that number, or else infinity or NaN (ONNX, "Cast")."""
    info = torch.finfo(dtype)
    eps = 0.25 if dtype in (torch.float8_e5m2, torch.float8_e5m2fnuz) else 0.125
    if saturate:
        x = x.clamp(info.min, info.max)
        return round_to_precision(x, eps=eps, smallest=info.smallest_normal).to(dtype)
    rounded = round_to_precision(x, eps=eps, smallest=info.smallest_normal)
    beyond = (rounded.abs() > info.max) | x.isinf()
    outside = torch.full_like(
        x, torch.inf if dtype == torch.float8_e5m2 else torch.nan
    ).copysign(x)
    return torch.where(beyond, outside, rounded).to(dtype)


def cast_to_float8_e8m0(
    x: Tensor, *, saturate: bool = True, round_mode: str = "up"
) -> Tensor:
    """Cast to a power of two; the sign is dropped (ONNX, "Cast")."""
    bits = x.to(torch.float32).view(torch.int32) & 0x7FFFFFFF
    exponent, fraction = bits >> 23, bits & 0x7FFFFF
    if round_mode == "up":
        up = fraction > 0
    elif round_mode == "nearest":
        up = (fraction > 0x400000) | ((fraction == 0x400000) & (exponent > 0))
    else:
        up = torch.zeros_like(fraction, dtype=torch.bool)
    code = (exponent + up).clamp(max=254 if saturate else 255)
    return (
        torch.where(exponent == 255, 255, code)
        .to(torch.uint8)
        .view(torch.float8_e8m0fnu)
    )


def float4_from_bits(codes: Tensor) -> Tensor:
    """The float4_e2m1 that each code of 4 bits stands for, held in a float8."""
    magnitudes = torch.tensor(
        [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0], device=codes.device
    )
    codes = codes.long()
    sign = torch.where(codes & 8 > 0, -1.0, 1.0)
    return (magnitudes[codes & 7] * sign).to(torch.float8_e4m3fn)


def bits_of_float4(x: Tensor) -> Tensor:
    """The code of 4 bits of each float4_e2m1 that is held in a float8."""
    magnitudes = torch.tensor([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0], device=x.device)
    x = x.to(torch.float32)
    return (torch.bucketize(x.abs(), magnitudes) + 8 * x.signbit()).to(torch.uint8)
