"""From ``TensorProto`` to `Tensor`: finds the elements, and checks that they fit the shape."""

import math
from typing import Any, Final

import numpy as np

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.dtypes import DataType
from onnx_proto.errors import ExternalDataError, FormatError, UnsupportedTypeError, quoted
from onnx_proto.external import ExternalFile, Folders, parse_entries
from onnx_proto.packing import pack, packed_size
from onnx_proto.payload import InFile, InMemory, Payload
from onnx_proto.read_parts import one, pairs
from onnx_proto.skim import REFERENCE_FIELD, References
from onnx_proto.source import FileSource, MemorySource
from onnx_proto.tensor import SparseTensor, Strings, Tensor

_RAW_DATA: Final = 9
# The fields that may hold elements, by number.
_DATA_FIELDS: Final = {
    4: "float_data",
    5: "int32_data",
    6: "string_data",
    7: "int64_data",
    _RAW_DATA: "raw_data",
    10: "double_data",
    11: "uint64_data",
    REFERENCE_FIELD: "raw_data",
}
# The one of them, besides raw_data, that is right for a type; int32_data for all others.
_TYPED_FIELD: Final = {
    DataType.FLOAT: 4,
    DataType.COMPLEX64: 4,
    DataType.STRING: 6,
    DataType.INT64: 7,
    DataType.DOUBLE: 10,
    DataType.COMPLEX128: 10,
    DataType.UINT32: 11,
    DataType.UINT64: 11,
}
_INT32_DATA = 5
_STORED_AS: Final = {
    number: np.dtype(name) for number, name in ((4, "<f4"), (5, "<i4"), (7, "<i8"), (10, "<f8"), (11, "<u8"))
}
_UNKNOWN_TYPE = "data type {} is none that ONNX defines up to opset 28"
_DATA_TYPES: Final = {dtype.value: dtype for dtype in DataType}


def data_type(number: int) -> DataType:
    """The type of that number.

    Raises:
        UnsupportedTypeError: No such type.
    """
    dtype = _DATA_TYPES.get(number)
    if dtype is None:
        raise UnsupportedTypeError(_UNKNOWN_TYPE.format(number))
    return dtype


def checked_shape(dims: tuple[int, ...]) -> tuple[int, ...]:
    """The same dimensions.

    Raises:
        FormatError: One is negative.
    """
    if dims and min(dims) < 0:
        raise FormatError(f"shape {list(dims)} has a negative dimension")
    return dims


class TensorReader:
    """Reads the tensors of one model."""

    def __init__(self, source: MemorySource | FileSource, references: References, folders: Folders | None) -> None:
        self._source = source
        self._references = references
        self._folders = folders

    def tensor(self, proto: pb.TensorProto) -> Tensor:
        """Reads one tensor; does not touch large payloads.

        Raises:
            OnnxError: The tensor contradicts itself, or is of a kind this package does not know.
        """
        dtype = data_type(proto.data_type)
        if dtype is DataType.UNDEFINED:
            raise FormatError("the tensor has no data type")
        shape = checked_shape(tuple(proto.dims))
        if proto.HasField("segment"):
            raise UnsupportedTypeError("the tensor is a segment of a larger one, which nothing can put together")

        metadata = pairs(proto.metadata_props)
        given = {field.number: value for field, value in proto.ListFields() if field.number in _DATA_FIELDS}
        if proto.data_location == pb.TensorProto.EXTERNAL:
            return self._external(proto, dtype, shape, metadata, list(given))
        if proto.data_location != pb.TensorProto.DEFAULT:
            raise UnsupportedTypeError(f"data location {proto.data_location} is none that ONNX defines")
        if len(given) > 1:
            first, second, *_ = given
            raise FormatError(f"elements are given twice, by {_DATA_FIELDS[first]} and {_DATA_FIELDS[second]}")

        payload: Payload | Strings
        if given:
            payload = self._payload(*given.popitem(), dtype, math.prod(shape))
        elif math.prod(shape):
            raise FormatError(f"no elements are given for shape {list(shape)}")
        else:
            payload = Strings(()) if dtype is DataType.STRING else InMemory(b"")
        return Tensor(proto.name, dtype, shape, payload, proto.doc_string, metadata)

    def sparse_tensor(self, proto: pb.SparseTensorProto) -> SparseTensor:
        """Reads a sparse tensor, and checks the indices if they are at hand.

        Raises:
            OnnxError: As in `tensor`; or the parts do not fit together.
        """
        sparse = SparseTensor(
            values=one("values", proto.values, self.tensor),
            indices=one("indices", proto.indices, self.tensor),
            shape=checked_shape(tuple(proto.dims)),
        )
        if sparse.indices.is_loaded:
            sparse.linear_indices()
        return sparse

    def _external(
        self,
        proto: pb.TensorProto,
        dtype: DataType,
        shape: tuple[int, ...],
        metadata: dict[str, str],
        given: list[int],
    ) -> Tensor:
        if given:
            raise FormatError(f"elements are given twice, by {_DATA_FIELDS[given[0]]} and as external data")
        if dtype is DataType.STRING:
            raise ExternalDataError("strings cannot be external data")
        external = parse_entries((entry.key, entry.value) for entry in proto.external_data)
        nbytes = packed_size(dtype, math.prod(shape))
        if external.length is not None and external.length != nbytes:
            raise ExternalDataError(
                f"{quoted(external.location)} is said to hold {external.length} bytes of the tensor, "
                f"shape {list(shape)} of {dtype.name} needs {nbytes}"
            )
        payload = InFile(ExternalFile(self._folders, external, nbytes), external.offset, nbytes)
        return Tensor(proto.name, dtype, shape, payload, proto.doc_string, metadata, external)

    def _payload(self, number: int, value: Any, dtype: DataType, count: int) -> Payload | Strings:
        payload: Payload
        if number == REFERENCE_FIELD:
            lifted = self._references.resolve(value)
            if lifted is None:
                raise FormatError(f"field {REFERENCE_FIELD} is not ONNX's")
            number, payload = lifted.field, self._source.payload(lifted.offset, lifted.length)
        elif number == _RAW_DATA:
            payload = InMemory(value)
        else:
            _check_field(number, dtype)
            return _typed_payload(number, value, dtype, count)

        _check_field(number, dtype)
        expected = packed_size(dtype, count)
        if payload.nbytes != expected:
            raise FormatError(
                f"{_DATA_FIELDS[number]} has {payload.nbytes} bytes, {count} elements of {dtype.name} need {expected}"
            )
        return payload


def _check_field(number: int, dtype: DataType) -> None:
    if number == _RAW_DATA and dtype is not DataType.STRING:
        return
    expected = _TYPED_FIELD.get(dtype, _INT32_DATA)
    if number != expected:
        raise FormatError(f"elements of {dtype.name} are given by {_DATA_FIELDS[number]}, not {_DATA_FIELDS[expected]}")


def _typed_payload(number: int, values: Any, dtype: DataType, count: int) -> Payload | Strings:
    """Elements given as protobuf numbers or strings."""
    expected = count
    if dtype in (DataType.COMPLEX64, DataType.COMPLEX128):
        expected = 2 * count
    elif dtype.bits in (2, 4):  # one number is a byte of several elements
        expected = packed_size(dtype, count)
    if len(values) != expected:
        raise FormatError(f"{_DATA_FIELDS[number]} has {len(values)} entries, {count} elements need {expected}")

    if dtype is DataType.STRING:
        return Strings(tuple(values))
    array = np.array(values, _STORED_AS[number])
    if number == _INT32_DATA:
        return InMemory(_narrowed(array, dtype))
    if dtype is DataType.UINT32:
        if array.max(initial=0) >= 1 << 32:
            raise FormatError("uint64_data holds a number that does not fit UINT32")
        array = array.astype("<u4")
    return InMemory(array.tobytes())


def _narrowed(array: "np.ndarray[Any, np.dtype[Any]]", dtype: DataType) -> bytes:
    """The bytes behind ``int32_data``, which holds bit patterns; sign-extended ones are usual and unambiguous."""
    bits = 6 if dtype.bits == 6 else max(dtype.bits, 8)
    lowest, highest = -(1 << (bits - 1)), (1 << bits) - 1
    if array.size and (array.min() < lowest or array.max() > highest):
        raise FormatError(f"int32_data holds a number that does not fit the {bits} bits of {dtype.name}")
    if bits == 6:
        return pack(array, dtype)
    return array.astype(f"<i{bits // 8}").tobytes()
