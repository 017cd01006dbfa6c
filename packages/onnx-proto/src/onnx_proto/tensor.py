"""Tensors: what the file says about them, and their elements on demand."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_proto.dtypes import DataType
from onnx_proto.errors import FormatError, LimitError, OnnxError, UnsupportedTypeError, quoted
from onnx_proto.external import ExternalData
from onnx_proto.packing import unpack
from onnx_proto.payload import InMemory, Payload


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """A constant tensor, whose elements stay where they are until somebody asks.

    Made by `onnx_proto.load` and by `onnx_proto.build.tensor`.

    Attributes:
        name: Its name.
        dtype: Type of the elements.
        shape: Size of each dimension; () for a scalar.
        doc_string: Documentation.
        metadata: Named properties of the exporter's own.
        external: Where the file says that the elements are; None if they are in the model file itself.
    """

    name: str
    dtype: DataType
    shape: tuple[int, ...]
    _payload: "Payload | Strings" = field(repr=False)
    doc_string: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    external: ExternalData | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements as stored, sub-byte elements packed; for strings, of their UTF-8 text."""
        return self._payload.nbytes

    @property
    def is_external(self) -> bool:
        """Whether the elements lie in a file beside the model file."""
        return self.external is not None

    @property
    def is_loaded(self) -> bool:
        """Whether the elements are in memory, so that `numpy` reads no file."""
        return isinstance(self._payload, InMemory | Strings)

    def numpy(self, *, ml_dtypes: bool = False) -> npt.NDArray[Any]:
        """The elements as a read-only array of shape `shape` and dtype ``self.dtype.numpy_dtype``.

        Types that numpy does not have appear as the unsigned integer that holds their bits (uint16 for BFLOAT16, uint8
        for the smaller floats); 4-bit and 2-bit integers appear by value, a byte each. Strings appear as an object
        array of `str`, decoded like string attributes.

        Elements in memory are viewed where they are, if aligned; elements in a file are read anew by each call.

        Args:
            ml_dtypes: Give types that numpy does not have as the dtypes of the package ml_dtypes that mean them
                (``bfloat16``, ``float8_e4m3fn``, ``int4``, …). What is installed never changes the result by itself.

        Raises:
            UnsupportedTypeError: ml_dtypes is asked for and not installed.
            FormatError: The file has changed, or holds booleans other than 0 and 1.
            ExternalDataError: The external file is missing, too short, or not one the model may name.
            LimitError: More dimensions than numpy can handle.
        """
        try:
            array = self._array()
            if not ml_dtypes:
                return array
            dtype = self.dtype.ml_dtype()
            # Integers of less than a byte have their value here, so they are converted; all others are their bits.
            converted = array.astype(dtype) if self._is_small_integer else array.view(dtype)
            converted.flags.writeable = False
            return converted
        except OnnxError as error:
            raise error.within(f"tensor {quoted(self.name)}") from error.__cause__

    def chunks(self, size: int = 1 << 20) -> Iterator[memoryview]:
        """The elements' bytes in order, as bytes-like pieces of `size` bytes; only the last may be shorter.

        Row-major, little-endian, elements of less than a byte packed: what ``raw_data`` holds. At no time is more than
        one piece read.

        Raises:
            UnsupportedTypeError: For strings, which have no fixed width.
            FormatError, ExternalDataError: As in `numpy`, at any piece.
        """
        if size < 1:
            raise ValueError(f"pieces of {size} bytes")
        try:
            if isinstance(self._payload, Strings):
                raise UnsupportedTypeError("strings have no flat bytes")
            yield from self._payload.chunks(size)
        except OnnxError as error:
            raise error.within(f"tensor {quoted(self.name)}") from error.__cause__

    def pieces(self, offsets: Sequence[int], length: int) -> memoryview:
        """Parts of what `chunks` gives, read without the rest: samples of the elements, or columns of a matrix.

        Args:
            offsets: Where each part starts, in bytes.
            length: How many bytes each has, at least one.

        Returns:
            The parts one after another, read-only.

        Raises:
            ValueError: A part reaches beyond the tensor.
            UnsupportedTypeError, FormatError, ExternalDataError: As in `chunks`.
        """
        if length < 1 or min(offsets, default=0) < 0 or max(offsets, default=-length) + length > self.nbytes:
            raise ValueError(f"pieces of {length} bytes reach beyond the {self.nbytes} of tensor {quoted(self.name)}")
        try:
            if isinstance(self._payload, Strings):
                raise UnsupportedTypeError("strings have no flat bytes")
            return memoryview(self._payload.pieces(offsets, length))
        except OnnxError as error:
            raise error.within(f"tensor {quoted(self.name)}") from error.__cause__

    @property
    def _is_small_integer(self) -> bool:
        return self.dtype in (DataType.INT4, DataType.UINT4, DataType.INT2, DataType.UINT2)

    def _array(self) -> npt.NDArray[Any]:
        if isinstance(self._payload, Strings):
            array = self._payload.array()
        else:
            array = _decode(self._payload, self.dtype, self.size)
        try:
            array = array.reshape(self.shape)
        except ValueError:
            raise LimitError(f"numpy cannot hold the shape {self.shape}") from None
        array.flags.writeable = False
        return array


@dataclass(frozen=True, slots=True)
class Strings:
    """The elements of a string tensor."""

    values: tuple[bytes, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all texts together."""
        return sum(map(len, self.values))

    def array(self) -> npt.NDArray[Any]:
        """A flat object array of `str`."""
        array = np.empty(len(self.values), object)
        array[:] = [value.decode(errors="surrogateescape") for value in self.values]
        return array


@dataclass(frozen=True, slots=True, eq=False)
class SparseTensor:
    """A tensor given by its non-zero elements.

    Attributes:
        values: The non-zero elements, shape [NNZ]; its name is the name of the sparse tensor.
        indices: Their places, int64, ascending: linear, shape [NNZ], or one row of coordinates each, [NNZ, rank].
        shape: Shape of the tensor itself.
    """

    values: Tensor
    indices: Tensor
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Checks what is known without reading.

        Raises:
            FormatError: The parts do not fit together.
        """
        count, rank = self.values.shape[0] if self.values.shape else 0, len(self.shape)
        if len(self.values.shape) != 1:
            raise FormatError(f"values have shape {list(self.values.shape)}, expected a vector")
        if self.indices.dtype is not DataType.INT64:
            raise FormatError(f"indices are of type {self.indices.dtype.name}, expected INT64")
        if self.indices.shape not in ((count,), (count, rank)):
            raise FormatError(
                f"indices have shape {list(self.indices.shape)}, "
                f"{count} values of a tensor of rank {rank} need [{count}] or [{count}, {rank}]"
            )

    @property
    def name(self) -> str:
        """Its name."""
        return self.values.name

    @property
    def dtype(self) -> DataType:
        """Type of the elements."""
        return self.values.dtype

    def linear_indices(self) -> npt.NDArray[np.int64]:
        """The places of the values in the flattened tensor, shape [NNZ], strictly ascending.

        The way to the indices of a file that is not trusted: every one of them lies within the shape.

        Raises:
            FormatError: An index lies outside the tensor, or they are not in order.
            LimitError: The tensor has more elements than an int64 can count.
            OnnxError: As in `Tensor.numpy`.
        """
        if math.prod(self.shape) >= 1 << 63:
            raise LimitError(f"shape {list(self.shape)} has more elements than an int64 can count")
        indices = self.indices.numpy()
        bounds = np.array([math.prod(self.shape)] if indices.ndim == 1 else self.shape, np.int64)
        rows = indices.reshape(len(indices), len(bounds))
        outside = np.flatnonzero(((rows < 0) | (rows >= bounds)).any(axis=1))
        if outside.size:
            first = int(outside[0])
            raise FormatError(f"index {rows[first].tolist()} of value {first} lies outside shape {list(self.shape)}")
        linear = rows[:, 0] if indices.ndim == 1 else _flattened(rows, self.shape)
        disordered = np.flatnonzero(linear[1:] <= linear[:-1])
        if disordered.size:
            raise FormatError(f"indices are not in ascending order at value {int(disordered[0]) + 1}")
        return linear


def _flattened(rows: npt.NDArray[np.int64], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Row-major linear indices of rows of coordinates."""
    linear = np.zeros(len(rows), np.int64)
    for axis, size in enumerate(shape):
        linear = linear * size + rows[:, axis]
    return linear


def _decode(payload: Payload, dtype: DataType, count: int) -> npt.NDArray[Any]:
    """A flat array of the elements."""
    if dtype.bits < 8:
        return unpack(np.frombuffer(payload.read(), np.uint8), dtype, count)
    array = np.frombuffer(payload.read(), dtype.numpy_dtype if count else np.uint8).view(dtype.numpy_dtype)
    if dtype is DataType.BOOL and array.view(np.uint8).max(initial=0) > 1:
        raise FormatError("a boolean is neither 0 nor 1")
    return array if array.flags.aligned else array.copy()
