"""Constant tensors on their way from the model file to the weights file, by reference."""

from __future__ import annotations

import hashlib
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
import onnx_proto
from onnx_proto.packing import unpack

from codegen_torch.array_bytes import Array, Bytes, bytes_of
from codegen_torch.dtypes import DType
from codegen_torch.elements import as_held, has_sums, in_torch, read_only, total, words
from codegen_torch.errors import ConversionError
from codegen_torch.minifloats import encoded

BLOCK = 4 << 20
"""Bytes that are in memory at once while a tensor streams."""
_WINDOW = 64 << 20, 256 << 20
"""Bytes of a tensor that are in memory at once while it streams in another order: at least and at most."""
_PIECE = 4096
"""Bytes that one read should get: reads of fewer cost more than what they read."""
_SAMPLES = 61
"""Elements that are looked at before tensors are compared in full."""


class TensorRef(ABC):
    """A constant tensor that is read only when, and only as far as, someone looks at it.

    References are values without content: equal to themselves alone, cheap to derive from each other, and safe as
    dict keys. Wherever numpy is involved, floats that it lacks are held as the bits of torch's type for them.

    Attributes:
        dtype: The type of the elements.
        shape: The dimensions, outermost first.
        name: The name of the initializer this came from, or "".
    """

    __slots__ = ("_digest", "_sample", "dtype", "name", "shape")

    def __init__(self, dtype: DType, shape: tuple[int, ...], name: str = "") -> None:
        self.dtype = dtype
        self.shape = shape
        self.name = name
        self._digest: bytes | None = None
        self._sample: bytes | None = None

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
        return _Held(as_held(array, dtype), dtype)

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
            element = as_held(np.asarray(value), dtype).reshape(())
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
        return self._part(_Cut(self, (*self.shape[:axis], *self.shape[axis + 1 :]), axis, index % self.shape[axis], 1))

    def slice(self, axis: int, start: int, stop: int) -> TensorRef:
        """The part from `start` up to, not including, `stop` of an axis; both count as in a Python slice."""
        axis = self._axis(axis)
        positions = range(self.shape[axis])[start:stop]
        shape = (*self.shape[:axis], len(positions), *self.shape[axis + 1 :])
        return self._part(_Cut(self, shape, axis, positions.start, len(positions)))

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
        order = tuple(order_of_blocks)
        if not all(0 <= block < blocks for block in order):
            raise IndexError(f"{list(order)} names a block that is not among the {blocks}")
        shape = (len(order) * (self.shape[0] // blocks), *self.shape[1:])
        return self._part(_Rows(self, shape, order, blocks))

    def add(self, other: TensorRef) -> TensorRef:
        """The sum with another tensor, rounded to their type. Both are read here: this is for biases.

        Raises:
            ValueError: The types or shapes differ, or the elements are no numbers.
        """
        if (self.dtype, self.shape) != (other.dtype, other.shape) or not has_sums(self.dtype):
            raise ValueError(f"cannot add {other} to {self}")
        return TensorRef.of_array(total(self.numpy(), other.numpy(), self.dtype), self.dtype)

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
        start = words(next(source.chunks(256)), self.dtype)  # which settles it nearly always
        if (start != start[0]).any():
            return False
        return all((words(chunk, self.dtype) == start[0]).all() for chunk in source.chunks())

    def digest(self) -> bytes:
        """A hash of type, shape and elements: equal for equal tensors, whatever they come from."""
        if self._digest is None:
            self._digest = self._hash()
        return self._digest

    def sample(self) -> bytes:
        """A few dozen elements, spread evenly: equal for equal tensors of one type and shape, and cheap to read."""
        if self._sample is None:
            last = self.size - 1
            positions = [last * number // (_SAMPLES - 1) for number in range(_SAMPLES)] if last >= 0 else []
            self._sample = repr(self._at(np.array(positions, np.int64)).tolist()).encode()
        return self._sample

    def equals(self, other: TensorRef) -> bool:
        """Whether type, shape and all elements are the same, bit by bit; tensors are read only if samples agree."""
        if self is other:
            return True
        if (self.dtype, self.shape) != (other.dtype, other.shape):
            return False
        return _made_alike(self, other) or (self.sample() == other.sample() and self.digest() == other.digest())

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

    def _at(self, positions: Array) -> Array:
        """The elements at positions in C order."""
        return self.numpy().flat[positions]

    def _in_any_order(self) -> TensorRef:
        """A tensor with the same elements that is cheaper to stream."""
        return self

    def _permuted(self, dims: tuple[int, ...], shape: tuple[int, ...]) -> TensorRef:
        return _Permuted(self, dims, shape)

    def _reshaped(self, shape: tuple[int, ...]) -> TensorRef:
        return _Reshaped(self, shape)

    def _part(self, part: _Derived) -> TensorRef:
        return part

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
        return as_held(in_torch(self._tensor.numpy(), self.dtype), self.dtype)

    @property
    def has_plain_bytes(self) -> bool:
        """Whether the file has the elements as torch does, so that some can be read without the rest."""
        is_plain = self.dtype.held is self.dtype and self.dtype not in (DType.BOOL, DType.STRING)
        return is_plain and self._tensor.dtype.bits % 8 == 0 and not self._tensor.is_loaded

    def window(self, axis: int, start: int, count: int) -> Array:
        """Read so many positions of an axis, and no others, of a tensor that has plain bytes."""
        inner = math.prod(self.shape[axis + 1 :]) * self.dtype.itemsize
        offsets = range(start * inner, self.nbytes, self.shape[axis] * inner)
        content = self._tensor.pieces(offsets, count * inner)
        shape = (*self.shape[:axis], count, *self.shape[axis + 1 :])
        return np.frombuffer(content, self.dtype.numpy.newbyteorder("<")).reshape(shape)

    def _at(self, positions: Array) -> Array:
        if not self.has_plain_bytes:
            return super()._at(positions)
        itemsize = self.dtype.itemsize
        content = self._tensor.pieces([position * itemsize for position in positions.tolist()], itemsize)
        return np.frombuffer(content, self.dtype.numpy.newbyteorder("<"))

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
            yield from bytes_of(in_torch(elements, self.dtype), block)


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

    def _part(self, part: _Derived) -> TensorRef:
        return self._reshaped(part.shape)

    def _at(self, positions: Array) -> Array:
        return np.broadcast_to(self._element, positions.shape)


class _Derived(TensorRef):
    """A tensor made from another one whenever it is read."""

    __slots__ = ("_how", "_parent")
    _move: ClassVar[str]

    def __init__(self, parent: TensorRef, shape: tuple[int, ...], how: tuple[object, ...] = ()) -> None:
        super().__init__(parent.dtype, shape, parent.name)
        self._parent = parent
        self._how = how  # what tells it from others of its kind and shape

    @property
    def moves(self) -> frozenset[str]:
        return frozenset(step._move for step in self._steps())

    @abstractmethod
    def _apply(self, array: Array) -> Array:
        """Make the elements from the parent's."""

    def _origins(self, positions: Array) -> Array:
        """Where the parent has the elements at these positions, in C order both."""
        return positions

    def _at(self, positions: Array) -> Array:
        for step in self._steps():
            positions = step._origins(positions)
        return step._parent._at(positions)

    def numpy(self) -> Array:
        steps = [*self._steps()]
        array = steps[-1]._parent.numpy()
        for step in reversed(steps):
            array = step._apply(array)
        return read_only(array)

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
        super().__init__(parent, shape, dims)
        self._dims = dims

    def _apply(self, array: Array) -> Array:
        return array.transpose(self._dims)

    def _origins(self, positions: Array) -> Array:
        place = dict(zip(self._dims, np.unravel_index(positions, self.shape), strict=True))
        return np.ravel_multi_index([place[dim] for dim in range(len(place))], self._parent.shape)

    def _chunks(self, block: int) -> Iterator[Bytes]:
        """A large tensor of a file is read a window at a time: as many positions of what becomes the first axis."""
        outer = self._dims[0]
        count = self._parent.shape[outer]
        pieces = math.prod(self._parent.shape[:outer])
        window = min(max(_WINDOW[0], pieces * _PIECE), _WINDOW[1])
        if self.nbytes <= window or not isinstance(self._parent, _Stored) or not self._parent.has_plain_bytes:
            yield from super()._chunks(block)
            return
        step = max(window * count // self.nbytes, 1)
        for start in range(0, count, step):
            yield from bytes_of(
                self._parent.window(outer, start, min(step, count - start)).transpose(self._dims), block
            )

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


class _Cut(_Derived):
    """Some positions of an axis, in a row, or one of them without that axis."""

    __slots__ = ("_axis_cut", "_count", "_start")
    _move = "cut"

    def __init__(self, parent: TensorRef, shape: tuple[int, ...], axis: int, start: int, count: int) -> None:
        super().__init__(parent, shape, (axis, start))
        self._axis_cut = axis
        self._start = start
        self._count = count

    def _apply(self, array: Array) -> Array:
        where = (slice(None),) * self._axis_cut + (slice(self._start, self._start + self._count),)
        return array[where].reshape(self.shape)

    def _origins(self, positions: Array) -> Array:
        inner = math.prod(self._parent.shape[self._axis_cut + 1 :])
        outer, rest = np.divmod(positions, self._count * inner)
        return (outer * self._parent.shape[self._axis_cut] + self._start) * inner + rest


class _Rows(_Derived):
    """Blocks of rows in another order."""

    __slots__ = ("_blocks", "_order")
    _move = "cut"

    def __init__(self, parent: TensorRef, shape: tuple[int, ...], order: tuple[int, ...], blocks: int) -> None:
        super().__init__(parent, shape, (order, blocks))
        self._order = order
        self._blocks = blocks

    def _apply(self, array: Array) -> Array:
        split = (self._blocks, array.shape[0] // self._blocks, *array.shape[1:])
        return array.reshape(split)[list(self._order)].reshape(self.shape)

    def _origins(self, positions: Array) -> Array:
        block, rest = np.divmod(positions, self._parent.size // self._blocks)
        return np.array(self._order)[block] * (self._parent.size // self._blocks) + rest


def _made_alike(a: TensorRef, b: TensorRef) -> bool:
    """Whether two tensors are the same one of the file, moved in the same way."""
    while isinstance(a, _Derived) and isinstance(b, _Derived):
        if type(a) is not type(b) or a.shape != b.shape or a._how != b._how:
            return False
        a, b = a._parent, b._parent
    return a is b
