"""``onnxgen diff``: what changed between two models."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx_proto
import pytest
from click.testing import CliRunner, Result
from codegen_torch.dtypes import DType
from codegen_torch.tensors import TensorRef
from codegen_torch.weights_files import convert_weights
from onnx_proto.build import graph, model, node, tensor, value
from running import DIGITS

import onnxgen
from onnxgen.commands import cli
from onnxgen.difference.weights import changes

WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)


def run(*arguments: str | Path, **options: object) -> Result:
    return CliRunner().invoke(cli, ["diff", *map(str, arguments)], **options)  # type: ignore[arg-type]


def net(path: Path, weight: npt.ArrayLike = WEIGHT, *, op: str = "Relu", opset: int = 20, producer: str = "us") -> Path:
    nodes = [node("Gemm", ["x", "fc.weight"], ["h"], attributes={"transB": 1}), node(op, ["h"], ["y"])]
    source = graph(
        nodes, [value("x", "float32", ["n", 4])], ["y"], [tensor("fc.weight", np.asarray(weight, np.float32))]
    )
    onnx_proto.save(dataclasses.replace(model(source, opset_imports=opset), producer_name=producer), path)
    return path


def test_a_model_and_itself(tmp_path: Path) -> None:
    one, other = net(tmp_path / "one.onnx"), net(tmp_path / "other.onnx")
    result = run(one, other)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{one} and {other}: no difference\n"
    assert json.loads(run(one, other, "--json").stdout)["equal"] is True


def test_a_model_and_its_folder(tmp_path: Path) -> None:
    onnxgen.convert(DIGITS, tmp_path / "a")
    onnxgen.convert(DIGITS, tmp_path / "b", weights="safetensors", name="Reader")
    assert run(DIGITS, tmp_path / "a").exit_code == 0
    assert run(tmp_path / "b", DIGITS).exit_code == 0
    result = run(tmp_path / "a", tmp_path / "b")
    assert result.exit_code == 5
    assert "+class Reader(nn.Module):\n" in result.stdout
    assert "Weights: no difference in 22 tensors" in result.stdout


def test_changed_weights(tmp_path: Path) -> None:
    changed = WEIGHT.copy()
    changed[1] += [0.5, 0, 0, -1]
    result = run(net(tmp_path / "one.onnx"), net(tmp_path / "other.onnx", changed))
    assert result.exit_code == 5
    assert result.stdout == (
        "Source: no difference\n"
        "\n"
        "Weights: 1 of 1 tensors differ\n"
        "  fc.weight  2 of 12  float32 [3, 4]  largest 1  mean 0.125\n"
    )


def test_a_changed_source(tmp_path: Path) -> None:
    one, other = net(tmp_path / "one.onnx"), net(tmp_path / "other.onnx", op="Sigmoid")
    result = run(one, other)
    assert result.exit_code == 5
    lines = result.stdout.splitlines()
    assert lines[1:3] == [f"--- {one}", f"+++ {other}"]
    assert "-        return F.relu(self.fc(x))" in lines
    assert "+        return torch.sigmoid(self.fc(x))" in lines
    assert "sha256" not in result.stdout
    assert lines[-1] == "Weights: no difference in 1 tensor"


def test_what_models_say_about_themselves(tmp_path: Path) -> None:
    result = run(net(tmp_path / "one.onnx"), net(tmp_path / "other.onnx", opset=18, producer="them"))
    assert result.exit_code == 5
    assert "  producer          us  →  them\n  opset of ai.onnx  20  →  18\n" in result.stdout


def test_json(tmp_path: Path) -> None:
    told = json.loads(run(net(tmp_path / "one.onnx"), net(tmp_path / "other.onnx", WEIGHT[:2]), "--json").stdout)
    assert told["equal"] is False
    (change,) = told["weights"]
    assert (change["kind"], change["before"], change["after"]) == ("shape", "float32 [3, 4]", "float32 [2, 4]")
    assert any(line.startswith("-        self.fc = nn.Linear(4, 3") for line in told["source"])


def test_colours_are_for_terminals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    one, other = net(tmp_path / "one.onnx"), net(tmp_path / "other.onnx", op="Sigmoid")
    assert "\x1b[31m-        return F.relu(self.fc(x))\x1b[0m" in run(one, other, color=True).stdout
    assert "\x1b" not in run(one, other).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run(one, other, color=True).stdout


def test_what_is_no_model(tmp_path: Path) -> None:
    result = run(DIGITS, tmp_path / "nowhere.onnx")
    assert result.exit_code == 1
    assert "nowhere.onnx" in result.stderr
    (tmp_path / "empty").mkdir()
    assert run(DIGITS, tmp_path / "empty").exit_code == 1
    onnxgen.convert(DIGITS, tmp_path / "bare")
    (tmp_path / "bare" / "weights.msgpack").unlink()
    result = run(DIGITS, tmp_path / "bare")
    assert result.exit_code == 1
    assert "has no weights file" in result.stderr


class Chunked(TensorRef):
    """A tensor that comes in chunks of its own sizes."""

    def __init__(self, array: npt.NDArray[np.float32], step: int) -> None:
        super().__init__(DType.FLOAT32, array.shape)
        self.array, self.step = array, step

    def numpy(self) -> npt.NDArray[np.float32]:
        return self.array

    def _chunks(self, block: int) -> Iterator[bytes]:
        content = self.array.tobytes()
        yield from (content[start : start + self.step] for start in range(0, len(content), self.step))


@pytest.mark.parametrize("steps", [(4, 4), (4, 12), (20, 8), (1000, 4)])
def test_tensors_may_come_in_other_chunks(steps: tuple[int, int]) -> None:
    first = np.arange(30, dtype=np.float32)
    second = first.copy()
    second[[3, 17, 29]] += 2
    (change,) = changes({"w": Chunked(first, steps[0])}, {"w": Chunked(second, steps[1])})
    assert (change.changed, change.size, change.largest) == (3, 30, 2.0)
    assert change.mean == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("first", "second", "changed", "largest"),
    [
        (np.array([0x3F80, 0x4000], np.uint16), np.array([0x3F80, 0x4040], np.uint16), 1, 1.0),
        (np.array([1, -3], np.int8), np.array([1, 120], np.int8), 1, 123.0),
        (np.array([1 + 1j, 0], np.complex64), np.array([1, 0], np.complex64), 1, 1.0),
        (np.array([np.nan, 1], np.float32), np.array([2, 1], np.float32), 1, 0.0),
        (np.array([True, False]), np.array([True, True]), 1, 1.0),
    ],
    ids=["bfloat16", "int8", "complex64", "nan", "bool"],
)
def test_numbers_of_every_kind(
    first: npt.NDArray[np.generic], second: npt.NDArray[np.generic], changed: int, largest: float
) -> None:
    dtype = DType.BFLOAT16 if first.dtype == np.uint16 else None
    refs = [TensorRef.of_array(array, dtype) for array in (first, second)]
    (change,) = changes({"w": refs[0]}, {"w": refs[1]})
    assert (change.kind, change.changed, change.largest) == ("values", changed, largest)
    assert list(changes({"w": refs[0]}, {"w": refs[0]})) == []


def test_added_removed_and_of_another_form() -> None:
    refs = {
        name: TensorRef.filled(shape, dtype, 0)
        for name, shape, dtype in [("a", (2,), DType.FLOAT32), ("b", (2,), DType.INT64), ("c", (3,), DType.FLOAT32)]
    }
    first, second = {"x": refs["a"], "y": refs["a"], "z": refs["a"]}, {"y": refs["b"], "z": refs["c"], "w": refs["a"]}
    kinds = {change.key: change.kind for change in changes(first, second)}
    assert kinds == {"w": "added", "x": "removed", "y": "dtype", "z": "shape"}


def test_weights_of_either_format(tmp_path: Path) -> None:
    onnxgen.convert(DIGITS, tmp_path / "a")
    convert_weights(tmp_path / "a" / "weights.msgpack", tmp_path / "a" / "weights.safetensors")
    (tmp_path / "a" / "weights.msgpack").unlink()
    assert run(DIGITS, tmp_path / "a").exit_code == 0
