"""From the model's file to the page's."""

# ruff: noqa: TID253  # the command imports this module when it runs

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import codegen_torch
import onnx_proto
from codegen_torch.draft import atomic
from codegen_torch.generated import Generated
from codegen_torch.package import begins_with, check_free, check_not_input

from onnxgen.viewing.data import page_data
from onnxgen.viewing.page import MARK, page

Progress = Callable[[str, int, int], None]


def page_of(
    model: Path, *, ops: Sequence[Path] = (), with_statistics: bool = True, progress: Progress | None = None
) -> str:
    """Returns the page of a model as HTML.

    Args:
        model: The ``.onnx`` file.
        ops: Files that define further operators.
        with_statistics: Whether to read the weights and tell what they look like.
        progress: Called with a stage's name, the work done in it and its total.

    Raises:
        onnx_proto.OnnxError: The file is not a valid ONNX model.
        codegen_torch.errors.ConversionError: It cannot be converted.
        OSError: It cannot be read.
    """
    return _page(model, codegen_torch.generate(model, ops=ops, progress=progress), with_statistics, progress)


def write_page(
    model: Path,
    out: Path,
    *,
    ops: Sequence[Path] = (),
    with_statistics: bool = True,
    force: bool = False,
    progress: Progress | None = None,
) -> None:
    """Writes the page of a model; the arguments are those of `page_of`.

    Args:
        model: The ``.onnx`` file.
        out: The file to write.
        ops: As for `page_of`.
        with_statistics: As for `page_of`.
        force: Overwrite a file that this program did not write.
        progress: As for `page_of`.

    Raises:
        codegen_torch.errors.OutputExistsError: A file of somebody else is in the way.
        Exception: What `page_of` raises.
    """
    if not force:
        check_free(out.parent, [out.name], lambda path: begins_with(path, MARK))
    generated = codegen_torch.generate(model, ops=ops, progress=progress)
    check_not_input(out.parent, [out.name], generated.inputs)
    text = _page(model, generated, with_statistics, progress)
    with atomic(out.parent) as draft:
        draft.path(out.name).write_bytes(text.encode("utf-8", "replace"))


def _page(model: Path, generated: Generated, with_statistics: bool, progress: Progress | None) -> str:
    total = generated.nbytes
    done = 0

    def advance(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        if progress is not None:
            progress("weights", done, total)

    data = page_data(onnx_proto.load(model), generated, with_statistics=with_statistics, advance=advance)
    return page(data, generated.text)
