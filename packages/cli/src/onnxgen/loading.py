"""Importing a generated ``model.py`` from where it lies."""

from __future__ import annotations

import importlib.util
import itertools
import linecache
import sys
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, MappingProxyType
from typing import Protocol, cast

import torch  # noqa: TID253 -- this module is imported by those who load, and only by them

from onnxgen.exits import BadInputError

_numbers = itertools.count()


class GeneratedModule(Protocol):
    """What every generated ``model.py`` defines."""

    def load_model(
        self, weights: Path | None = None, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> torch.nn.Module:
        """Builds the model and loads the weights file beside it."""


def import_model(
    folder: Path, *, code: CodeType | None = None, names: Mapping[str, object] = MappingProxyType({})
) -> GeneratedModule:
    """Imports ``model.py`` of a folder under a name of its own, so that two models never meet.

    Its lines stay readable to `inspect` and in tracebacks after the folder is gone.

    Args:
        folder: Where `onnxgen.convert` wrote.
        code: What to run in the place of the file's own code, which it must be a copy of.
        names: What that code finds in its module.

    Raises:
        FileNotFoundError: No ``model.py`` lies there.
    """
    path = folder.resolve() / "model.py"
    name = f"onnxgen_model_{next(_numbers)}"
    source = path.read_text(encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None  # a path that ends in .py always has a loader
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    vars(module).update(names)
    # torch.compile finds a function's globals through sys.modules.
    sys.modules[name] = module
    try:
        if code is None:
            spec.loader.exec_module(module)
        else:
            exec(code, vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    # An entry without a time is never checked against the disk.
    linecache.cache[str(path)] = (len(source), None, source.splitlines(keepends=True), str(path))
    return cast(GeneratedModule, module)


def load_model_of(
    folder: Path, *, code: CodeType | None = None, names: Mapping[str, object] = MappingProxyType({})
) -> torch.nn.Module:
    """Imports ``model.py`` of a folder as `import_model` does, and loads its weights.

    Raises:
        BadInputError: The model cannot be loaded.
        OSError: A file cannot be read.
    """
    try:
        return import_model(folder, code=code, names=names).load_model()
    except OSError:
        raise
    except Exception as error:  # whatever a source raises that anybody may have edited
        message = f"{type(error).__name__}: {error}".split("\n\t")[0]
        raise BadInputError(f"the model in {folder} cannot be loaded: {message}") from error
