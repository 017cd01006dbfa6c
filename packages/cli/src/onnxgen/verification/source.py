"""A generated folder, and what this version would write into it."""

from __future__ import annotations

import ast
import dataclasses
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import codegen_torch
from codegen_torch.changes import UNCHANGED, Changes
from codegen_torch.errors import ConversionError
from codegen_torch.generated import Generated

from onnxgen.exits import BadInputError

_MODEL_ID = re.compile(r'(?<=None if weights else ")[0-9a-f]{16}(?="\))')


class Sameness(enum.Enum):
    """How a ``model.py`` is to what this version writes for the file."""

    SAME = "same"
    DOCSTRING = "docstring"
    EDITED = "edited"

    @property
    def sentence(self) -> str:
        """In words."""
        return {
            Sameness.SAME: "model.py is byte for byte what this version writes for the file",
            Sameness.DOCSTRING: "model.py is what this version writes for the file, but for its docstring",
            Sameness.EDITED: "model.py was edited, or written by another version or from another file: "
            "outputs alone are compared",
        }[self]


@dataclass(frozen=True, slots=True)
class Folder:
    """What ``model.py`` of a folder says about itself.

    Attributes:
        path: The folder.
        text: The source.
        class_name: The class of the model, as the docstring has it; None if it does not tell.
        weights: The format of the weights file.
        kernels: The kernels beside the source, if it loads them.
    """

    path: Path
    text: str
    class_name: str | None
    weights: str
    kernels: str | None = None


def read_folder(path: Path) -> Folder:
    """Reads the source in a folder.

    Raises:
        BadInputError: It is no Python source.
        OSError: There is none, or it cannot be read.
    """
    try:
        text = (path / "model.py").read_bytes().decode("utf-8")
        docstring = ast.get_docstring(ast.parse(text)) or ""
    except (UnicodeDecodeError, SyntaxError, ValueError) as error:
        raise BadInputError(f"{path / 'model.py'} is no Python source: {error}") from error
    title = re.match(r"(\w+), generated from ", docstring)
    stated = re.search(r"^weights +weights\.(msgpack|safetensors)\b", docstring, re.MULTILINE)
    present = "msgpack" if (path / "weights.msgpack").exists() else "safetensors"
    beside = path / "kernels.py"
    kernels = beside.read_bytes().decode("utf-8") if "load_kernels(" in text and beside.exists() else None
    return Folder(path, text, title[1] if title else None, stated[1] if stated else present, kernels)


def generate_again(
    model: Path, folder: Folder, ops: Sequence[Path] = (), changes: Changes = UNCHANGED
) -> tuple[Sameness, Generated | None]:
    """Converts a file as it was converted into a folder, and compares the sources.

    Args:
        model: The ONNX file.
        folder: The folder.
        ops: Files that define further operators.
        changes: What the folder's model does otherwise than the file.

    Returns:
        How the two are to each other, and what was generated, with the folder's own docstring and identity where only
        they differ; None where the file cannot be converted.

    Raises:
        onnx_proto.OnnxError: The file is no ONNX model.
    """
    try:
        generated = codegen_torch.generate(
            model,
            name=folder.class_name,
            weights=folder.weights,
            kernels="none" if folder.kernels is None else "triton",
            ops=ops,
            changes=changes,
        )
    except ConversionError:
        return Sameness.EDITED, None  # somebody wrote by hand what cannot be converted
    if generated.kernels != folder.kernels:
        return Sameness.EDITED, generated
    if generated.text == folder.text:
        return Sameness.SAME, generated
    if code_of(generated.text) == code_of(folder.text) and generated.text.count("\n") == folder.text.count("\n"):
        return Sameness.DOCSTRING, dataclasses.replace(generated, text=folder.text)
    return Sameness.EDITED, generated


def code_of(text: str) -> str:
    """What follows the docstring of a generated source, which tells the file, its hash and the version.

    The identity by which it knows its weights follows from the docstring, too, and is left out.
    """
    _, end, code = text.partition('\n"""\n')
    return _MODEL_ID.sub("…", code if end else text)
