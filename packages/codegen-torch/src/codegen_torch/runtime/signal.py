"""Fourier transforms of numbers that the last dimension holds, and the mel scale."""

import math

import torch
from torch import Tensor


def dft(
    x: Tensor,
    length: int | None = None,
    axis: int = -2,
    inverse: bool = False,
    onesided: bool = False,
) -> Tensor:
    """The discrete Fourier transform along an axis, by ONNX's rules for its attributes."""
    axis = axis % x.dim()
    signal = (
        x.squeeze(-1) if x.shape[-1] == 1 else torch.view_as_complex(x.contiguous())
    )
    if inverse and onesided:
        real: Tensor = torch.fft.irfft(signal, length, axis)
        return real.unsqueeze(-1)
    result = (
        torch.fft.ifft(signal, length, axis)
        if inverse
        else torch.fft.fft(signal, length, axis)
    )
    if onesided:
        result = result.narrow(axis, 0, result.shape[axis] // 2 + 1)
    return torch.view_as_real(result.resolve_conj())


def stft(
    x: Tensor,
    step: int,
    window: Tensor | None = None,
    length: int | None = None,
    onesided: bool = True,
) -> Tensor:
    """The Fourier transforms of frames of a signal, each ``step`` behind the one before."""
    if length is None:
        length = x.shape[1] if window is None else len(window)
    signal = (
        x.squeeze(-1) if x.shape[-1] == 1 else torch.view_as_complex(x.contiguous())
    )
    frames = signal.unfold(1, length, step)
    result = torch.fft.fft(frames if window is None else frames * window)
    return torch.view_as_real(result[..., : length // 2 + 1] if onesided else result)


def mel_weight_matrix(
    bins: int,
    dft_length: int,
    sample_rate: int,
    lower: float,
    upper: float,
    device: torch.device | None = None,
) -> Tensor:
    """Triangular filters, one column each, evenly spaced where mel(f) = 2595 log10(1 + f / 700)."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (lower, upper))
    mels = [low + index * (high - low) / (bins + 2) for index in range(bins + 2)]
    hertz = [700 * (10 ** (mel / 2595) - 1) for mel in mels]
    edges = torch.tensor(
        [int((dft_length + 1) * f // sample_rate) for f in hertz], device=device
    )
    left, center, right = edges[:-2], edges[1:-1], edges[2:]
    place = torch.arange(dft_length // 2 + 1, device=device)[:, None]
    rising = (place - left) / (center - left).clamp(min=1)
    falling = (right - place) / (right - center).clamp(min=1)
    rises, falls = (
        (place >= left) & (place < center),
        (place > center) & (place < right),
    )
    peak = (place == center).float()
    return torch.where(rises, rising, torch.where(falls, falling, peak))
