"""The ONNX file that a folder was generated of."""

from __future__ import annotations

import re
from pathlib import Path

from codegen_torch.package import fingerprint


def find_model(folder: Path) -> Path | None:
    """The file that the source's docstring names, in the folder, beside it, or here; its hash must be the one told."""
    text = (folder / "model.py").read_text("utf-8")
    named = re.search(r"generated from (.+)\.$", text, re.MULTILINE)
    source = re.search(r"^source +(sha256 [^;]+);", text, re.MULTILINE)
    if not named or not source or Path(named[1]).name != named[1]:
        return None
    places = (folder / named[1], folder.resolve().parent / named[1], Path(named[1]))
    return next((path for path in places if path.is_file() and fingerprint(path) == source[1]), None)
