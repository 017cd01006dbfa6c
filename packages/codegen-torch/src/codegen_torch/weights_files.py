"""Which files hold the weights, in which format, and how one format becomes the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from codegen_torch import safetensors_file, weights
from codegen_torch.draft import Draft, atomic
from codegen_torch.errors import ConversionError
from codegen_torch.package import check_free, check_not_input
from codegen_torch.safetensors_file import (
    INDEX_SUFFIX,
    SHARD_BYTES,
    Shard,
    index_text,
    plan_shards,
    read_safetensors,
    write_safetensors,
)
from codegen_torch.streams import FileRef
from codegen_torch.tensors import TensorRef
from codegen_torch.weights import StrPath, read_msgpack, write_msgpack

FORMATS = ("msgpack", "safetensors")


class WeightsFiles(NamedTuple):
    """What is to be written where.

    Attributes:
        entry: The file that one loads; with several files, their index.
        tensors: All tensors.
        shards: The safetensors files; none for msgpack.
    """

    entry: str
    tensors: Mapping[str, TensorRef]
    shards: list[Shard]

    @classmethod
    def of(cls, file: str, tensors: Mapping[str, TensorRef], limit: int = SHARD_BYTES) -> Self:
        """Decide on the files; the format follows from the name's ending.

        Args:
            file: ``NAME.msgpack`` or ``NAME.safetensors``.
            tensors: The tensors by name.
            limit: The most bytes of tensors in one safetensors file.

        Raises:
            ConversionError: The format is unknown, or cannot hold one of the tensors.
        """
        if file.endswith(".msgpack"):
            return cls(file, tensors, [])
        if not file.endswith(".safetensors"):
            raise ConversionError(f"{file} ends neither in .msgpack nor in .safetensors")
        shards = plan_shards(file, tensors, limit)
        return cls(file if len(shards) == 1 else file + INDEX_SUFFIX, tensors, shards)

    @property
    def names(self) -> list[str]:
        """The files' names, the entry first."""
        return list(dict.fromkeys([self.entry, *(shard.file for shard in self.shards)]))

    def write(self, draft: Draft, progress: Callable[[int], object] | None = None, model_id: str | None = None) -> None:
        """Write all of them.

        Args:
            draft: The folder.
            progress: Is told the number of bytes after each block.
            model_id: The identity of the ``model.py`` that they belong to, if they belong to one.

        Raises:
            ConversionError: A tensor does not give the bytes that its shape asks for.
            OSError: A file cannot be written.
        """
        if not self.shards:
            write_msgpack(draft.path(self.entry), self.tensors, progress, model_id)
        for shard in self.shards:
            write_safetensors(draft.path(shard.file), shard, progress, model_id)
        if len(self.shards) > 1:
            draft.path(self.entry).write_text(index_text(self.shards, model_id), "utf-8", newline="\n")


def read_weights(path: StrPath) -> dict[str, FileRef]:
    """Refer to the tensors of a weights file of either format, or of an index; everything is checked.

    Raises:
        WeightsFileError: This is no weights file, or it is damaged.
        OSError: A file cannot be read.
    """
    return read_safetensors(path) if _are_safetensors(path) else read_msgpack(path)


def read_model_id(path: StrPath) -> str | None:
    """The identity of the ``model.py`` that a weights file or index was written with, if it was written with one.

    Raises:
        WeightsFileError: This is no weights file.
        OSError: The file cannot be read.
    """
    return safetensors_file.read_model_id(path) if _are_safetensors(path) else weights.read_model_id(path)


def _are_safetensors(path: StrPath) -> bool:
    return Path(path).name.endswith((".safetensors", INDEX_SUFFIX))


def convert_weights(
    source: StrPath,
    target: StrPath,
    *,
    limit: int = SHARD_BYTES,
    force: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> list[Path]:
    """Write the tensors of a weights file anew, in the format that the target's name ends in.

    Args:
        source: A weights file, or an index of several.
        target: ``NAME.msgpack`` or ``NAME.safetensors``.
        limit: The most bytes of tensors in one safetensors file.
        force: Overwrite files that this program did not write.
        progress: Is told how many bytes are written, and how many there are.

    Returns:
        The files written, the one to load first.

    Raises:
        WeightsFileError: The source is no weights file, or it is damaged.
        ConversionError: The target's format is unknown or cannot hold a tensor, or a file is in the way.
        OSError: A file cannot be read or written.
    """
    target = Path(target)
    tensors = read_weights(source)
    model_id = read_model_id(source)
    files = WeightsFiles.of(target.name, tensors, limit)
    if not force:
        check_free(target.parent, files.names)
    inputs = {ref.path for ref in tensors.values()}
    check_not_input(target.parent, files.names, [Path(source), *sorted(inputs)])
    total = sum(ref.nbytes for ref in set(tensors.values()))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, total)

    with atomic(target.parent) as draft:
        files.write(draft, advance, model_id)
    return [target.parent / name for name in files.names]
