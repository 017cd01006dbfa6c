"""Elements of tensors as numpy holds them: floats that it lacks as the bits of torch's type for them."""

from __future__ import annotations

import numpy as np

from codegen_torch.array_bytes import Array, Bytes
from codegen_torch.dtypes import DType
from codegen_torch.minifloats import bfloat16_bits, decoded, held_codes


def as_held(array: Array, dtype: DType) -> Array:
    """View an array, read-only, as the numpy type that holds a type's elements."""
    if array.dtype.name == dtype.value and array.dtype != dtype.numpy:  # a type of ml_dtypes
        array = array.astype(dtype.numpy) if dtype.is_int else in_torch(array.view(dtype.numpy), dtype)
    if array.dtype.newbyteorder("=") != dtype.numpy:
        raise ValueError(f"an array of {array.dtype} does not hold elements of {dtype}")
    return read_only(array.astype(dtype.numpy, copy=False))


def in_torch(array: Array, dtype: DType) -> Array:
    """Elements as the file has them as torch's type for them has them."""
    return held_codes(dtype)[array] if dtype.is_float and dtype.held is not dtype else array


def read_only(array: Array) -> Array:
    """A view through which nobody can write."""
    view = array.view()
    view.flags.writeable = False
    return view


def words(content: Bytes, dtype: DType) -> Array:
    """Elements as unsigned integers, a row each, which compare bit by bit."""
    width = min(dtype.itemsize, 8)
    return np.frombuffer(content, f"u{width}").reshape(-1, dtype.itemsize // width)


def has_sums(dtype: DType) -> bool:
    """Whether elements of a type can be added to each other."""
    return dtype not in (DType.BOOL, DType.STRING) and not dtype.is_narrow_float and dtype.held is dtype


def total(a: Array, b: Array, dtype: DType) -> Array:
    """The sum of elements, rounded to their type."""
    with np.errstate(all="ignore"):
        if dtype is not DType.BFLOAT16:
            return np.asarray(a + b)
        return bfloat16_bits(decoded(a, dtype) + decoded(b, dtype))
