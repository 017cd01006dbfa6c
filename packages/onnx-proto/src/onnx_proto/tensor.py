"""Tensors: what the file says about them, and their elements on demand."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from onnx_proto.dtypes import DataType
from onnx_proto.errors import FormatError, LimitError, OnnxError, UnsupportedTypeError, quoted
from onnx_proto.external import ExternalData
from onnx_proto.packing import unpack
from onnx_proto.payload import Payload


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

    def numpy(self) -> npt.NDArray[Any]:
        """The elements as a read-only array of shape `shape` and dtype ``self.dtype.numpy_dtype``.

        Types that numpy does not have appear as the unsigned integer that holds their bits (uint16 for BFLOAT16, uint8
        for the smaller floats); 4-bit and 2-bit integers appear by value, a byte each. Strings appear as an object
        array of `str`, decoded like string attributes.

        Elements in memory are viewed where they are, if aligned; elements in a file are read anew by each call.

        Raises:
            FormatError: The file has changed, or holds booleans other than 0 and 1.
            ExternalDataError: The external file is missing, too short, or not one the model may name.
            LimitError: More dimensions than numpy can handle.
        """
        try:
            return self._array()
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

    @property
    def name(self) -> str:
        """Its name."""
        return self.values.name

    @property
    def dtype(self) -> DataType:
        """Type of the elements."""
        return self.values.dtype


def _decode(payload: Payload, dtype: DataType, count: int) -> npt.NDArray[Any]:
    """A flat array of the elements."""
    if dtype.bits < 8:
        return unpack(np.frombuffer(payload.read(), np.uint8), dtype, count)
    array = np.frombuffer(payload.read(), dtype.numpy_dtype if count else np.uint8).view(dtype.numpy_dtype)
    if dtype is DataType.BOOL and array.view(np.uint8).max(initial=0) > 1:
        raise FormatError("a boolean is neither 0 nor 1")
    return array if array.flags.aligned else array.copy()
