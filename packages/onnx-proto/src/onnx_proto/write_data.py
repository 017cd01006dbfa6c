"""Files that appear whole or not at all, and the one of a model's external data."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from onnx_proto.tensor import Strings, Tensor

ALIGNMENT: Final = 4096
"""Tensors start at multiples of a page, so that runtimes can map them (``TensorProto.external_data``)."""


class ExternalWriter:
    """Appends the elements of tensors to a file, piece by piece."""

    def __init__(self, file: BinaryIO, location: str, size_threshold: int) -> None:
        """For a file that the model calls `location`, and for tensors of `size_threshold` bytes and more."""
        self._file = file
        self._location = location
        self._size_threshold = size_threshold

    def takes(self, tensor: Tensor) -> bool:
        """Whether the elements belong in the file; strings and empty tensors never do."""
        return tensor.nbytes >= max(self._size_threshold, 1) and not isinstance(tensor._payload, Strings)

    def write(self, tensor: Tensor) -> dict[str, str]:
        """Writes the elements.

        Returns:
            The entries of ``TensorProto.external_data`` that say where.
        """
        offset = -(-self._file.tell() // ALIGNMENT) * ALIGNMENT
        self._file.seek(offset)
        for piece in tensor.chunks():
            self._file.write(piece)
        return {"location": self._location, "offset": str(offset), "length": str(tensor.nbytes)}


def check_file_name(name: str, model_path: Path) -> None:
    """Refuses a name that would put external data elsewhere than beside the model file.

    Raises:
        ValueError: It is a path, or the model's own name.
    """
    if name in ("", ".", "..") or set(name) & set("/\\:\0"):
        raise ValueError(f"external_data is {name!r}, expected the bare name of a file beside the model")
    if name == model_path.name:
        raise ValueError(f"external_data is {name!r}, which is the model file")


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a new file that takes the place of `path` when the block ends, and vanishes if it fails."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
