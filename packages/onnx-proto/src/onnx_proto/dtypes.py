"""ONNX's element types."""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from onnx_proto.errors import UnsupportedTypeError, quoted


class DataType(IntEnum):
    """The element type of a tensor, numbered as in ``TensorProto.DataType``."""

    UNDEFINED = 0
    FLOAT = 1
    UINT8 = 2
    INT8 = 3
    UINT16 = 4
    INT16 = 5
    INT32 = 6
    INT64 = 7
    STRING = 8
    BOOL = 9
    FLOAT16 = 10
    DOUBLE = 11
    UINT32 = 12
    UINT64 = 13
    COMPLEX64 = 14
    COMPLEX128 = 15
    BFLOAT16 = 16
    FLOAT8E4M3FN = 17
    FLOAT8E4M3FNUZ = 18
    FLOAT8E5M2 = 19
    FLOAT8E5M2FNUZ = 20
    UINT4 = 21
    INT4 = 22
    FLOAT4E2M1 = 23
    FLOAT8E8M0 = 24
    UINT2 = 25
    INT2 = 26
    FLOAT6E2M3 = 27
    FLOAT6E3M2 = 28

    @property
    def bits(self) -> int:
        """Bits of one element in the file; 0 for UNDEFINED and STRING, which have no fixed width."""
        return _BITS[self]

    @property
    def itemsize(self) -> int:
        """Bytes of one element in the array that `Tensor.numpy` gives; elements of less than a byte get a whole one."""
        return (self.bits + 7) // 8

    @property
    def label(self) -> str:
        """The name that numpy, torch and ml_dtypes share where they have the type: ``float32``, ``float8_e4m3fn``."""
        return _FACTS[self].label

    @property
    def numpy_dtype(self) -> np.dtype[np.generic]:
        """The dtype of the array that `Tensor.numpy` gives, little-endian.

        Types that numpy does not have appear as the unsigned integer that holds their bits: uint16 for BFLOAT16; uint8
        for FLOAT8*, FLOAT6* and FLOAT4E2M1. Small integers appear by value: int8 for INT4 and INT2, uint8 for UINT4 and
        UINT2. STRING appears as object.

        Raises:
            UnsupportedTypeError: For UNDEFINED.
        """
        dtype = _FACTS[self].numpy_dtype
        if dtype is None:
            raise UnsupportedTypeError(f"elements of type {self.name} have no value")
        return np.dtype(dtype)

    def ml_dtype(self) -> np.dtype[np.generic]:
        """The dtype by that name of the package ml_dtypes where it has one, else `numpy_dtype`.

        Raises:
            UnsupportedTypeError: For UNDEFINED, or ml_dtypes is not installed (the extra ``onnx-proto[ml-dtypes]``).
        """
        try:
            import ml_dtypes  # noqa: PLC0415 (optional, and 20 ms for a few types)
        except ImportError as error:
            raise UnsupportedTypeError("ml_dtypes is not installed; it is the extra onnx-proto[ml-dtypes]") from error
        named = getattr(ml_dtypes, self.label, None)
        return self.numpy_dtype if named is None else np.dtype(named)

    @classmethod
    def of(cls, dtype: "DataType | str | npt.DTypeLike") -> "DataType":
        """The type called `dtype`: a member, its ONNX name, its label, or a numpy dtype.

        Raises:
            UnsupportedTypeError: No such type.
        """
        if isinstance(dtype, cls):
            return dtype
        if isinstance(dtype, str):
            found = _BY_NAME.get(dtype) or cls.__members__.get(dtype.upper())
            if found is not None:
                return found
        try:
            converted = np.dtype(dtype)  # type: ignore[arg-type]
        except TypeError:
            raise UnsupportedTypeError(f"no element type is called {quoted(str(dtype))}") from None
        if converted.kind in "OUST":
            return cls.STRING
        found = _BY_NAME.get(converted.name)
        if found is None:
            raise UnsupportedTypeError(f"ONNX has no element type for numpy's {converted}")
        return found


class _Fact(NamedTuple):
    bits: int
    label: str
    numpy_dtype: str | None


_FACTS: Final = {
    DataType.UNDEFINED: _Fact(0, "undefined", None),
    DataType.FLOAT: _Fact(32, "float32", "<f4"),
    DataType.UINT8: _Fact(8, "uint8", "u1"),
    DataType.INT8: _Fact(8, "int8", "i1"),
    DataType.UINT16: _Fact(16, "uint16", "<u2"),
    DataType.INT16: _Fact(16, "int16", "<i2"),
    DataType.INT32: _Fact(32, "int32", "<i4"),
    DataType.INT64: _Fact(64, "int64", "<i8"),
    DataType.STRING: _Fact(0, "string", "O"),
    DataType.BOOL: _Fact(8, "bool", "?"),
    DataType.FLOAT16: _Fact(16, "float16", "<f2"),
    DataType.DOUBLE: _Fact(64, "float64", "<f8"),
    DataType.UINT32: _Fact(32, "uint32", "<u4"),
    DataType.UINT64: _Fact(64, "uint64", "<u8"),
    DataType.COMPLEX64: _Fact(64, "complex64", "<c8"),
    DataType.COMPLEX128: _Fact(128, "complex128", "<c16"),
    DataType.BFLOAT16: _Fact(16, "bfloat16", "<u2"),
    DataType.FLOAT8E4M3FN: _Fact(8, "float8_e4m3fn", "u1"),
    DataType.FLOAT8E4M3FNUZ: _Fact(8, "float8_e4m3fnuz", "u1"),
    DataType.FLOAT8E5M2: _Fact(8, "float8_e5m2", "u1"),
    DataType.FLOAT8E5M2FNUZ: _Fact(8, "float8_e5m2fnuz", "u1"),
    DataType.UINT4: _Fact(4, "uint4", "u1"),
    DataType.INT4: _Fact(4, "int4", "i1"),
    DataType.FLOAT4E2M1: _Fact(4, "float4_e2m1fn", "u1"),
    DataType.FLOAT8E8M0: _Fact(8, "float8_e8m0fnu", "u1"),
    DataType.UINT2: _Fact(2, "uint2", "u1"),
    DataType.INT2: _Fact(2, "int2", "i1"),
    DataType.FLOAT6E2M3: _Fact(6, "float6_e2m3fn", "u1"),
    DataType.FLOAT6E3M2: _Fact(6, "float6_e3m2fn", "u1"),
}

_BITS: Final = {dtype: fact.bits for dtype, fact in _FACTS.items()}
_BY_NAME: Final = {fact.label: dtype for dtype, fact in _FACTS.items()}
