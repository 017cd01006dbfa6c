"""Output folders, as tests compare them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONVERT = [sys.executable, "-c", "import sys, codegen_torch; codegen_torch.convert(sys.argv[1], sys.argv[2])"]
"""A command that converts the file named next into the folder named after it."""


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, and whatever else is there, with nothing in it."""
    if not folder.exists():
        return {}
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


def published(folder: Path) -> dict[str, bytes]:
    """The files of a folder, without what a process that was killed may leave beside them."""
    return {name: content for name, content in contents(folder).items() if not name.startswith(".onnxgen-")}


def written(model: Path, folder: Path) -> dict[str, bytes]:
    """What converting a file into a folder writes."""
    subprocess.run([*CONVERT, model, folder], check=True)
    return contents(folder)
