"""The output folder: what is written, and how it never ends up half-written."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from codegen_torch.errors import OutputExistsError
from codegen_torch.weights import is_weights_file

MARK = "generated  by onnxgen"
_HEAD = 4096


def written_by_us(path: Path) -> bool:
    """Whether a file of an output folder was written by this program, and not by a person."""
    if path.suffix == ".msgpack":
        return is_weights_file(path)
    with path.open("rb") as file:
        return MARK.encode() in file.read(_HEAD)


def check_free(folder: Path, names: list[str]) -> None:
    """Refuse to overwrite what somebody else wrote.

    Raises:
        OutputExistsError: The folder holds a file of one of the names that this program did not write.
    """
    for name in names:
        path = folder / name
        if path.exists() and not (path.is_file() and written_by_us(path)):
            raise OutputExistsError(f"{path} exists and was not written by onnxgen; use --force to overwrite it")


@contextlib.contextmanager
def atomic(folder: Path) -> Iterator[Path]:
    """A folder to write into; when all went well its files are moved into ``folder``, each in one step."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".onnxgen-", dir=folder) as scratch:
        yield Path(scratch)
        for path in sorted(Path(scratch).iterdir()):
            path.replace(folder / path.name)
