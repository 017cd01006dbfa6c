"""The output folder: which of its files are whose."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from onnx_proto.payload import Identity, identity

from codegen_torch.errors import InputChangedError, OutputExistsError
from codegen_torch.safetensors_file import is_safetensors_of_ours
from codegen_torch.weights import is_weights_file

MARK = "generated  by onnxgen"
_HEAD = 4096
_END = 32 << 20


def written_by_us(path: Path) -> bool:
    """Whether a file of an output folder was written by this program, and not by a person."""
    if path.suffix == ".msgpack":
        return is_weights_file(path)
    if path.suffix in (".safetensors", ".json"):
        return is_safetensors_of_ours(path)
    return begins_with(path, MARK)


def begins_with(path: Path, mark: str) -> bool:
    """Whether a text that tells who wrote a file is in its beginning."""
    with path.open("rb") as file:
        return mark.encode() in file.read(_HEAD)


def fingerprint(path: Path) -> str:
    """What a source says of the file that it is of: the beginning of its hash.

    Of a large file only both ends are hashed, where the graph is and some of the weights: all of it would take twice
    as long as copying it.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= 2 * _END:
            return f"sha256 {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}…"
        digest = hashlib.sha256(file.read(_END))
        file.seek(size - _END)
        digest.update(file.read(_END))
        return f"sha256 {digest.hexdigest()[:16]}… of the first and last 32 MiB"


def check_free(folder: Path, names: list[str], is_ours: Callable[[Path], bool] = written_by_us) -> None:
    """Refuse to overwrite what somebody else wrote.

    Args:
        folder: The folder.
        names: The files that are to be written.
        is_ours: Whether a file that is there was written by this program.

    Raises:
        OutputExistsError: The folder holds a file of one of the names that this program did not write.
    """
    for name in names:
        path = folder / name
        if path.exists() and not (path.is_file() and is_ours(path)):
            raise OutputExistsError(f"{path} exists and was not written by onnxgen; use --force to overwrite it")


def check_not_input(folder: Path, names: list[str], inputs: Iterable[Path]) -> None:
    """Refuse to overwrite what is being converted, whatever name it goes by.

    Raises:
        OutputExistsError: One of the files to be written is one of the inputs.
    """
    for name in names:
        path = folder / name
        for source in inputs:
            if path.exists() and source.exists() and path.samefile(source):
                raise OutputExistsError(f"{path} is what is being converted, and would be overwritten")


def identity_of_file(path: Path) -> Identity | None:
    """What changes when a file does; None where there is no file."""
    try:
        return identity(path.stat())
    except OSError:
        return None


def check_unchanged(inputs: Mapping[Path, Identity | None]) -> None:
    """See that files still are what they were, so that all that was read is of one state.

    Raises:
        InputChangedError: One is not.
    """
    for path, before in inputs.items():
        if identity_of_file(path) != before:
            raise InputChangedError(f"{path} was changed while it was converted; nothing was written")
