"""The numbers of floating-point types that numpy lacks, by their bits."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from codegen_torch.dtypes import DType

Array = np.ndarray[Any, np.dtype[Any]]


class _Layout(NamedTuple):
    """How the bits of a type of at most eight bits are read, behind the sign.

    Attributes:
        exponent: Bits of the exponent.
        mantissa: Bits of the mantissa.
        bias: What is subtracted from the exponent.
        specials: The numbers that certain codes stand for instead.
    """

    exponent: int
    mantissa: int
    bias: int
    specials: dict[int, float]


_UNSIGNED_ZERO = {0x80: np.nan}
_LAYOUTS = {
    DType.FLOAT4E2M1: _Layout(2, 1, 1, {}),
    DType.FLOAT6E2M3: _Layout(2, 3, 1, {}),
    DType.FLOAT6E3M2: _Layout(3, 2, 3, {}),
    DType.FLOAT8E4M3FN: _Layout(4, 3, 7, {0x7F: np.nan, 0xFF: np.nan}),
    DType.FLOAT8E4M3FNUZ: _Layout(4, 3, 8, _UNSIGNED_ZERO),
    DType.FLOAT8E5M2: _Layout(
        5,
        2,
        15,
        {0x7C: np.inf, 0xFC: -np.inf, **dict.fromkeys((0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF), np.nan)},
    ),
    DType.FLOAT8E5M2FNUZ: _Layout(5, 2, 16, _UNSIGNED_ZERO),
}


@functools.cache
def numbers(dtype: DType) -> Array:
    """The number that each code of a narrow type stands for, float32; torch's codes for `dtype.held`."""
    if dtype is DType.FLOAT8E8M0:  # powers of two alone
        return np.append(np.ldexp(np.float32(1), np.arange(-127, 128)), np.float32(np.nan)).astype(np.float32)
    exponent_bits, mantissa_bits, bias, specials = _LAYOUTS[dtype]
    codes = np.arange(1 << 1 + exponent_bits + mantissa_bits)
    sign = np.where(codes >> exponent_bits + mantissa_bits, -1.0, 1.0)
    exponent = codes >> mantissa_bits & (1 << exponent_bits) - 1
    mantissa = codes & (1 << mantissa_bits) - 1
    fraction = mantissa / (1 << mantissa_bits) + (exponent > 0)
    values = np.ldexp(sign * fraction, np.maximum(exponent, 1) - bias)
    for code, value in specials.items():
        values[code] = value
    return np.asarray(values, np.float32)


@functools.cache
def held_codes(dtype: DType) -> Array:
    """The code of `dtype.held` for each code of a type that torch holds in a wider one."""
    own, wider = numbers(dtype), numbers(dtype.held)
    code_of = {(float(value), bool(np.signbit(value))): code for code, value in enumerate(wider)}
    return np.array([code_of[float(value), bool(np.signbit(value))] for value in own], np.uint8)


def decoded(bits: Array, dtype: DType) -> Array:
    """The numbers that bits stand for, float32.

    Args:
        bits: As numpy arrays of this type hold them.
        dtype: bfloat16 or a narrow type.
    """
    if dtype is DType.BFLOAT16:
        return (bits.astype(np.uint32) << 16).view(np.float32)
    return np.asarray(numbers(dtype.held)[bits])


def encoded(number: float, dtype: DType) -> Array:
    """The bits of one number.

    Raises:
        ValueError: A narrow type does not have exactly this number.
    """
    if dtype is DType.BFLOAT16:
        return bfloat16_bits(np.asarray(number, np.float32))
    table = numbers(dtype.held)
    same = (table == number) & (np.signbit(table) == np.signbit(number))
    if not same.any():
        raise ValueError(f"{dtype.value} does not have {number}")
    return np.asarray(same.argmax(), np.uint8)


def bfloat16_bits(values: Array) -> Array:
    """Round float32 to the nearest bfloat16, ties to even; a NaN stays one."""
    bits = np.asarray(values).view(np.uint32)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.asarray(np.where(np.isnan(values), bits >> 16 | 0x40, rounded), np.uint16)
