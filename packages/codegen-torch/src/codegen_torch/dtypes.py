"""Element types, named as torch names them."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from onnx_proto import DataType


class DType(enum.Enum):
    """An element type; the value is its name in torch.

    String tensors have no torch type: generated code keeps them in numpy object arrays.
    """

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    BOOL = "bool"
    COMPLEX64 = "complex64"
    COMPLEX128 = "complex128"
    STRING = "string"

    @property
    def is_float(self) -> bool:
        """Whether this is a real floating-point type."""
        return self in (DType.FLOAT16, DType.BFLOAT16, DType.FLOAT32, DType.FLOAT64)

    @property
    def is_int(self) -> bool:
        """Whether this is an integer type; bool is not."""
        return "int" in self.value

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return 2 if self is DType.BFLOAT16 else self.numpy.itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type that holds the same values; bfloat16 is held as its bits in uint16."""
        if self is DType.BFLOAT16:
            return np.dtype(np.uint16)
        if self is DType.STRING:
            return np.dtype(object)
        plain: np.dtype[Any] = np.dtype(self.value)
        return plain

    def __str__(self) -> str:
        return f"torch.{self.value}"

    __repr__ = __str__

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> DType:
        """The type with the values of a numpy type."""
        return cls.STRING if dtype.hasobject else cls(dtype.name)

    @classmethod
    def of_onnx(cls, data_type: DataType) -> DType | None:
        """The type with the values of an ONNX type, or None where torch has none yet here."""
        name = _ONNX_NAMES.get(data_type.name)
        return None if name is None else cls(name)


_ONNX_NAMES = {
    "FLOAT": "float32",
    "DOUBLE": "float64",
    **{member.name: member.value for member in DType if member not in (DType.FLOAT32, DType.FLOAT64)},
}
