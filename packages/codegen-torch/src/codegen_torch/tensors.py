"""Constant tensors on their way from the model file to the weights file, by reference."""

from __future__ import annotations

import hashlib
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
import onnx_proto
from onnx_proto.packing import unpack

from codegen_torch.array_bytes import Array, Bytes, bytes_of
from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError
from codegen_torch.minifloats import bfloat16_bits, decoded, encoded, held_codes

BLOCK = 4 << 20
"""Bytes that are in memory at once while a tensor streams."""


class TensorRef(ABC):
    """A constant tensor that is read only when, and only as far as, someone looks at it.

    References are values without content: equal to themselves alone, cheap to derive from each other, and safe as
    dict keys. Wherever numpy is involved, floats that it lacks are held as the bits of torch's type for them.

    Attributes:
        dtype: The type of the elements.
        shape: The dimensions, outermost first.
        name: The name of the initializer this came from, or "".
    """

    __slots__ = ("_digest", "dtype", "name", "shape")

    def __init__(self, dtype: DType, shape: tuple[int, ...], name: str = "") -> None:
        self.dtype = dtype
        self.shape = shape
        self.name = name
        self._digest: bytes | None = None

    @staticmethod
    def of_onnx(tensor: onnx_proto.Tensor) -> TensorRef:
        """Refer to a tensor of an ONNX file.

        Raises:
            ConversionError: torch has no such element type.
        """
        dtype = DType.of_onnx(tensor.dtype)
        if dtype is None:
            raise ConversionError(f"tensor {tensor.name!r} holds {tensor.dtype.name}, which torch has no type for")
        return _Stored(tensor, dtype)

    @staticmethod
    def of_array(array: Array, dtype: DType | None = None) -> TensorRef:
        """Refer to an array, which nobody may change from here on.

        Args:
            array: The elements, of any layout.
            dtype: The element type, where the array's own does not tell it: floats given as bits, small integers.

        Raises:
            ValueError: The array does not hold elements of this type.
        """
        dtype = dtype or DType.of(array.dtype)
        return _Held(_as_held(array, dtype), dtype)

    @staticmethod
    def filled(shape: Sequence[int], dtype: DType, value: complex | str | np.generic | Array) -> TensorRef:
        """Refer to a tensor of any size whose elements are all the same.

        Args:
            shape: The dimensions.
            dtype: The element type.
            value: A Python number or string, or one element as `numpy()` gives it, which keeps its bits.

        Raises:
            ValueError: The value is not one element of this type.
            OverflowError: The value is beyond the range of this integer type.
        """
        if isinstance(value, np.generic | np.ndarray):
            element = _as_held(np.asarray(value), dtype).reshape(())
        elif dtype.is_float and not dtype.in_numpy:
            element = encoded(value, dtype)  # type: ignore[arg-type]
        else:
            if dtype.is_int and isinstance(value, int):
                lowest, highest = dtype.limits
                if not lowest <= value <= highest:  # numpy 1 would wrap it
                    raise OverflowError(f"{value} is beyond the range of {dtype.value}")
            element = np.asarray(value, dtype.numpy)
        return _Filled(element, dtype, tuple(shape))

    @property
    def size(self) -> int:
        """How many elements there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """How many bytes the elements take; strings count as references to them."""
        return self.size * self.dtype.itemsize

    @property
    def moves(self) -> frozenset[str]:
        """What was done to a tensor of the file to make this one: ``"permuted"``, ``"reshaped"``, ``"cut"``."""
        return frozenset()

    def permute(self, *dims: int) -> TensorRef:
        """The same elements with the axes in another order, as `torch.permute` does it.

        Raises:
            ValueError: `dims` is not a permutation of the axes.
        """
        dims = tuple(self._axis(dim) for dim in dims)
        if sorted(dims) != list(range(len(self.shape))):
            raise ValueError(f"{dims} is not a permutation of the {len(self.shape)} axes")
        shape = tuple(self.shape[dim] for dim in dims)
        moved = [dim for dim in dims if self.shape[dim] != 1]
        if moved == sorted(moved):  # only axes of length 1 change places: the elements stay in order
            return self.reshape(*shape)
        return self._permuted(dims, shape)

    @property
    def T(self) -> TensorRef:  # noqa: N802  (torch's and numpy's name)
        """The transpose of a matrix.

        Raises:
            ValueError: This is no matrix.
        """
        if len(self.shape) != 2:
            raise ValueError(f"a tensor of shape {self.shape} has no transpose")
        return self.permute(1, 0)

    def reshape(self, *shape: int) -> TensorRef:
        """The same elements in the same order in another shape, one dimension of which may be -1.

        Raises:
            ValueError: The shapes differ in size.
        """
        if shape.count(-1) == 1:
            known = -math.prod(shape)
            rest = self.size // known if known else 0
            shape = tuple(rest if dim == -1 else dim for dim in shape)
        if min(shape, default=0) < 0 or math.prod(shape) != self.size:
            raise ValueError(f"a tensor of shape {self.shape} cannot take the shape {shape}")
        return self if shape == self.shape else self._reshaped(shape)

    def select(self, axis: int, index: int) -> TensorRef:
        """The part at one position of an axis, without that axis.

        Raises:
            IndexError: There is no such position.
        """
        axis = self._axis(axis)
        if not -self.shape[axis] <= index < self.shape[axis]:
            raise IndexError(f"axis {axis} of a tensor of shape {self.shape} has no position {index}")
        where: tuple[Any, ...] = (slice(None),) * axis + (index, ...)
        return self._part((*self.shape[:axis], *self.shape[axis + 1 :]), lambda array: array[where])

    def slice(self, axis: int, start: int, stop: int) -> TensorRef:
        """The part from `start` up to, not including, `stop` of an axis; both count as in a Python slice."""
        axis = self._axis(axis)
        positions = range(self.shape[axis])[start:stop]
        where = (slice(None),) * axis + (slice(positions.start, positions.stop),)
        return self._part((*self.shape[:axis], len(positions), *self.shape[axis + 1 :]), lambda array: array[where])

    def take_rows(self, order_of_blocks: Sequence[int], blocks: int) -> TensorRef:
        """Cut axis 0 into equal blocks of rows, and put some of them one after another.

        ONNX stacks the gates of an LSTM as input, output, forget, cell, and torch as input, forget, cell, output:
        `weight.take_rows((0, 2, 3, 1), 4)` leads from one to the other.

        Args:
            order_of_blocks: Which block comes first, second, …
            blocks: How many blocks there are.

        Raises:
            ValueError: The rows do not divide into so many blocks.
            IndexError: There is no such block.
        """
        if not self.shape or blocks < 1 or self.shape[0] % blocks:
            raise ValueError(f"a tensor of shape {self.shape} does not divide into {blocks} blocks of rows")
        order = list(order_of_blocks)
        if not all(0 <= block < blocks for block in order):
            raise IndexError(f"{order} names a block that is not among the {blocks}")
        rows = self.shape[0] // blocks
        split = (blocks, rows, *self.shape[1:])
        shape = (len(order) * rows, *self.shape[1:])
        return self._part(shape, lambda array: array.reshape(split)[order].reshape(shape))

    def add(self, other: TensorRef) -> TensorRef:
        """The sum with another tensor, rounded to their type. Both are read here: this is for biases.

        Raises:
            ValueError: The types or shapes differ, or the elements are no numbers.
        """
        if (self.dtype, self.shape) != (other.dtype, other.shape) or not _has_sums(self.dtype):
            raise ValueError(f"cannot add {other} to {self}")
        return TensorRef.of_array(_sum(self.numpy(), other.numpy(), self.dtype), self.dtype)

    @abstractmethod
    def numpy(self) -> Array:
        """Read the elements into a read-only array, of type `dtype.numpy`, not necessarily contiguous."""

    def chunks(self, block: int = BLOCK) -> Iterator[Bytes]:
        """Read the elements as little-endian bytes in C order.

        Yields:
            At most `block` bytes, or one element, each; what was yielded is valid until the next one.

        Raises:
            TypeError: The elements are strings, which have no such bytes.
        """
        if self.dtype is DType.STRING:
            raise TypeError(f"tensor {self.name!r} holds strings, which have no fixed size")
        return self._chunks(max(block // self.dtype.itemsize, 1) * self.dtype.itemsize)

    def is_uniform(self) -> bool:
        """Whether all elements are the same, bit by bit. One element is, none is not."""
        if self.size <= 1:
            return self.size == 1
        if self.dtype is DType.STRING:
            return len(set(self.numpy().flat)) == 1
        source = self._in_any_order()
        start = _words(next(source.chunks(256)), self.dtype)  # which settles it nearly always
        if (start != start[0]).any():
            return False
        return all((_words(chunk, self.dtype) == start[0]).all() for chunk in source.chunks())

    def digest(self) -> bytes:
        """A hash of type, shape and elements: equal for equal tensors, whatever they come from."""
        if self._digest is None:
            self._digest = self._hash()
        return self._digest

    def equals(self, other: TensorRef) -> bool:
        """Whether type, shape and all elements are the same, bit by bit."""
        if self is other:
            return True
        return (self.dtype, self.shape) == (other.dtype, other.shape) and self.digest() == other.digest()

    def __repr__(self) -> str:
        return f"TensorRef({self.name!r}, {self.dtype.value}, {list(self.shape)})"

    def _chunks(self, block: int) -> Iterator[Bytes]:
        """Read the elements as bytes; `block` is a whole number of elements."""
        return bytes_of(self.numpy(), block)

    def _hash(self) -> bytes:
        uniform = self.is_uniform()  # told apart, so that a filled tensor of any size has a digest, and others equal it
        digest = hashlib.blake2b(f"{self.dtype.value} {self.shape} {uniform} ".encode(), digest_size=20)
        if self.dtype is DType.STRING:
            for text in self.numpy().flat[: 1 if uniform else None]:
                content = text.encode(errors="surrogatepass")
                digest.update(len(content).to_bytes(8, "little") + content)
        else:
            for chunk in itertools.islice(self.chunks(1), 1) if uniform else self.chunks():
                digest.update(chunk)
        return digest.digest()

    def _in_any_order(self) -> TensorRef:
        """A tensor with the same elements that is cheaper to stream."""
        return self

    def _permuted(self, dims: tuple[int, ...], shape: tuple[int, ...]) -> TensorRef:
        return _Permuted(self, dims, shape)

    def _reshaped(self, shape: tuple[int, ...]) -> TensorRef:
        return _Reshaped(self, shape)

    def _part(self, shape: tuple[int, ...], take: Callable[[Array], Array]) -> TensorRef:
        return _Part(self, take, shape)

    def _axis(self, axis: int) -> int:
        if not -len(self.shape) <= axis < len(self.shape):
            raise ValueError(f"a tensor of shape {self.shape} has no axis {axis}")
        return axis % len(self.shape)


class _Stored(TensorRef):
    """A tensor of an ONNX file."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: onnx_proto.Tensor, dtype: DType) -> None:
        super().__init__(dtype, tensor.shape, tensor.name)
        self._tensor = tensor

    def numpy(self) -> Array:
        return _as_held(_in_torch(self._tensor.numpy(), self.dtype), self.dtype)

    def _chunks(self, block: int) -> Iterator[Bytes]:
        if self.dtype is DType.BOOL:  # which `numpy` checks: torch does not, and goes wrong where it is not 0 or 1
            return super()._chunks(block)
        return self._unpacked(block) if self._tensor.dtype.bits % 8 else self._tensor.chunks(block)

    def _unpacked(self, block: int) -> Iterator[Bytes]:
        """The elements of less than a byte in a byte each; three packed bytes hold whole ones of every such type."""
        bits, left = self._tensor.dtype.bits, self.size
        for packed in self._tensor.chunks(max(block * bits // 24, 1) * 3):
            count = min(len(packed) * 8 // bits, left)
            elements = unpack(np.frombuffer(packed, np.uint8), self._tensor.dtype, count)
            left -= count
            yield from bytes_of(_in_torch(elements, self.dtype), block)


class _Held(TensorRef):
    """A small tensor that was made in memory."""

    __slots__ = ("_array",)

    def __init__(self, array: Array, dtype: DType) -> None:
        super().__init__(dtype, array.shape)
        self._array = array

    def numpy(self) -> Array:
        return self._array


class _Filled(TensorRef):
    """One element, repeated. So is every part of it, in whatever order and shape."""

    __slots__ = ("_element",)

    def __init__(self, element: Array, dtype: DType, shape: tuple[int, ...], name: str = "") -> None:
        super().__init__(dtype, shape, name)
        self._element = element

    def numpy(self) -> Array:
        return np.broadcast_to(self._element, self.shape)

    def is_uniform(self) -> bool:
        return self.size > 0

    def add(self, other: TensorRef) -> TensorRef:
        if not isinstance(other, _Filled) or (self.dtype, self.shape) != (other.dtype, other.shape):
            return super().add(other)
        one = TensorRef.of_array(self._element, self.dtype).add(TensorRef.of_array(other._element, self.dtype))
        return TensorRef.filled(self.shape, self.dtype, one.numpy())

    def _chunks(self, block: int) -> Iterator[Bytes]:
        filled = next(bytes_of(np.full(min(block, self.nbytes) // self.dtype.itemsize, self._element), block), b"")
        for start in range(0, self.nbytes, block):
            yield filled[: self.nbytes - start]

    def _permuted(self, dims: tuple[int, ...], shape: tuple[int, ...]) -> TensorRef:
        return self._reshaped(shape)

    def _reshaped(self, shape: tuple[int, ...]) -> TensorRef:
        return _Filled(self._element, self.dtype, shape, self.name)

    def _part(self, shape: tuple[int, ...], take: Callable[[Array], Array]) -> TensorRef:
        return self._reshaped(shape)


class _Derived(TensorRef):
    """A tensor made from another one whenever it is read."""

    __slots__ = ("_parent",)
    _move: ClassVar[str]

    def __init__(self, parent: TensorRef, shape: tuple[int, ...]) -> None:
        super().__init__(parent.dtype, shape, parent.name)
        self._parent = parent

    @property
    def moves(self) -> frozenset[str]:
        return frozenset(step._move for step in self._steps())

    @abstractmethod
    def _apply(self, array: Array) -> Array:
        """Make the elements from the parent's."""

    def numpy(self) -> Array:
        steps = [*self._steps()]
        array = steps[-1]._parent.numpy()
        for step in reversed(steps):
            array = step._apply(array)
        return _read_only(array)

    def _steps(self) -> Iterator[_Derived]:
        ref: TensorRef = self
        while isinstance(ref, _Derived):
            yield ref
            ref = ref._parent

    def _in_any_order(self) -> TensorRef:
        ref: TensorRef = self
        while isinstance(ref, _Permuted | _Reshaped):
            ref = ref._parent
        return ref


class _Permuted(_Derived):
    """The axes in another order."""

    __slots__ = ("_dims",)
    _move = "permuted"

    def __init__(self, parent: TensorRef, dims: tuple[int, ...], shape: tuple[int, ...]) -> None:
        super().__init__(parent, shape)
        self._dims = dims

    def _apply(self, array: Array) -> Array:
        return array.transpose(self._dims)

    def _permuted(self, dims: tuple[int, ...], shape: tuple[int, ...]) -> TensorRef:
        return self._parent.permute(*(self._dims[dim] for dim in dims))


class _Reshaped(_Derived):
    """The same elements in the same order: they stream as they are."""

    __slots__ = ()
    _move = "reshaped"

    def _apply(self, array: Array) -> Array:
        return array.reshape(self.shape)

    def _chunks(self, block: int) -> Iterator[Bytes]:
        return self._parent._chunks(block)

    def _reshaped(self, shape: tuple[int, ...]) -> TensorRef:
        return self._parent.reshape(*shape)


class _Part(_Derived):
    """Some of the elements."""

    __slots__ = ("_take",)
    _move = "cut"

    def __init__(self, parent: TensorRef, take: Callable[[Array], Array], shape: tuple[int, ...]) -> None:
        super().__init__(parent, shape)
        self._take = take

    def _apply(self, array: Array) -> Array:
        return self._take(array)


def _as_held(array: Array, dtype: DType) -> Array:
    """View an array, read-only, as the numpy type that holds a type's elements."""
    if array.dtype.name == dtype.value and array.dtype != dtype.numpy:  # a type of ml_dtypes
        array = array.astype(dtype.numpy) if dtype.is_int else _in_torch(array.view(dtype.numpy), dtype)
    if array.dtype.newbyteorder("=") != dtype.numpy:
        raise ValueError(f"an array of {array.dtype} does not hold elements of {dtype}")
    return _read_only(array.astype(dtype.numpy, copy=False))


def _in_torch(array: Array, dtype: DType) -> Array:
    """Elements as the file has them as torch's type for them has them."""
    return held_codes(dtype)[array] if dtype.is_float and dtype.held is not dtype else array


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def _words(content: Bytes, dtype: DType) -> Array:
    """Elements as unsigned integers, a row each, which compare bit by bit."""
    width = min(dtype.itemsize, 8)
    return np.frombuffer(content, f"u{width}").reshape(-1, dtype.itemsize // width)


def _has_sums(dtype: DType) -> bool:
    return dtype not in (DType.BOOL, DType.STRING) and not dtype.is_narrow_float and dtype.held is dtype


def _sum(a: Array, b: Array, dtype: DType) -> Array:
    with np.errstate(all="ignore"):
        if dtype is not DType.BFLOAT16:
            return np.asarray(a + b)
        return bfloat16_bits(decoded(a, dtype) + decoded(b, dtype))
