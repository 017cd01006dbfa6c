"""A converted model as tests see it, and how they import what was generated."""

from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import torch
from codegen_torch.report import Report
from torch import Tensor, nn
from zoo import Entry, Inputs

DIGITS = Path(__file__).parent.parent / "packages" / "cli" / "examples" / "digits.onnx"
_numbers = itertools.count()


@dataclasses.dataclass(frozen=True)
class Converted:
    """A model of the zoo, exported, converted and imported.

    Attributes:
        entry: The model.
        exporter: Which exporter wrote the ONNX file.
        original: The module that was exported, in eval mode; tests do not change it.
        path: The ONNX file.
        folder: Where it was converted to.
        report: What the conversion said.
        module: The generated ``model.py``, imported.
    """

    entry: Entry
    exporter: str
    original: nn.Module
    path: Path
    folder: Path
    report: Report
    module: ModuleType

    @property
    def source(self) -> str:
        """The text of ``model.py``."""
        return (self.folder / "model.py").read_text(encoding="utf-8")

    def load(self, **options: object) -> nn.Module:
        """A model of its own for the test that asks."""
        return self.module.load_model(**options)

    def inputs(self, *, other: bool = False) -> Inputs:
        """Inputs of the sizes that the model was exported at, or of other ones."""
        return self.entry.inputs(3, self.entry.other_length) if other else self.entry.inputs(2, self.entry.length)


def import_model(folder: Path) -> ModuleType:
    """Imports ``model.py`` of a folder by its path, as its users may, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"generated_{next(_numbers)}", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return model(*inputs.values())


def assert_near(found: Tensor, wanted: Tensor) -> None:
    """Holds what was found within 1e-4 of the largest value that was wanted."""
    assert found.shape == wanted.shape
    assert found.dtype == wanted.dtype
    assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()
