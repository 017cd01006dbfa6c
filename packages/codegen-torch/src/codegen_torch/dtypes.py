"""Element types, named as torch and ONNX name them, and which of torch's types holds the ones that torch lacks.

======================  ==================  ==========================================================================
Type                    Held in torch as    Why
======================  ==================  ==========================================================================
int4, int2              int8                torch has the names but nothing that computes with them; a byte per element,
uint4, uint2            uint8               the value itself
float4_e2m1fn           float8_e4m3fn       has every value of the three, so that they are cast and moved like any other
float6_e2m3fn, e3m2fn                       float
uint16, uint32, uint64  themselves          torch stores and casts them; what it cannot compute is computed in a wider
                                            or signed type (:mod:`codegen_torch.symbols.kernels`)
float8_*                themselves          likewise: torch casts them and moves most of them
string                  numpy object array  torch has none
======================  ==================  ==========================================================================

So a graph input of type int4 is passed as an int8 tensor, and weights of it are a byte each in the weights file, but
for those that a kernel multiplies by (:mod:`codegen_torch.kernels.packed`). Packed weights of com.microsoft's operators
are uint8 in ONNX already, and stay packed.
"""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
from onnx_proto import DataType


class DType(enum.Enum):
    """An element type; members are called as in ONNX, but for float32 and float64, the value as in torch."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    FLOAT8E4M3FN = "float8_e4m3fn"
    FLOAT8E4M3FNUZ = "float8_e4m3fnuz"
    FLOAT8E5M2 = "float8_e5m2"
    FLOAT8E5M2FNUZ = "float8_e5m2fnuz"
    FLOAT8E8M0 = "float8_e8m0fnu"
    FLOAT6E2M3 = "float6_e2m3fn"
    FLOAT6E3M2 = "float6_e3m2fn"
    FLOAT4E2M1 = "float4_e2m1fn"
    INT2 = "int2"
    INT4 = "int4"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT2 = "uint2"
    UINT4 = "uint4"
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
        return "float" in self.value

    @property
    def is_narrow_float(self) -> bool:
        """Whether this is a floating-point type of at most a byte, which is stored but not computed with."""
        return "_e" in self.value

    @property
    def is_int(self) -> bool:
        """Whether this is an integer type; bool is not."""
        return "int" in self.value

    @property
    def is_signed(self) -> bool:
        """Whether this is an integer type with negative numbers."""
        return self.value.startswith("int")

    @property
    def is_complex(self) -> bool:
        """Whether the elements have an imaginary part."""
        return self.value.startswith("complex")

    @property
    def limits(self) -> tuple[int, int]:
        """The lowest and the highest number of an integer type."""
        bits = int(self.value.removeprefix("u").removeprefix("int"))
        return (-(1 << bits - 1), (1 << bits - 1) - 1) if self.is_signed else (0, (1 << bits) - 1)

    @property
    def held(self) -> DType:
        """The type of the torch tensor that holds such elements."""
        return _HELD.get(self, self)

    @property
    def in_numpy(self) -> bool:
        """Whether numpy computes with the elements; if not, its arrays hold their bits, or texts."""
        return not (self is DType.BFLOAT16 or self is DType.STRING or self.is_narrow_float)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.numpy.itemsize

    @property
    def numpy(self) -> np.dtype[Any]:
        """The numpy type that holds the same values, or the bits of torch's: uint16 of bfloat16, uint8 of narrower."""
        if self is DType.BFLOAT16:
            return np.dtype(np.uint16)
        if self.is_narrow_float:
            return np.dtype(np.uint8)
        if self is DType.STRING:
            return np.dtype(object)
        plain: np.dtype[Any] = np.dtype(self.held.value)
        return plain

    def __str__(self) -> str:
        return f"torch.{self.held.value}"

    __repr__ = __str__

    @property
    def onnx(self) -> DataType:
        """ONNX's type of the same name."""
        return DataType[_OWN_NAMES.get(self, self.name)]

    @classmethod
    def of(cls, dtype: np.dtype[Any]) -> DType:
        """The type with the values of a numpy type."""
        return cls.STRING if dtype.hasobject else cls(dtype.name)

    @classmethod
    def of_onnx(cls, data_type: DataType) -> DType | None:
        """The type with the values of an ONNX type, or None for UNDEFINED."""
        name = _ONNX_NAMES.get(data_type.name)
        return None if name is None else cls(name)


_HELD = {
    DType.INT2: DType.INT8,
    DType.INT4: DType.INT8,
    DType.UINT2: DType.UINT8,
    DType.UINT4: DType.UINT8,
    DType.FLOAT4E2M1: DType.FLOAT8E4M3FN,
    DType.FLOAT6E2M3: DType.FLOAT8E4M3FN,
    DType.FLOAT6E3M2: DType.FLOAT8E4M3FN,
}
_OWN_NAMES = {DType.FLOAT32: "FLOAT", DType.FLOAT64: "DOUBLE"}
_ONNX_NAMES = {_OWN_NAMES.get(member, member.name): member.value for member in DType}
