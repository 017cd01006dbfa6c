"""Constant tensors of four bits an element, two elements to a byte."""

from __future__ import annotations

import numpy as np

from codegen_torch.array_bytes import Array
from codegen_torch.dtypes import DType
from codegen_torch.elements import read_only
from codegen_torch.tensors import TensorRef


def pack(ref: TensorRef, axis: int) -> TensorRef:
    """Two integers of four bits in a byte, neighbours along an axis, the first one lower; after an odd one zero.

    Args:
        ref: The integers.
        axis: From 0 on.

    Raises:
        ValueError: The elements have another number of bits.
    """
    if ref.dtype not in (DType.INT4, DType.UINT4):
        raise ValueError(f"elements of {ref.dtype.value} have not four bits")
    return _Packed(ref, axis)


class _Packed(TensorRef):
    """A tensor packed whenever it is read, all of it at once."""

    __slots__ = ("_dim", "_parent")

    def __init__(self, parent: TensorRef, axis: int) -> None:
        shape = (*parent.shape[:axis], -(-parent.shape[axis] // 2), *parent.shape[axis + 1 :])
        super().__init__(DType.UINT8, shape, parent.name)
        self._parent = parent
        self._dim = axis

    @property
    def moves(self) -> frozenset[str]:
        return self._parent.moves | {"packed"}

    def numpy(self) -> Array:
        rows = np.moveaxis(self._parent.numpy().view(np.uint8), self._dim, 0)
        pairs = rows[::2] & 15
        pairs[: len(rows) // 2] |= rows[1::2] << 4
        return read_only(np.moveaxis(pairs, 0, self._dim))
