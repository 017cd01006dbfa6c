"""Arrays of ONNX's types, which ml_dtypes has, as tensors of torch, which lacks some of them, and back."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import torch
from codegen_torch.dtypes import DType
from torch import Tensor

Array = np.ndarray[Any, Any]


def to_torch(array: Array) -> Tensor:
    """A tensor of the type that generated models hold such elements in."""
    dtype = DType.of(array.dtype)
    held = getattr(torch, dtype.held.value)
    if dtype.held is not dtype:
        array = array.astype(np.dtype(getattr(ml_dtypes, dtype.held.value)) if dtype.is_float else dtype.numpy)
    if not dtype.in_numpy:
        return torch.from_numpy(np.array(array.view(dtype.numpy))).view(held)
    return torch.from_numpy(np.array(array, dtype.numpy))


def to_numpy(tensor: Tensor, dtype: np.dtype[Any] | None = None) -> Array:
    """An array of a tensor, of the given type if torch holds that in the tensor's.

    Raises:
        AssertionError: The tensor has elements that the given type lacks.
    """
    tensor = tensor.detach().contiguous()
    own = DType(str(tensor.dtype).removeprefix("torch."))
    if own.in_numpy:
        array = tensor.numpy()
    else:
        bits = tensor.view(torch.uint8 if own.itemsize == 1 else torch.uint16).numpy()
        array = bits.view(getattr(ml_dtypes, own.value))
    return array if dtype is None else narrowed(array, dtype)


def narrowed(array: Array, dtype: np.dtype[Any]) -> Array:
    """The elements as a type that torch holds in the array's; as they are where it does not.

    Raises:
        AssertionError: The type lacks some of them.
    """
    if object in (dtype, array.dtype) or dtype == array.dtype or DType.of(dtype).held is not DType.of(array.dtype):
        return array
    narrow = array.astype(dtype)
    np.testing.assert_array_equal(narrow.astype(np.float32), array.astype(np.float32))
    return narrow
