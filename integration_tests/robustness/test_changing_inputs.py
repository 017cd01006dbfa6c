"""An input that is cut, replaced, removed or written to while it is read gives a clear error or a whole output."""

from __future__ import annotations

import functools
import itertools
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxgen
import pytest
from codegen_torch.errors import ConversionError
from folders import contents
from onnx import TensorProto, helper, numpy_helper
from onnx_proto import OnnxError

SIDE = 1200  # weights of more than one block


def write_model(path: Path, start: float, *, external: bool) -> None:
    """A model of a transposed weight, one that stays as it is, and small ones that are read at once."""
    rows = np.arange(SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE) + start
    tensors = {"first": rows, "second": rows[::-1].copy(), "scale": np.full(1, start, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"]),
        helper.make_node("Gemm", ["a", "second"], ["b"], transB=1),
        helper.make_node("Mul", ["b", "scale"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", SIDE]) for name in "xy")
    graph = helper.make_graph(
        nodes, "net", [x], [y], [numpy_helper.from_array(*pair[::-1]) for pair in tensors.items()]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    place = {"save_as_external_data": True, "location": "weights.bin"} if external else {}
    onnx.save_model(model, path, **place)


def cut(path: Path, _: Path) -> None:
    """As a copy over it begins, or a disk that is full."""
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def empty(path: Path, _: Path) -> None:
    path.open("wb").close()


def replace(path: Path, other: Path) -> None:
    other.rename(path)


def remove(path: Path, _: Path) -> None:
    path.unlink()


def write_over(path: Path, other: Path) -> None:
    """The same size, other bytes."""
    with path.open("r+b") as file:
        file.write(other.read_bytes())


CHANGES = [cut, empty, replace, remove, write_over]


@pytest.fixture(params=["m.onnx", "weights.bin"], ids=["the model", "its weights"])
def changed(request: pytest.FixtureRequest) -> str:
    """The file that changes; where it is not the model's own, that has its weights beside it."""
    return str(request.param)


@pytest.fixture
def wholes(tmp_path: Path, changed: str) -> list[dict[str, bytes]]:
    """Two models in folders of their own, and what comes of the first, before and after it takes the other's file."""
    for name, start in (("mine", 1), ("other", 5)):
        (tmp_path / name).mkdir()
        write_model(tmp_path / name / "m.onnx", start, external=changed != "m.onnx")
    after = shutil.copytree(tmp_path / "mine", tmp_path / "after")
    shutil.copy(tmp_path / "other" / changed, after)
    for name in ("mine", "after"):
        onnxgen.convert(tmp_path / name / "m.onnx", tmp_path / f"{name} out")
    return [contents(tmp_path / f"{name} out") for name in ("mine", "after")]


@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_changes_meanwhile(
    tmp_path: Path, changed: str, wholes: list[dict[str, bytes]], change: Callable[[Path, Path], None]
) -> None:
    """It does at each of the moments at which progress is told: before every stage, and after every block."""
    out = tmp_path / "out"
    onnxgen.convert(tmp_path / "other" / "m.onnx", out)
    refused = 0
    for moment in itertools.count():
        now, then = (shutil.copytree(tmp_path / name, tmp_path / f"{name} {moment}") for name in ("mine", "other"))
        progress = At(moment, functools.partial(change, now / changed, then / changed))
        before = contents(out)
        problem = refusal(now / "m.onnx", out, progress)
        if problem:
            refused += 1
            assert str(now / changed) in problem
            assert contents(out) == before
        else:
            assert contents(out) in wholes
        assert [path.name for path in out.iterdir() if path.name not in before] == []
        if progress.left > 0:
            break
    assert moment > 10
    assert refused >= moment - 3  # before anything of the file is read, another one is as good


class At:
    """Does something when it is called for so many times and once more."""

    def __init__(self, number: int, action: Callable[[], None]) -> None:
        self.left = number + 1
        self.action = action

    def __call__(self, *_: object) -> None:
        self.left -= 1
        if not self.left:
            self.action()


def refusal(model: Path, out: Path, progress: At) -> str:
    """What a conversion says when it refuses; nothing when it does not."""
    try:
        onnxgen.convert(model, out, progress=progress)
    except (OnnxError, ConversionError, OSError) as error:
        return str(error)
    return ""
