"""Running generated source, and keeping what it computes on the way."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from codegen_torch.dtypes import DType
from codegen_torch.generated import Generated
from codegen_torch.minifloats import held_codes
from codegen_torch.report import Counterpart

from onnxgen.loading import load_model_of
from onnxgen.verification.instrument import TELL, instrumented
from onnxgen.verification.samples import Given
from onnxgen.verification.values import Array, Numbers, Value


class CrashError(Exception):
    """The generated model does not run on inputs that the ONNX file takes; says where."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A value that the generated model computed on the way.

    Attributes:
        path: The module that computed it.
        line: The line of ``model.py``.
        file: Where its elements are kept.
        dtype: Their type.
        nbytes: How much memory they take.
    """

    path: str
    line: int
    file: Path
    dtype: DType
    nbytes: int

    def load(self) -> Numbers:
        """The elements."""
        return Numbers(np.load(self.file), self.dtype)


class Watched:
    """A generated model that can be watched while it runs.

    Args:
        folder: Where it is.
        generated: What was generated again, if that is the same source; else nothing is seen but outputs.
        comparable: The values of the ONNX graph that are worth seeing.

    Raises:
        BadInputError: The folder's model cannot be loaded.
    """

    def __init__(self, folder: Path, generated: Generated | None, comparable: Iterable[str] = ()) -> None:
        self._file = str(folder.resolve() / "model.py")
        self._chosen = _chosen(generated.report.counterparts, set(comparable)) if generated else {}
        self._tell: Any = None
        if generated is None:
            self.model = load_model_of(folder)
            return
        code, numbers = instrumented(generated.text, self._chosen.values(), self._file)
        self.model = load_model_of(folder, code=code, names={TELL: self._told})
        modules = dict(self.model.named_modules(remove_duplicate=False))
        self._written: dict[tuple[int, torch.nn.Module], list[Counterpart]] = {}
        self._called: dict[torch.nn.Module, dict[int | None, list[Counterpart]]] = {}
        for each in generated.report.counterparts:
            module = modules.get(each.path)
            if module is None:
                continue
            if not each.text:
                self._called.setdefault(module, {}).setdefault(each.index, []).append(each)
            elif (each.line, each.text) in numbers:
                self._written.setdefault((numbers[each.line, each.text], module), []).append(each)

    def run(self, inputs: Mapping[str, Given]) -> list[Value]:
        """The outputs for some inputs, which are given in the order of the graph.

        Raises:
            CrashError: The model raised an exception.
        """
        with torch.no_grad():
            try:
                outputs = self.model(*(to_torch(given) for given in inputs.values()))
            except Exception as error:
                raise CrashError(self._explained(error)) from error
        return [to_value(output) for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    @contextlib.contextmanager
    def watching(self, folder: Path) -> Iterator[dict[str, Seen]]:
        """While this is open, values are kept in a folder, and what is known of them in the mapping that it gives."""
        seen: dict[str, Seen] = {}
        runs: Counter[object] = Counter()

        def keep(counterparts: list[Counterpart], run: object, value: object, line: int) -> None:
            number = runs[run]
            runs[run] += 1
            if len(counterparts) > 1 and any(each.conditional for each in counterparts):
                return  # which of them this is, is not known: not all of them run
            each = counterparts[number] if number < len(counterparts) else None
            if each is None or self._chosen.get(each.value) is not each or not isinstance(value, torch.Tensor):
                return
            numbers = _numbers(value)
            file = folder / f"{len(seen)}.npy"
            np.save(file, numbers.array)
            seen[each.value] = Seen(each.path, line or each.line, file, numbers.dtype, numbers.array.nbytes)

        def note(module: torch.nn.Module, _: object, result: object) -> None:
            line = _line_in(self._file)
            for index, counterparts in self._called[module].items():
                parts = result if index is not None and isinstance(result, tuple) else None
                value = result if index is None else parts[index] if parts and index < len(parts) else None
                keep(counterparts, (module, index), value, line)

        def tell(number: int, module: torch.nn.Module, value: object) -> None:
            counterparts = self._written.get((number, module))
            if counterparts:
                keep(counterparts, (number, module), value, 0)

        handles = [module.register_forward_hook(note) for module in self._called] if self._chosen else []
        self._tell = tell
        try:
            yield seen
        finally:
            self._tell = None
            for handle in handles:
                handle.remove()

    def _told(self, number: int, module: torch.nn.Module, value: object) -> object:
        if self._tell is not None:
            self._tell(number, module, value)
        return value

    def _explained(self, error: Exception) -> str:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == self._file]
        message = str(error).strip().split("\n")[0]
        where = f"model.py:{lines[-1]}: " if lines else ""
        return f"{where}{type(error).__name__}: {message}"


def to_torch(given: Given) -> Any:
    """An input as generated models take it."""
    dtype = DType.of_onnx(given.dtype)
    assert dtype is not None
    if dtype is DType.STRING:
        return given.array
    array: Array = np.array(given.array, dtype.numpy, copy=True)
    if dtype.in_numpy:
        return torch.from_numpy(array)
    codes = held_codes(dtype)[array] if dtype.held is not dtype else array
    return torch.from_numpy(codes).view(getattr(torch, dtype.held.value))


def to_value(output: Any) -> Value:
    """An output as it is compared."""
    match output:
        case torch.Tensor():
            return _numbers(output)
        case np.ndarray():
            return Numbers(output, DType.STRING if output.dtype.hasobject else DType.of(output.dtype))
        case list() | tuple():
            return [to_value(item) for item in output]
        case int() | float():
            return _numbers(torch.tensor(output))
    return output  # type: ignore[no-any-return]  # a map, or nothing


def _numbers(tensor: torch.Tensor) -> Numbers:
    tensor = tensor.detach().cpu()
    dtype = DType(str(tensor.dtype).removeprefix("torch."))
    return Numbers(tensor.resolve_conj().numpy() if dtype.in_numpy else tensor.float().numpy(), dtype)


def _chosen(counterparts: Iterable[Counterpart], comparable: set[str]) -> dict[str, Counterpart]:
    """One counterpart for each value: the expression that computes it, else the innermost module that gives it."""
    chosen: dict[str, Counterpart] = {}
    for each in counterparts:
        if each.value in comparable and (each.value not in chosen or _rank(each) > _rank(chosen[each.value])):
            chosen[each.value] = each
    return chosen


def _rank(counterpart: Counterpart) -> tuple[bool, int]:
    return bool(counterpart.text), len(counterpart.path)


def _line_in(file: str) -> int:
    """The line of a file that is being executed: that of the innermost frame in it; 0 if there is none."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_filename != file:
        frame = frame.f_back
    return 0 if frame is None else frame.f_lineno
