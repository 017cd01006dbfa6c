"""Bytes on their way into weights files and out of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from codegen_torch.array_bytes import Array, Bytes
from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError
from codegen_torch.tensors import BLOCK, TensorRef


def counted(
    chunks: Iterable[bytes | memoryview], nbytes: int, name: str, progress: Callable[[int], object] | None
) -> Iterator[memoryview]:
    """Pass chunks on, and see to it that they are as many bytes as was promised.

    Raises:
        ConversionError: They are more or fewer.
    """
    left = nbytes
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            break
        yield memoryview(chunk)
        if progress:
            progress(len(chunk))
    if left:
        raise ConversionError(f"tensor {name!r} does not have the {nbytes} bytes that its type and shape ask for")


class FileRef(TensorRef):
    """A tensor of a weights file, in one or several parts.

    Args:
        path: The file, which must stay as it is.
        parts: Where in it each part starts, and how many bytes it has.
    """

    __slots__ = ("parts", "path")

    def __init__(
        self, path: Path, parts: list[tuple[int, int]], dtype: DType, shape: tuple[int, ...], name: str
    ) -> None:
        super().__init__(dtype, shape, name)
        self.path = path
        self.parts = parts

    def numpy(self) -> Array:
        """Read the elements into a read-only array."""
        content = np.frombuffer(b"".join(self._chunks(BLOCK)), self.dtype.numpy.newbyteorder("<"))
        return content.reshape(self.shape)

    def _chunks(self, block: int) -> Iterator[Bytes]:
        with self.path.open("rb") as file:
            for offset, length in self.parts:
                file.seek(offset)
                for start in range(0, length, block):
                    yield file.read(min(block, length - start))
