"""Fourier transforms, windows, and weights of the mel scale."""

from __future__ import annotations

from typing import Any

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, call
from codegen_torch.lower.registry import Int, NotApplicable, op
from codegen_torch.ops.cast import cast_to, dtype_of
from codegen_torch.symbols.namespaces import host, runtime, torch

_HAMMING = 25 / 46
"""The first of ONNX's coefficients; torch rounds it to 0.54."""
_BATCH_OF_SIGNALS = 3
_HALVES = frozenset({DType.FLOAT16, DType.BFLOAT16})


@op("DFT", since=17, until=19)
def dft_along_attribute(
    x: Expr, dft_length: Int | None = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0
) -> Expr:
    return dft(x, dft_length, axis, inverse=inverse, onesided=onesided)  # type: ignore[no-any-return]


@op("DFT", since=20)
def dft(
    x: Expr, dft_length: Int | None = None, axis: Int | None = None, *, inverse: int = 0, onesided: int = 0
) -> Expr:
    """The last dimension holds a real part, or a real and an imaginary one; torch's complex numbers hold both."""
    axis = -2 if axis is None else axis
    if x.dtype in _HALVES:
        wide = dft(x.to(DType.FLOAT32), dft_length, axis, inverse=inverse, onesided=onesided)
        return wide.to(x.dtype)  # type: ignore[no-any-return]
    parts = x.dims[-1] if x.dims else None
    takes = 2 if inverse else 1
    if not isinstance(axis, int) or parts not in (1, 2) or (parts != takes and (onesided or inverse)):
        return runtime.dft(x, dft_length, axis, inverse=bool(inverse), onesided=bool(onesided))  # type: ignore[no-any-return]
    dim = axis if axis >= 0 else axis + 1
    signal = x.squeeze(-1) if parts == 1 else torch.view_as_complex(x.contiguous())
    if inverse and onesided:
        return call("torch.fft.irfft", signal, dft_length, dim).unsqueeze(-1)  # type: ignore[no-any-return]
    name = "ifft" if inverse else "rfft" if onesided else "fft"
    return torch.view_as_real(call(f"torch.fft.{name}", signal, dft_length, dim))  # type: ignore[no-any-return]


@op("STFT", since=17)
def stft(
    x: Expr, frame_step: Int, window: Expr | None = None, frame_length: Int | None = None, *, onesided: int = 1
) -> Expr:
    """Frames of the signal, each transformed; ``[batch, frames, frequencies, 2]``."""
    if x.dtype in _HALVES:
        wide = None if window is None else window.to(DType.FLOAT32)
        result = stft(x.to(DType.FLOAT32), frame_step, wide, frame_length, onesided=onesided)
        return result.to(x.dtype)  # type: ignore[no-any-return]
    if x.rank not in (None, _BATCH_OF_SIGNALS) or (window is not None and window.rank not in (None, 1)):
        raise NotApplicable(f"{x.fact} is no batch of signals, or its window no vector")
    parts = None if x.dims is None else x.dims[-1]
    if parts not in (1, 2) or (parts == 2 and onesided):
        return runtime.stft(x, frame_step, window, frame_length, onesided=bool(onesided))  # type: ignore[no-any-return]
    if frame_length is None:
        frame_length = x.shape[1] if window is None else window.shape[0]
    signal = x.squeeze(-1) if parts == 1 else torch.view_as_complex(x.contiguous())
    frames = signal.unfold(1, frame_length, frame_step)
    if window is not None:
        frames = frames * window
    return torch.view_as_real(call("torch.fft.rfft" if onesided else "torch.fft.fft", frames))  # type: ignore[no-any-return]


def _windowed(name: str, size: Int, periodic: int, output_datatype: int, *coefficients: float) -> Expr:
    """A window in float32, or float64, cast to what is asked for."""
    dtype = dtype_of(output_datatype)
    computed = DType.FLOAT64 if dtype is DType.FLOAT64 else DType.FLOAT32
    return cast_to(call(name, size, bool(periodic), *coefficients, dtype=computed), dtype)


@op("HannWindow", since=17)
def hann_window(size: Int, *, output_datatype: int = 1, periodic: int = 1) -> Expr:
    return _windowed("torch.hann_window", size, periodic, output_datatype)


@op("HammingWindow", since=17)
def hamming_window(size: Int, *, output_datatype: int = 1, periodic: int = 1) -> Expr:
    return _windowed("torch.hamming_window", size, periodic, output_datatype, _HAMMING, 1 - _HAMMING)


@op("BlackmanWindow", since=17)
def blackman_window(size: Int, *, output_datatype: int = 1, periodic: int = 1) -> Expr:
    return _windowed("torch.blackman_window", size, periodic, output_datatype)


@op("MelWeightMatrix", since=17)
def mel_weight_matrix(
    num_mel_bins: Int,
    dft_length: Int,
    sample_rate: Int,
    lower_edge_hertz: Expr,
    upper_edge_hertz: Expr,
    *,
    output_datatype: int = 1,
) -> Expr:
    edges = [_number(edge) for edge in (lower_edge_hertz, upper_edge_hertz)]
    dtype = dtype_of(output_datatype)
    if not (dtype.is_float or dtype.is_int):
        raise NotApplicable(f"weights of {dtype} are not supported")
    weights = runtime.mel_weight_matrix(num_mel_bins, dft_length, sample_rate, *edges)
    return cast_to(weights, dtype)


def _number(value: Expr) -> Any:
    known = value.fact.value
    return host.item(value) if known is None else known.item()
