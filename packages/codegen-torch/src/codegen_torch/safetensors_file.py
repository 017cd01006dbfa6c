"""The other weights file: safetensors, in one file or in several with an index.

A file is the length of its header (u64, little-endian), the header in JSON, and the elements of every tensor without
gaps: https://github.com/huggingface/safetensors#format. The library for it writes what is in memory; here tensors
stream. They are sorted by the size of their elements, largest first, so that each is aligned.

The format has no tensor under two names. Like `safetensors.torch.save_model` we write it once and say in the metadata
which name stands for which. The metadata also tell with which ``model.py`` a file was written. Several files follow the
names of the transformers library: ``weights-00001-of-00002.safetensors`` and, beside them,
``weights.safetensors.index.json``.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codegen_torch.dtypes import DType
from codegen_torch.errors import ConversionError
from codegen_torch.identity import is_model_id
from codegen_torch.streams import FileRef, counted
from codegen_torch.tensors import TensorRef
from codegen_torch.weights import StrPath, WeightsFileError

SHARD_BYTES = 5 * 10**9
"""The most bytes of tensors in one file, unless a single tensor has more."""
HEADER_LIMIT = 100_000_000  # what the library reads at most
INDEX_SUFFIX = ".index.json"

_TYPES = {
    DType.FLOAT64: "F64",
    DType.FLOAT32: "F32",
    DType.FLOAT16: "F16",
    DType.BFLOAT16: "BF16",
    DType.FLOAT8E4M3FN: "F8_E4M3",
    DType.FLOAT8E4M3FNUZ: "F8_E4M3FNUZ",
    DType.FLOAT8E5M2: "F8_E5M2",
    DType.FLOAT8E5M2FNUZ: "F8_E5M2FNUZ",
    DType.FLOAT8E8M0: "F8_E8M0",
    DType.INT64: "I64",
    DType.INT32: "I32",
    DType.INT16: "I16",
    DType.INT8: "I8",
    DType.UINT64: "U64",
    DType.UINT32: "U32",
    DType.UINT16: "U16",
    DType.UINT8: "U8",
    DType.BOOL: "BOOL",
    DType.COMPLEX64: "C64",
}
_DTYPES = {name: dtype for dtype, name in _TYPES.items()}
_METADATA = "__metadata__"
_FORMAT = ("format", "pt")  # asked for by the transformers library
_WRITTEN_BY = ("written by", "onnxgen")
_WRITTEN_WITH = "written with"
_OURS = (_FORMAT[0], _WRITTEN_BY[0], _WRITTEN_WITH)


_DAMAGE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)
"""What is raised where a file's JSON is not what it should be."""


class Shard(NamedTuple):
    """One of the files.

    Attributes:
        file: Its name.
        tensors: What it holds.
        shared: Further names of its tensors, and the name under which each is there.
    """

    file: str
    tensors: dict[str, TensorRef]
    shared: dict[str, str]


def plan_shards(file: str, tensors: Mapping[str, TensorRef], limit: int = SHARD_BYTES) -> list[Shard]:
    """Say which file holds which tensor, in the order of their names.

    Args:
        file: The name that the file has if there is only one.
        tensors: What is to be written. One reference under several names is written once.
        limit: The most bytes of tensors in one file, unless a single tensor has more.

    Raises:
        ConversionError: safetensors has no type or no place for one of the tensors.
    """
    for name, ref in tensors.items():
        if ref.dtype.held not in _TYPES:
            raise ConversionError(f"tensor {name!r} is of type {ref.dtype.value}, which safetensors lacks; use msgpack")
        if name == _METADATA:
            raise ConversionError(f"safetensors has another use for the name {name!r}; use msgpack")
    shards = [Shard("", {}, {})]
    first: dict[TensorRef, tuple[str, Shard]] = {}
    filled = 0
    for name, ref in tensors.items():
        if ref in first and name not in _OURS:
            owner, shard = first[ref]
            shard.shared[name] = owner
            continue
        if filled and filled + ref.nbytes > limit:
            shards.append(Shard("", {}, {}))
            filled = 0
        shards[-1].tensors[name] = ref
        filled += ref.nbytes
        first.setdefault(ref, (name, shards[-1]))
    if len(shards) == 1:
        return [shards[0]._replace(file=file)]
    stem = file.removesuffix(".safetensors")
    return [
        shard._replace(file=f"{stem}-{number:05}-of-{len(shards):05}.safetensors")
        for number, shard in enumerate(shards, 1)
    ]


def index_text(shards: list[Shard], model_id: str | None = None) -> str:
    """The index of several files: where each tensor is, how many bytes there are, and of which model."""
    total = sum(ref.nbytes for shard in shards for ref in shard.tensors.values())
    places = {name: shard.file for shard in shards for name in (*shard.tensors, *shard.shared)}
    metadata = {"total_size": total, **_written(model_id)}
    return json.dumps({"metadata": metadata, "weight_map": dict(sorted(places.items()))}, indent=2) + "\n"


def write_safetensors(
    path: StrPath, shard: Shard, progress: Callable[[int], object] | None = None, model_id: str | None = None
) -> int:
    """Stream tensors into one file, with one block of one tensor in memory at a time.

    Args:
        path: The file to write, or overwrite.
        shard: What it shall hold.
        progress: Is told the number of bytes after each block.
        model_id: The identity of the ``model.py`` that is written with it, if one is.

    Returns:
        The size of the file in bytes.

    Raises:
        ConversionError: The header is longer than readers read, or a tensor does not give the bytes its shape asks for.
        OSError: The file cannot be written.
    """
    ordered = sorted(shard.tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0]))
    header = _header(ordered, {**shard.shared, **dict([_FORMAT]), **_written(model_id)})
    with Path(path).open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for name, ref in ordered:
            file.writelines(counted(ref.chunks(), ref.nbytes, name, progress))
        return file.tell()


def read_safetensors(path: StrPath) -> dict[str, FileRef]:
    """List the tensors of a file, or of all files of an index, and check that they are there, each at its place.

    Raises:
        WeightsFileError: This is no such file, or it is damaged.
        OSError: A file cannot be read.
    """
    path = Path(path)
    try:
        if not path.name.endswith(INDEX_SUFFIX):
            return _read_one(path)[0]
        return _read_index(path)
    except _DAMAGE as error:
        raise WeightsFileError(f"{path} is not a whole safetensors file: {error}") from None


def read_model_id(path: StrPath) -> str | None:
    """The identity of the ``model.py`` that a file or an index was written with, if it was written with one.

    Raises:
        WeightsFileError: This is no such file.
        OSError: The file cannot be read.
    """
    try:
        return _model_id(_read_metadata(Path(path)))
    except _DAMAGE as error:
        raise WeightsFileError(f"{path} is not a whole safetensors file: {error}") from None


def is_safetensors_of_ours(path: Path) -> bool:
    """Whether a safetensors file, or an index of some, was written here."""
    if not path.is_file():
        return False
    try:
        return bool(_read_metadata(path).get(_WRITTEN_BY[0]) == _WRITTEN_BY[1])
    except _DAMAGE:
        return False


def _written(model_id: str | None) -> dict[str, str]:
    """What a file says about who wrote it."""
    return dict([_WRITTEN_BY]) | ({_WRITTEN_WITH: model_id} if model_id else {})


def _header(ordered: list[tuple[str, TensorRef]], metadata: Mapping[str, str]) -> bytes:
    """The header in JSON, padded so that the elements after it are aligned to 64 bytes."""
    described: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))}
    start = 0
    for name, ref in ordered:
        described[name] = {
            "dtype": _TYPES[ref.dtype.held],
            "shape": list(ref.shape),
            "data_offsets": [start, start + ref.nbytes],
        }
        start += ref.nbytes
    header = json.dumps(described, separators=(",", ":")).encode()
    header += b" " * (-(len(header) + 8) % 64)
    if len(header) > HEADER_LIMIT:
        raise ConversionError(f"the header would have {len(header)} bytes, and readers of safetensors stop sooner")
    return header


def _read_metadata(path: Path) -> dict[str, Any]:
    """What a file, or an index of some, says beside its tensors."""
    if path.name.endswith(INDEX_SUFFIX):
        found = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique).get("metadata", {})
    else:
        found = _read_header(path)[0].get(_METADATA, {})
    if type(found) is not dict:
        raise TypeError("its metadata are no map")
    return found


def _model_id(metadata: Mapping[str, Any]) -> str | None:
    found = metadata.get(_WRITTEN_WITH)
    return found if is_model_id(found) else None


def _read_header(path: Path) -> tuple[dict[str, Any], int]:
    """The header of a file, and where it ends."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(HEADER_LIMIT, size - 8):
            raise ValueError(f"it has {size} bytes, and says that its header has {length}")
        header = json.loads(file.read(length), object_pairs_hook=_unique)
    if type(header) is not dict:
        raise TypeError("its header is no map")
    return header, 8 + length


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("its header says something twice")
    return found


def _read_one(path: Path) -> tuple[dict[str, FileRef], str | None]:
    """The tensors of a file, and the identity of the model that it was written with."""
    header, start = _read_header(path)
    metadata = header.pop(_METADATA, {})
    found: dict[str, FileRef] = {}
    end = 0
    for name, fields in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = _DTYPES[fields["dtype"]], tuple(fields["shape"])
        first, last = fields["data_offsets"]
        if len(shape) > 64 or not all(type(number) is int and number >= 0 for number in (*shape, first, last)):
            raise ValueError(f"tensor {name!r} cannot be of shape {list(shape)}")
        if first != end or last - first != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"tensor {name!r} is not at {end}, or not as long as its type and shape ask for")
        found[name] = FileRef(path, [(start + first, last - first)], dtype, shape, name)
        end = last
    if start + end != path.stat().st_size:
        raise ValueError(f"it has {path.stat().st_size} bytes instead of {start + end}")
    for name, owner in metadata.items():
        about_file = name == _WRITTEN_WITH or (name, owner) in (_FORMAT, _WRITTEN_BY)
        if not about_file and name not in found and owner in found:
            found[name] = found[owner]
    return found, _model_id(metadata)


def _read_index(path: Path) -> dict[str, FileRef]:
    places = json.loads(path.read_text("utf-8"), object_pairs_hook=_unique)["weight_map"]
    model_id = read_model_id(path)
    found: dict[str, FileRef] = {}
    for file in _files_of(places):
        tensors, written_with = _read_one(path.with_name(file))
        if written_with != model_id:
            raise ValueError(f"{file} was not written together with it; write all of them again")
        for name, ref in tensors.items():
            if places.get(name) != file:
                raise ValueError(f"tensor {name!r} is in {file}, which the index does not say")
            found[name] = ref
    if missing := sorted(places.keys() - found.keys()):
        raise ValueError(f"tensor {missing[0]!r} is not in {places[missing[0]]}")
    return found


def _files_of(places: Mapping[str, str]) -> Iterator[str]:
    for file in sorted(set(places.values())):
        if Path(file).name != file or not file.endswith(".safetensors"):
            raise ValueError(f"{file!r} does not name a file beside the index")
        yield file
