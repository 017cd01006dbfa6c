"""External data: tensors whose bytes lie in a file beside the model.

The model file is not trusted. It may name only regular files beneath the model's folder, or beneath the folder that the
model file really lies in (model hubs keep a folder of symlinks into a folder of blobs).
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import FileIO
from pathlib import Path, PurePosixPath

from onnx_proto.beneath import open_beneath
from onnx_proto.errors import ExternalDataError, quoted
from onnx_proto.payload import Identity, identity

_KNOWN_KEYS = ("location", "offset", "length", "checksum", "basepath")


@dataclass(frozen=True, slots=True)
class ExternalData:
    """What the model file says about a tensor's external data.

    Attributes:
        location: Path relative to the model's folder, with forward slashes.
        offset: First byte of the tensor in that file.
        length: Number of bytes; None where the file does not say, then the tensor reaches to the end of its file.
        checksum: SHA-1 of the whole file as hexadecimal text, as stated; "" if not stated. Reading a tensor does not
            check it, because that takes the whole file; `onnx_proto.verify_external_data` does.
    """

    location: str
    offset: int = 0
    length: int | None = None
    checksum: str = ""


def parse_entries(entries: Iterable[tuple[str, str]]) -> ExternalData:
    """Reads the key-value pairs of ``TensorProto.external_data``.

    ``basepath`` is written by some tools for their own use and ignored.

    Raises:
        ExternalDataError: A key is unknown, repeated or missing, a number is not one, or the location is not a plain
            relative path.
    """
    values: dict[str, str] = {}
    for key, value in entries:
        if key not in _KNOWN_KEYS:
            raise ExternalDataError(f"unknown key {quoted(key)}; known are {', '.join(_KNOWN_KEYS)}")
        if key in values:
            raise ExternalDataError(f"key {quoted(key)} is given twice")
        values[key] = value
    if "location" not in values:
        raise ExternalDataError("no location is given")
    length = values.get("length")
    return ExternalData(
        location=_checked_location(values["location"]),
        offset=_natural_number("offset", values.get("offset", "0")),
        length=None if length is None else _natural_number("length", length),
        checksum=values.get("checksum", ""),
    )


def _natural_number(key: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 19):
        raise ExternalDataError(f"{key} is {quoted(text)}, expected a number of bytes")
    return int(text)


def _checked_location(location: str) -> str:
    parts = PurePosixPath(location).parts
    if not parts:
        raise ExternalDataError(f"location {quoted(location)} names no file")
    if location.startswith(("/", "\\")) or Path(location).is_absolute() or (len(location) > 1 and location[1] == ":"):
        raise ExternalDataError(f"location {quoted(location)} is absolute, expected a path beneath the model's folder")
    if ".." in parts or ".." in location.split("\\"):
        raise ExternalDataError(
            f'location {quoted(location)} contains "..", expected a path beneath the model\'s folder'
        )
    if "\0" in location:
        raise ExternalDataError(f"location {quoted(location)} contains a NUL character")
    return location


@dataclass(frozen=True, slots=True)
class Folders:
    """Where external data may lie.

    Attributes:
        base: The folder that locations are relative to.
        allowed: Real paths of the folders that the data must lie beneath.
        seen: What each file was when it was first opened.
    """

    base: Path
    allowed: tuple[Path, ...]
    seen: dict[str, Identity] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of_model(cls, path: Path) -> "Folders":
        """For a model file: its folder, and the folder its symlink leads to."""
        base = path.parent
        return cls(base, tuple(dict.fromkeys((base.resolve(), path.resolve().parent))))

    @classmethod
    def of_directory(cls, directory: Path) -> "Folders":
        """For a model that did not come from a file."""
        return cls(directory, (directory.resolve(),))


@dataclass(frozen=True, slots=True)
class ExternalFile:
    """The file of some external data, and how many bytes of it the tensor claims."""

    folders: Folders | None
    data: ExternalData
    nbytes: int

    @property
    def path(self) -> Path:
        """Where the model says that the file is."""
        return (self.folders.base if self.folders else Path()) / self.data.location

    def open(self) -> FileIO:
        """Opens the file after checking that it is one the model may name.

        Raises:
            ExternalDataError: It is not, or it is missing, too short, or not what it was when it was first opened.
        """
        if self.folders is None:
            raise ExternalDataError(f"lies in {quoted(self.data.location)}, but the model was loaded without a folder")
        path = self.path
        try:
            descriptor = _open(self.folders, path)
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of symlinks
            reason = error.strerror if isinstance(error, OSError) else "a loop of symbolic links"
            raise ExternalDataError(f"cannot open the file: {reason}", file=str(path)) from error
        try:
            status = os.fstat(descriptor)
            self._check(status)
            if self.folders.seen.setdefault(self.data.location, identity(status)) != identity(status):
                raise ExternalDataError("the file has changed since it was first read")
        except ExternalDataError as error:
            os.close(descriptor)
            raise error.in_file(str(path)) from None
        return os.fdopen(descriptor, "rb", buffering=0)

    def _check(self, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise ExternalDataError("not a regular file")
        if status.st_nlink > 1:
            # A hard link can give any file on the disk a name beneath the model's folder.
            raise ExternalDataError("the file has several names (hard links), expected a file of its own; copy it")
        available = status.st_size - self.data.offset
        if self.data.length is None and available != self.nbytes:
            raise ExternalDataError(
                f"from byte {self.data.offset} to its end the file holds {max(available, 0)} bytes, "
                f"the tensor's shape needs {self.nbytes}"
            )
        if available < self.nbytes:
            raise ExternalDataError(
                f"bytes {self.data.offset} to {self.data.offset + self.nbytes} lie beyond the end of the file, "
                f"which has {status.st_size}"
            )


def _open(folders: Folders, path: Path) -> int:
    """Opens the real file behind `path`, if it lies beneath an allowed folder.

    The real path has no links left, and none is followed when it is opened, so that putting one there after the check
    gains nothing.
    """
    real = path.resolve(strict=True)
    root = next((folder for folder in folders.allowed if real.is_relative_to(folder)), None)
    if root is None:
        raise ExternalDataError("the file lies outside the model's folder (by a symbolic link)", file=str(path))
    return open_beneath(root, *(real.relative_to(root).parts or (".",)))
