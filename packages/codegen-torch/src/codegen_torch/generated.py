"""A conversion that is not written yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from onnx_proto.payload import Identity

from codegen_torch.expr import Expr
from codegen_torch.report import Report
from codegen_torch.tensors import TensorRef
from codegen_torch.weights_files import WeightsFiles


@dataclass(frozen=True, slots=True)
class Generated:
    """What a conversion made, in memory but for the tensors, which stay where they are.

    Attributes:
        text: The text of ``model.py``.
        kernels: The text of ``kernels.py``, if there is one.
        model_id: The identity of both, which the weights file repeats.
        report: What :func:`codegen_torch.convert` reports; it names no files.
        tensors: The tensors of the weights file by their keys.
        files: How the weights file, or files, will be written.
        inputs: The files that were read, the model and those that hold its weights, and what they were then.
        values: What the names of the file's graph stand for, functions of its own written out; what cleaning up
            removed is missing.
    """

    text: str
    kernels: str | None
    model_id: str
    report: Report
    tensors: Mapping[str, TensorRef]
    files: WeightsFiles
    inputs: Mapping[Path, Identity | None]
    values: Mapping[str, Expr | None]

    @property
    def nbytes(self) -> int:
        """How many bytes the tensors have; what is stored once counts once."""
        return sum(ref.nbytes for ref in set(self.tensors.values()))

    def types(self) -> dict[str, str]:
        """The types of the values, as far as they were inferred: ``"float32[N, 64, 56, 56]"``, ``"int64[…]"``."""
        return {
            name: str(value.fact).removeprefix("host ")
            for name, value in self.values.items()
            if value is not None and not isinstance(value.fact, tuple)
        }
