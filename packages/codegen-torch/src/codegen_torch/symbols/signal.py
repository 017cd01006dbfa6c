"""Symbols of Fourier transforms and windows."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim, Undecided
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Size
from codegen_torch.symbols.base import size_of, symbol
from codegen_torch.symbols.demands import are_different, demand_rank, is_below
from codegen_torch.symbols.shape import normal

Tensor: TypeAlias = Fact
_COMPLEX = {DType.FLOAT32: DType.COMPLEX64, DType.FLOAT64: DType.COMPLEX128}
_REAL = {wide: real for real, wide in _COMPLEX.items()}


@symbol("torch.view_as_complex")
def view_as_complex(x: Tensor) -> Fact:
    demand_rank("complex numbers", x, 1)
    if x.dims is not None and are_different(x.dims[-1], 2):
        raise FactError(f"complex numbers of {x}, which has no pairs")
    return Fact(_COMPLEX[x.dtype], None if x.dims is None else x.dims[:-1])


@symbol("torch.view_as_real")
def view_as_real(x: Tensor) -> Fact:
    return Fact(_REAL[x.dtype], None if x.dims is None else (*x.dims, 2))


def _transformed(x: Fact, n: Size | None, dim: int, dtype: DType, *, half: bool = False, whole: bool = False) -> Fact:
    """The facts of a transform of length ``n``; a real signal has a ``half`` one, from which the ``whole`` comes."""
    if n is not None and is_below(size_of(n), 1):
        raise FactError(f"a transform of {x} of length {n}")
    if x.dims is None:
        return Fact(dtype, None)
    axis = normal(dim, len(x.dims))
    length: Size = x.dims[axis] if n is None else size_of(n)
    if whole and n is None:
        length = 2 * (length - 1)
    try:
        length = length // 2 + 1 if half else length
    except Undecided:
        length = Dim.fresh()
    return Fact(dtype, (*x.dims[:axis], length, *x.dims[axis + 1 :]))


@symbol("torch.fft.fft")
def fft(x: Tensor, n: Size | None = None, dim: int = -1) -> Fact:
    return _transformed(x, n, dim, _COMPLEX.get(x.dtype, x.dtype))


@symbol("torch.fft.ifft")
def ifft(x: Tensor, n: Size | None = None, dim: int = -1) -> Fact:
    return _transformed(x, n, dim, _COMPLEX.get(x.dtype, x.dtype))


@symbol("torch.fft.rfft")
def rfft(x: Tensor, n: Size | None = None, dim: int = -1) -> Fact:
    return _transformed(x, n, dim, _COMPLEX[x.dtype], half=True)


@symbol("torch.fft.irfft")
def irfft(x: Tensor, n: Size | None = None, dim: int = -1) -> Fact:
    return _transformed(x, n, dim, _REAL[x.dtype], whole=True)


@symbol("runtime.dft")
def dft(x: Tensor, length: Size | None, axis: int, *, inverse: bool = False, onesided: bool = False) -> Fact:
    demand_rank("a transform", x, 2)
    if x.dims is not None and isinstance(x.dims[-1], int) and x.dims[-1] not in (1, 2):
        raise FactError(f"a transform of {x}, which has neither one part nor two")
    return Fact(x.dtype, None if x.rank is None else tuple(Dim.fresh() for _ in range(x.rank)))


@symbol("runtime.stft")
def stft(
    x: Tensor, step: Size, window: Tensor | None = None, length: Size | None = None, *, onesided: bool = True
) -> Fact:
    if is_below(size_of(step), 1) or (length is not None and is_below(size_of(length), 1)):
        raise FactError(f"frames of {length} that are {step} apart")
    return Fact(x.dtype, (Dim.fresh() if x.dims is None else x.dims[0], Dim.fresh(), Dim.fresh(), 2))


@symbol("Tensor.unfold")
def unfold(x: Tensor, dimension: int, size: Size, step: Size) -> Fact:
    if x.dims is None:
        return Fact(x.dtype, None)
    axis, length, stride = normal(dimension, len(x.dims)), size_of(size), size_of(step)
    if is_below(stride, 1) or is_below(length, 1):
        raise FactError(f"frames of {length} that are {stride} apart")
    if is_below(x.dims[axis] - length, 0):
        raise FactError(f"frames of {length} in axis {axis} of {x}")
    try:
        count = (x.dims[axis] - length) // stride + 1
    except Undecided:
        count = Dim.fresh()
    return Fact(x.dtype, (*x.dims[:axis], count, *x.dims[axis + 1 :], length))


def _window(length: Size, dtype: DType) -> Fact:
    if is_below(size_of(length), 0):
        raise FactError(f"a window of {length} elements")
    return Fact(dtype, (size_of(length),))


@symbol("torch.hann_window", creates=True)
def hann_window(window_length: Size, periodic: bool = True, *, dtype: DType) -> Fact:
    return _window(window_length, dtype)


@symbol("torch.hamming_window", creates=True)
def hamming_window(window_length: Size, periodic: bool, alpha: float, beta: float, *, dtype: DType) -> Fact:
    """torch takes the coefficients by position alone."""
    return _window(window_length, dtype)


@symbol("torch.blackman_window", creates=True)
def blackman_window(window_length: Size, periodic: bool = True, *, dtype: DType) -> Fact:
    return _window(window_length, dtype)


@symbol("runtime.mel_weight_matrix", creates=True)
def mel_weight_matrix(bins: Size, dft_length: Size, sample_rate: Size, lower: float, upper: float) -> Fact:
    try:
        rows = size_of(dft_length) // 2 + 1
    except Undecided:
        rows = Dim.fresh()
    return Fact(DType.FLOAT32, (rows, size_of(bins)))
