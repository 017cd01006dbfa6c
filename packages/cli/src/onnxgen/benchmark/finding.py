"""The ONNX file that a folder was generated of."""

from __future__ import annotations

import re
from pathlib import Path

from codegen_torch.package import sha256_of


def find_model(folder: Path) -> Path | None:
    """The file that the source's docstring names, in the folder, beside it, or here; its hash must be the one told."""
    text = (folder / "model.py").read_text("utf-8")
    named = re.search(r"generated from (.+)\.$", text, re.MULTILINE)
    digest = re.search(r"^source +sha256 (\w+)…", text, re.MULTILINE)
    if not named or not digest or Path(named[1]).name != named[1]:
        return None
    places = (folder / named[1], folder.resolve().parent / named[1], Path(named[1]))
    return next((path for path in places if path.is_file() and sha256_of(path).startswith(digest[1])), None)
