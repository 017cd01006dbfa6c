"""What runs ONNX files: ONNX Runtime, or ONNX's own reference."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from onnx_proto import Type

from onnxgen.exits import BadInputError
from onnxgen.verification.samples import Given
from onnxgen.verification.values import Value

NAMES = ("onnxruntime", "reference")


class RefusedError(BadInputError):
    """The ONNX side does not take a model, or these inputs."""


class Session(Protocol):
    """A loaded model."""

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """Computes values, in the engine's own form, from inputs in that form."""


class Engine(Protocol):
    """Runs ONNX models.

    Attributes:
        title: Its name and version.
    """

    title: str

    def load(self, path: Path) -> Session:
        """Loads a model as it is: nothing is optimized, so that every value is what the file says."""

    def given(self, value: Given) -> Any:
        """An input in the engine's form."""

    def value(self, value: Any) -> Value:
        """A result as it is compared."""

    def type_of(self, value: Any) -> Type | None:
        """The type that a model must state for this value as its input; None if it need not.

        Raises:
            RefusedError: No input can be of that type.
        """


def engine(name: str) -> Engine:
    """The engine of this name.

    Raises:
        BadInputError: It is not installed.
    """
    module, needed = {
        "onnxruntime": ("onnxgen.verification.by_onnxruntime", "onnxruntime"),
        "reference": ("onnxgen.verification.by_reference", "onnx"),
    }[name]
    try:
        found: Engine = importlib.import_module(module).ENGINE
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != needed:
            raise
        other = "; --against reference needs onnx alone" if name == "onnxruntime" else ""
        raise BadInputError(f"verifying needs {needed}: pip install 'onnxgen[verify]'{other}") from None
    return found


class Explained:
    """A model on an engine; whatever goes wrong is one error that says whose it is."""

    def __init__(self, on: Engine, path: Path) -> None:
        self._engine = on
        self._session: Session = self._explain(lambda: on.load(path))

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """Computes values.

        Raises:
            RefusedError: The engine does not take these inputs.
        """
        return self._explain(lambda: self._session.run(names, feeds))  # type: ignore[no-any-return]

    def _explain(self, act: Any) -> Any:
        try:
            return act()
        except BadInputError:
            raise
        except Exception as error:
            message = str(error).strip().split("\n")[0] or type(error).__name__
            raise RefusedError(f"{self._engine.title} refuses: {message}") from error
