"""Elements of less than a byte: a stream of bits, filled from the low end of each byte."""

import math

import numpy as np
import numpy.typing as npt

from onnx_proto.dtypes import DataType

_SIGNED = (DataType.INT4, DataType.INT2)


def packed_size(dtype: DataType, count: int) -> int:
    """Bytes that `count` elements of a fixed-width type take in the file."""
    return (count * dtype.bits + 7) // 8


def unpack(packed: npt.NDArray[np.uint8], dtype: DataType, count: int) -> npt.NDArray[np.uint8] | npt.NDArray[np.int8]:
    """Gives each of `count` elements a byte of its own; INT4 and INT2 by value, all others by code.

    Elements never straddle more than one group: a group is the smallest number of whole bytes that holds whole elements
    (one byte for 4 and 2 bits, three bytes for 6).
    """
    bits = dtype.bits
    group_bytes, group_elements = _group(bits)
    groups = -(-count // group_elements)
    padded = np.zeros((groups, group_bytes), np.uint8)
    padded.reshape(-1)[: packed.size] = packed

    word = np.zeros(groups, np.uint32)
    for index in range(group_bytes):
        word |= padded[:, index].astype(np.uint32) << np.uint32(8 * index)
    codes = np.empty((groups, group_elements), np.uint8)
    for index in range(group_elements):
        codes[:, index] = (word >> np.uint32(bits * index)) & np.uint32((1 << bits) - 1)
    flat = codes.reshape(-1)[:count]
    if dtype not in _SIGNED:
        return flat
    free = np.uint8(8 - bits)
    return (flat << free).view(np.int8) >> free.view(np.int8)


def pack(codes: npt.NDArray[np.generic], dtype: DataType) -> bytes:
    """The inverse of `unpack`: integers within the type's range, row-major, to bytes."""
    bits = dtype.bits
    group_bytes, group_elements = _group(bits)
    groups = -(-codes.size // group_elements)
    padded = np.zeros(groups * group_elements, np.uint32)
    padded[: codes.size] = codes.reshape(-1).astype(np.int64) & ((1 << bits) - 1)

    word = np.zeros(groups, np.uint32)
    for index in range(group_elements):
        word |= padded[index::group_elements] << np.uint32(bits * index)
    packed = np.empty((groups, group_bytes), np.uint8)
    for index in range(group_bytes):
        packed[:, index] = (word >> np.uint32(8 * index)) & np.uint32(0xFF)
    return packed.tobytes()[: packed_size(dtype, codes.size)]


def _group(bits: int) -> tuple[int, int]:
    """Bytes and elements of one group."""
    group_bits = math.lcm(bits, 8)
    return group_bits // 8, group_bits // bits
