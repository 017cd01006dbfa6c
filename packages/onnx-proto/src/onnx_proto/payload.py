"""Where the bytes of a tensor are, and how to read them: in memory, or a stretch of a file."""

import os
import stat
from collections.abc import Iterator, Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np

from onnx_proto.errors import FormatError

Buffer: TypeAlias = bytes | bytearray | memoryview
Identity: TypeAlias = tuple[int, int, int, int]


class Payload(Protocol):
    """The bytes of one tensor of fixed-width elements: row-major, little-endian, elements below a byte packed."""

    @property
    def nbytes(self) -> int:
        """Number of bytes, known without reading."""

    def read(self) -> Buffer:
        """All bytes, read-only; in memory ones without a copy."""

    def chunks(self, size: int) -> Iterator[memoryview]:
        """The bytes in order, in pieces of `size`; only the last may be shorter."""

    def pieces(self, offsets: Sequence[int], length: int) -> Buffer:
        """The `length` bytes at each of the offsets, one piece after another, read-only."""


class InMemory(NamedTuple):
    """Bytes in memory."""

    data: Buffer

    @property
    def nbytes(self) -> int:
        """Number of bytes."""
        return len(self.data)

    def read(self) -> Buffer:
        """The bytes themselves."""
        return self.data

    def chunks(self, size: int) -> Iterator[memoryview]:
        """Views of the bytes."""
        view = memoryview(self.data)
        for start in range(0, len(view), size):
            yield view[start : start + size]

    def pieces(self, offsets: Sequence[int], length: int) -> Buffer:
        """A copy of the pieces."""
        view = memoryview(self.data)
        return b"".join(view[offset : offset + length] for offset in offsets)

    def __reduce__(self) -> "tuple[type[InMemory], tuple[bytes]]":
        """Copies and pickles hold bytes of their own: a view of a model's cannot leave the process."""
        return InMemory, (bytes(self.data),)


class DataFile(Protocol):
    """A file that can be opened again and again."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def open(self) -> FileIO:
        """Opens the file, unbuffered, positioned anywhere."""


class InFile(NamedTuple):
    """A stretch of a file, opened anew by each read, so that a model holds no file open."""

    file: DataFile
    offset: int
    nbytes: int

    def read(self) -> Buffer:
        """Reads the stretch; memory is taken when the file is known to be as long as that."""
        with self.file.open() as opened:
            data = _room(self.nbytes)
            self._read_into(opened, self.offset, data)
        return data.toreadonly()

    def chunks(self, size: int) -> Iterator[memoryview]:
        """Reads piece by piece, each into memory of its own."""
        with self.file.open() as opened:
            for start in range(0, self.nbytes, size):
                data = bytearray(min(size, self.nbytes - start))
                self._read_into(opened, self.offset + start, memoryview(data))
                yield memoryview(data).toreadonly()

    def pieces(self, offsets: Sequence[int], length: int) -> Buffer:
        """Reads the pieces, each by a read of its own."""
        with self.file.open() as opened:
            data = _room(len(offsets) * length)
            for start, offset in zip(range(0, len(data), length), offsets, strict=True):
                self._read_into(opened, self.offset + offset, data[start : start + length])
        return data.toreadonly()

    def _read_into(self, opened: FileIO, offset: int, buffer: memoryview) -> None:
        try:
            read_into(opened, offset, buffer)
        except FormatError as error:
            raise error.in_file(str(self.file.path)) from error.__cause__


def _room(nbytes: int) -> memoryview:
    """Memory that is not filled with zeros first, which takes as long as reading does."""
    return np.empty(nbytes, np.uint8).data


class ModelFile:
    """The model's own file, which must not change between loading and reading."""

    def __init__(self, path: Path) -> None:
        """Notes the file's identity.

        Raises:
            FormatError: Not a regular file.
            OSError: It cannot be read.
        """
        self.path = path
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FormatError("not a regular file")
        self.size = status.st_size
        self._identity = identity(status)

    def open(self) -> FileIO:
        """Opens the file.

        Raises:
            FormatError: It is gone, or is not what it was.
        """
        try:
            opened = self.path.open("rb", buffering=0)
        except OSError as error:
            raise FormatError(f"cannot be read any more: {error.strerror}", file=str(self.path)) from error
        if identity(os.fstat(opened.fileno())) != self._identity:
            opened.close()
            raise FormatError("the file has changed since it was loaded", file=str(self.path))
        return opened


def identity(status: os.stat_result) -> Identity:
    """What changes when a file does."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_into(opened: FileIO, offset: int, buffer: memoryview) -> None:
    """Fills `buffer` from `offset` on, by positioned reads where the system has them.

    Read, not mapped: a mapped file that somebody truncates kills the process.

    Raises:
        FormatError: The file ends before, or the system fails to read it.
    """
    read_at = _preadv if hasattr(os, "preadv") else _seek_and_read
    filled = 0
    try:
        while filled < len(buffer):
            count = read_at(opened, offset + filled, buffer[filled:])
            if not count:
                raise FormatError(f"the file ends {len(buffer) - filled} bytes early, at byte {offset + filled}")
            filled += count
    except OSError as error:
        raise FormatError(f"cannot be read at byte {offset + filled}: {error.strerror}") from error


def _preadv(opened: FileIO, offset: int, buffer: memoryview) -> int:
    return os.preadv(opened.fileno(), [buffer], offset)


def _seek_and_read(opened: FileIO, offset: int, buffer: memoryview) -> int | None:
    opened.seek(offset)
    return opened.readinto(buffer)
