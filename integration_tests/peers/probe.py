"""Converts one model with one converter and says what came of it, as JSON on the last line of its output.

Usage: ``python probe.py CONVERTER MODEL.onnx DATA.npz``, in an environment that holds that converter, torch and numpy.
DATA holds inputs and the original's answers at two sizes, named ``small.INPUT``, ``small``, ``large.INPUT``, ``large``.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import json
import sys
import tempfile
import unittest.mock
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

TOLERANCE = 1e-3


class Result(NamedTuple):
    """A module, and the lines of the source that its users read, if there is any."""

    module: nn.Module
    lines: int | None


def onnxgen(path: Path, inputs: list[Tensor], folder: Path) -> Result:
    from onnxgen import convert

    convert(path, folder)
    module = imported(folder / "model.py").load_model()
    return Result(module, lines(folder / "model.py"))


def without_torchvision() -> None:
    """Lets import what imports torchvision: it has no build beside this torch, and is called by no model of the zoo."""
    stand_in = unittest.mock.MagicMock(__spec__=importlib.machinery.ModuleSpec("torchvision", None))
    sys.modules |= {"torchvision": stand_in, "torchvision.io": stand_in.io, "torchvision.ops": stand_in.ops}


def onnx2torch(path: Path, inputs: list[Tensor], folder: Path) -> Result:
    without_torchvision()
    from onnx2torch import convert

    module = convert(str(path))
    return Result(module, module.code.count("\n"))


def onnx2pytorch(path: Path, inputs: list[Tensor], folder: Path) -> Result:
    without_torchvision()
    import onnx
    from onnx2pytorch import ConvertModel

    return Result(ConvertModel(onnx.load(path), experimental=True), None)


def pnnx(path: Path, inputs: list[Tensor], folder: Path) -> Result:
    import shutil
    import subprocess

    from pnnx import EXEC_PATH

    shutil.copy(path, folder / "net.onnx")
    kinds = {torch.float32: "f32", torch.int64: "i64"}
    shapes = ",".join(f"[{','.join(map(str, x.shape))}]{kinds[x.dtype]}" for x in inputs)
    subprocess.run([EXEC_PATH, "net.onnx", f"inputshape={shapes}"], cwd=folder, check=True, stdout=sys.stderr)
    with contextlib.chdir(folder):
        module = imported(folder / "net_pnnx.py").Model()
    return Result(module, lines(folder / "net_pnnx.py"))


CONVERTERS: dict[str, Callable[[Path, list[Tensor], Path], Result]] = {
    converter.__name__: converter for converter in (onnxgen, onnx2torch, onnx2pytorch, pnnx)
}


def imported(path: Path) -> object:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def main(converter: str, path: Path, data: Path) -> dict[str, object]:
    with np.load(data) as arrays:
        recorded = {name: torch.from_numpy(arrays[name]) for name in arrays}
    small, large = ([recorded[name] for name in recorded if name.startswith(f"{size}.")] for size in ("small", "large"))
    with tempfile.TemporaryDirectory() as folder:
        said: dict[str, object] = {"converts": False, "error": None}
        with failures(said, "error"):
            module, count = CONVERTERS[converter](path, small, Path(folder))
            said |= {"converts": True, "lines": count}
        if not said["converts"]:
            return said
    module = module.eval()
    said["parameters"] = sum(p.numel() for p in module.parameters() if p.is_floating_point())
    said["linear"] = sum(isinstance(child, nn.Linear) for child in module.modules())
    said["right"] = is_right(module, small, recorded["small"])
    said["other_size"] = is_right(module, large, recorded["large"])
    said["compiles"] = succeeds(lambda: torch.compile(module, fullgraph=True, backend="aot_eager")(*small))
    said["exports"] = succeeds(lambda: torch.export.export(module, tuple(small)))
    return said


def is_right(module: nn.Module, inputs: list[Tensor], expected: Tensor) -> bool:
    def compared() -> None:
        with torch.no_grad():
            answer = module(*inputs)
        answer = answer[0] if isinstance(answer, tuple | list) else answer
        torch.testing.assert_close(answer, expected, rtol=TOLERANCE, atol=TOLERANCE)

    return succeeds(compared)


def succeeds(step: Callable[[], object]) -> bool:
    """Whether a step raises nothing; what it raises goes to standard error."""
    said: dict[str, object] = {"error": None}
    with failures(said, "error"):
        step()
    if said["error"]:
        sys.stderr.write(f"{said['error']}\n")
    return said["error"] is None


@contextlib.contextmanager
def failures(said: dict[str, object], key: str) -> Iterator[None]:
    """Takes down what is raised inside: other people's code may raise anything."""
    try:
        with torch.random.fork_rng(), warnings.catch_warnings(action="ignore"):
            yield
    except (Exception, SystemExit) as error:  # noqa: BLE001
        said[key] = f"{type(error).__name__}: {error}".splitlines()[0][:200]


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))) + "\n")
