"""The weights file: one MessagePack map that any reader decodes, laid out so that tensors can be mapped from it.

    {"format": "onnxgen-weights", "version": 1, "model_id": 16 digits,
     "tensors": {name: {"dtype", "shape", "offset": u64, "nbytes": u64, "blob": u32}, ...},
     "blobs": [pad, data, pad, data, ...]}

A tensor is a `data` entry: its elements, little-endian, in C order. `offset` is where in the file they start, a
multiple of 64, which is what the `pad` entries are for; `blob` is the index of the entry in `blobs`; `dtype` is torch's
name of the type, or of the type that torch holds such elements in. An entry ends at 4 GiB, so a larger tensor is
several `data` entries in a row, all but the last of them 2³² − 64 bytes long, and thus 2³² bytes apart. Tensors lie in
the file in the order in which they are listed. A tensor that goes by several names, as tied parameters do, is there
once, where the first of them is. `model_id` tells with which `model.py` the file was written; a file that was not
written with one has no such entry.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeAlias

import msgpack  # type: ignore[import-untyped]

from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError
from codegen_torch.identity import DIGITS, is_model_id
from codegen_torch.streams import FileRef, counted
from codegen_torch.tensors import TensorRef

StrPath: TypeAlias = str | os.PathLike[str]

FORMAT = "onnxgen-weights"
VERSION = 1
ALIGNMENT = 64
HEADER_LIMIT = 256 << 20
"""The most bytes before the first tensor: names and shapes of some two million of them."""

_BLOB_BYTES = 2**32 - ALIGNMENT  # the longest MessagePack binary that leaves the next one aligned
_DATA_PREFIX = 5  # bin32: a type byte and the length
_PAD_PREFIX = 2  # bin8


class WeightsFileError(ConversionError):
    """A file is not a whole and consistent weights file."""


class Entry(NamedTuple):
    """Where a tensor lies in a weights file.

    Attributes:
        dtype: The type of the elements.
        shape: The dimensions.
        offset: Where in the file its bytes start.
        nbytes: How many they are, the gaps between several blobs not counted.
        blob: The index of the first of them in `blobs`.
    """

    dtype: DType
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    blob: int


def write_msgpack(
    path: StrPath,
    tensors: Mapping[str, TensorRef],
    progress: Callable[[int], object] | None = None,
    model_id: str | None = None,
) -> int:
    """Stream tensors into a weights file, with one block of one tensor in memory at a time.

    Args:
        path: The file to write, or overwrite.
        tensors: What it shall hold, by name, in this order. One reference under several names is written once.
        progress: Is told the number of bytes after each block.
        model_id: The identity of the ``model.py`` that is written with it, if one is.

    Returns:
        The size of the file in bytes.

    Raises:
        ConversionError: A tensor has no fixed-size elements, or does not give as many bytes as its shape says.
        OSError: The file cannot be written.
    """
    for name, tensor in tensors.items():
        if tensor.dtype is DType.STRING:
            raise ConversionError(f"tensor {name!r} holds strings, which a weights file cannot")
    first: dict[TensorRef, str] = {}
    shared = {name: first[ref] for name, ref in tensors.items() if first.setdefault(ref, name) != name}
    entries = _lay_out({name: (ref.dtype.held, ref.shape) for name, ref in tensors.items()}, shared, model_id)
    with Path(path).open("wb") as file:
        file.write(_header(entries, shared, model_id))
        for name, entry in entries.items():
            if name in shared:
                continue
            _write_blobs(file, entry, counted(tensors[name].chunks(), entry.nbytes, name, progress))
        return file.tell()


def read_index(path: StrPath) -> dict[str, Entry]:
    """List what a weights file holds, and check that all of it is there, in order and without overlap.

    Raises:
        WeightsFileError: This is no weights file, or it is damaged.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            return _checked_index(file, os.fstat(file.fileno()).st_size)
        except (ValueError, TypeError, KeyError, msgpack.UnpackException) as error:
            raise WeightsFileError(f"{path} is not a whole weights file: {str(error) or 'it ends early'}") from None


def read_msgpack(path: StrPath) -> dict[str, FileRef]:
    """Refer to the tensors of a weights file; all of it is checked, as by `read_index`.

    Raises:
        WeightsFileError: This is no weights file, or it is damaged.
        OSError: The file cannot be read.
    """
    made: dict[int, FileRef] = {}
    return {
        name: made.setdefault(entry.blob, FileRef(Path(path), list(_blobs(entry)), entry.dtype, entry.shape, name))
        for name, entry in read_index(path).items()
    }


def is_weights_file(path: StrPath) -> bool:
    """Whether a file begins as `write_msgpack` lets it begin."""
    if not Path(path).is_file():
        return False
    try:
        read_model_id(path)
    except WeightsFileError:
        return False
    return True


def read_model_id(path: StrPath) -> str | None:
    """The identity of the ``model.py`` that a weights file was written with, if it was written with one.

    Raises:
        WeightsFileError: This is no weights file.
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            return _read_start(file)
        except ValueError as error:
            raise WeightsFileError(f"{path} is not a whole weights file: {error}") from None


def _start(model_id: str | None) -> bytes:
    """The beginning of a file, to where its list of tensors is."""
    fields = {"format": FORMAT, "version": VERSION} | ({"model_id": model_id} if model_id else {})
    words = [word for item in fields.items() for word in item]
    packer = msgpack.Packer()
    return b"".join([packer.pack_map_header(len(fields) + 2), *map(packer.pack, (*words, "tensors"))])


def _read_start(file: BinaryIO) -> str | None:
    """Read a file to where its list of tensors is; returns the model's identity that stands before it."""
    plain, identified = _start(None), _start("0" * DIGITS)
    start = file.read(len(identified))
    if start.startswith(plain):
        file.seek(len(plain))
        return None
    model_id = start[identified.index(b"0" * DIGITS) :][:DIGITS].decode("ascii", "replace")
    if not is_model_id(model_id) or start != _start(model_id):
        raise ValueError(f"it does not begin as one of version {VERSION} does")
    return model_id


def _lay_out(
    tensors: Mapping[str, tuple[DType, tuple[int, ...]]], shared: Mapping[str, str], model_id: str | None
) -> dict[str, Entry]:
    """Give every tensor its place, one after another, and every further name of one the same place."""
    entries = {
        name: Entry(dtype, shape, 0, math.prod(shape) * dtype.itemsize, 0) for name, (dtype, shape) in tensors.items()
    }
    end = len(
        _header(entries, shared, model_id)
    )  # the same wherever the tensors are: those integers have a fixed width
    blob = 1
    for name, entry in entries.items():
        if name in shared:
            entries[name] = entries[shared[name]]
            continue
        entries[name] = entry._replace(offset=_next_offset(end), blob=blob)
        blobs = list(_blobs(entries[name]))
        end = sum(blobs[-1])
        blob += 2 * len(blobs)
    return entries


def _next_offset(end: int) -> int:
    """Where the data begin that follow something that ends here: behind both prefixes, aligned."""
    return -(-(end + _PAD_PREFIX + _DATA_PREFIX) // ALIGNMENT) * ALIGNMENT


def _blobs(entry: Entry) -> Iterator[tuple[int, int]]:
    """Where each of the blobs of a tensor starts, and how long it is; an empty tensor has one too."""
    offset = entry.offset
    for done in range(0, max(entry.nbytes, 1), _BLOB_BYTES):
        length = min(entry.nbytes - done, _BLOB_BYTES)
        yield offset, length
        offset = _next_offset(offset + length)


def _header(entries: Mapping[str, Entry], shared: Mapping[str, str], model_id: str | None) -> bytes:
    """Everything before the first blob."""
    packer = msgpack.Packer()
    pack = packer.pack
    blobs = sum(2 for name, entry in entries.items() if name not in shared for _ in _blobs(entry))
    dtype, shape, offset, nbytes, blob = (pack(key) for key in Entry._fields)
    parts = [_start(model_id), packer.pack_map_header(len(entries))]
    for name, entry in entries.items():
        parts += (
            pack(name),
            packer.pack_map_header(5),
            *(dtype, pack(entry.dtype.value)),
            *(shape, pack(entry.shape)),
            *(offset, b"\xcf", entry.offset.to_bytes(8, "big")),
            *(nbytes, b"\xcf", entry.nbytes.to_bytes(8, "big")),
            *(blob, b"\xce", entry.blob.to_bytes(4, "big")),
        )
    parts += pack("blobs"), packer.pack_array_header(blobs)
    return b"".join(parts)


def _write_blobs(file: BinaryIO, entry: Entry, chunks: Iterator[memoryview]) -> None:
    chunk = memoryview(b"")
    for offset, length in _blobs(entry):
        file.write(_prefix(file.tell(), offset, length))
        left = length
        while left:
            chunk = chunk or next(chunks)
            written = file.write(chunk[:left])
            left, chunk = left - written, chunk[written:]
    for _ in chunks:  # there are none, or they complain
        pass


def _prefix(end: int, offset: int, length: int) -> bytes:
    """What stands between two blobs: the padding, and the second one's length."""
    pad = offset - end - _PAD_PREFIX - _DATA_PREFIX
    return b"\xc4" + bytes([pad]) + bytes(pad) + b"\xc6" + length.to_bytes(4, "big")


def _checked_index(file: BinaryIO, size: int) -> dict[str, Entry]:
    model_id = _read_start(file)
    limited = _Limited(file, HEADER_LIMIT)
    # An entry has two bytes at least, and none is made room for before it is read.
    tensors = msgpack.Unpacker(limited, max_map_len=HEADER_LIMIT // 2, max_array_len=1024).unpack()
    if not isinstance(tensors, dict):
        raise TypeError("its list of tensors is no map")
    found = {name: _checked_entry(name, fields, size) for name, fields in tensors.items()}

    # A file has but one right layout, so that what differs from it is wrong: order, overlap, alignment, repeated names.
    first: dict[int, str] = {}
    shared = {name: first[entry.blob] for name, entry in found.items() if first.setdefault(entry.blob, name) != name}
    right = _lay_out({name: (entry.dtype, entry.shape) for name, entry in found.items()}, shared, model_id)
    for name, entry in right.items():
        if found[name] != entry:
            raise ValueError(f"tensor {name!r} is said to be at {found[name].offset}, but belongs at {entry.offset}")
    header = _header(right, shared, model_id)
    file.seek(0)
    if file.read(len(header)) != header:
        raise ValueError("its header is not what its tensors ask for")

    end = len(header)
    for name, entry in right.items():
        for offset, length in () if name in shared else _blobs(entry):
            prefix = _prefix(end, offset, length)
            file.seek(end)
            if file.read(len(prefix)) != prefix:
                raise ValueError(f"tensor {name!r} does not begin at {offset} as it should")
            end = offset + length
    if end != size:
        raise ValueError(f"it has {size} bytes instead of {end}")
    return right


class _Limited:
    """A file that ends, with an error, where no header does."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._left = limit

    def read(self, count: int) -> bytes:
        self._left -= count
        if self._left < 0:
            raise ValueError("its header is longer than any is")
        return self._file.read(count)


def _checked_entry(name: object, fields: Any, size: int) -> Entry:
    if type(name) is not str or type(fields) is not dict:
        raise ValueError(f"tensor {name!r} is not described by a map")
    dtype = DType(fields["dtype"])
    if dtype.held is not dtype:
        raise ValueError(f"tensor {name!r} is of type {dtype.value}, which torch holds in another")
    shape = tuple(fields["shape"])
    if dtype is DType.STRING or len(shape) > 64 or not all(type(dim) is int and dim >= 0 for dim in shape):
        raise ValueError(f"tensor {name!r} cannot be of type {dtype.value} and shape {list(shape)}")
    entry = Entry(dtype, shape, fields["offset"], fields["nbytes"], fields["blob"])
    if entry.nbytes != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"tensor {name!r} has {entry.nbytes} bytes, which is not what its type and shape ask for")
    if entry.offset + entry.nbytes > size:
        raise ValueError(f"tensor {name!r} ends beyond the end of the file")
    return entry
