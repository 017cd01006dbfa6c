"""The two models that are compared, each an ONNX file or a generated folder."""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import codegen_torch
import onnx_proto
from codegen_torch.generated import Generated
from codegen_torch.tensors import TensorRef
from codegen_torch.weights_files import read_weights

from onnxgen.exits import BadInputError
from onnxgen.verification.source import Folder, read_folder


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models.

    Attributes:
        path: The file or the folder.
        text: The source.
        tensors: The weights by their keys.
        facts: What an ONNX file says about itself; None of a folder.
        origin: What wrote the ONNX file and its opsets, as the source's docstring has them.
    """

    path: Path
    text: str
    tensors: Mapping[str, TensorRef]
    facts: dict[str, str] | None
    origin: str


def read_sides(first: Path, second: Path) -> tuple[Side, Side]:
    """Reads two models; a file is converted like the folder that it is compared with.

    Raises:
        BadInputError: A folder has no weights file.
        onnx_proto.OnnxError: A file is no ONNX model.
        codegen_torch.errors.ConversionError: A file cannot be converted, or a weights file is damaged.
        OSError: Something cannot be read.
    """
    folders = [read_folder(path) if path.is_dir() else None for path in (first, second)]
    like = next(filter(None, folders), None)
    sides = [_folder(each) if each else None for each in folders]
    files = [None if folder else _generated(path, like) for path, folder in zip((first, second), folders, strict=True)]
    one, other = files
    if one and other and one.report.class_name != other.report.class_name:
        if _named_by_file(other, second):
            files[1] = _generated(second, like, name=one.report.class_name)
        elif _named_by_file(one, first):
            files[0] = _generated(first, like, name=other.report.class_name)
    found = [
        side or _file(path, file)
        for path, side, file in zip((first, second), sides, files, strict=True)
        if side or file
    ]
    return found[0], found[1]


def _generated(path: Path, like: Folder | None, name: str | None = None) -> Generated:
    if like is None:
        return codegen_torch.generate(path, name=name)
    return codegen_torch.generate(path, name=like.class_name, weights=like.weights)


def _named_by_file(generated: Generated, path: Path) -> bool:
    """Whether the class is called like the file, so that the name says nothing about the model."""
    return generated.report.class_name.lower() == re.sub(r"[^a-z0-9]", "", path.stem.lower())


def _file(path: Path, generated: Generated | None) -> Side:
    assert generated is not None
    model = onnx_proto.load(path)
    facts = {
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
        "IR version": str(model.ir_version),
        "model version": str(model.model_version),
        "domain": model.domain,
        **{f"opset of {opset.domain or 'ai.onnx'}": str(opset.version) for opset in model.opset_imports},
        **{f"metadata {key}": value for key, value in model.metadata.items()},
    }
    return Side(path, generated.text, generated.tensors, facts, _origin(generated.text))


def _folder(folder: Folder) -> Side:
    found = [
        path
        for name in ("weights.msgpack", "weights.safetensors", "weights.safetensors.index.json")
        if (path := folder.path / name).exists()
    ]
    stated = [path for path in found if path.name.startswith(f"weights.{folder.weights}")]
    if not found:
        raise BadInputError(f"{folder.path} has no weights file")
    return Side(folder.path, folder.text, read_weights((stated or found)[0]), None, _origin(folder.text))


def _origin(text: str) -> str:
    found = re.search(r"^source +sha256 [^;]+; (.*)$", text, re.MULTILINE)
    return found[1] if found else ""
