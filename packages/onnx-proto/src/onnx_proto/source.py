"""Where a serialized model is: in memory or in a file."""

from pathlib import Path
from types import TracebackType
from typing import Self

from onnx_proto.payload import InFile, InMemory, ModelFile, Payload, read_into


class MemorySource:
    """A serialized model in memory; payloads are views of it."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._view = memoryview(data)

    def read(self, start: int, end: int) -> memoryview:
        """The bytes from `start` up to `end`."""
        return self._view[start:end]

    def payload(self, offset: int, length: int) -> Payload:
        """A payload of `length` bytes that starts at `offset`."""
        return InMemory(self._view[offset : offset + length])


class FileSource:
    """A model file, held open only inside a ``with`` block; payloads outlive it."""

    def __init__(self, path: Path) -> None:
        """Raises FormatError for anything but a regular file, OSError if it cannot be read."""
        self._file = ModelFile(path)
        self.size = self._file.size

    def __enter__(self) -> Self:
        self._opened = self._file.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def read(self, start: int, end: int) -> bytearray:
        """The bytes from `start` up to `end`."""
        data = bytearray(end - start)
        read_into(self._opened, start, memoryview(data))
        return data

    def payload(self, offset: int, length: int) -> Payload:
        """A payload of `length` bytes that starts at `offset`."""
        return InFile(self._file, offset, length)
