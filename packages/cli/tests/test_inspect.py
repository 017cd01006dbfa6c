"""``onnxgen inspect``: what a file says about itself, without a look at its weights."""

import json
from pathlib import Path

import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper
from onnx_proto import Tensor
from running import DIGITS

from onnxgen.commands import cli


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["inspect", *map(str, arguments)])


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A model with an unknown operator, one of them in a branch, and a name that would steer a terminal."""
    wave = helper.make_node("Wave", ["x"], ["b"], domain="com.example")
    branch = helper.make_graph([wave], "branch", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N"])])
    nodes = [
        helper.make_node("Wave", ["x"], ["a"], domain="com.example"),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N\x1b[2J"]),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "odd.onnx")
    return tmp_path / "odd.onnx"


def test_text() -> None:
    result = run(DIGITS)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == str(DIGITS)
    assert "  opsets    ai.onnx 20" in lines
    assert "  images  float32 [batch, 1, 8, 8]" in lines
    assert "  Conv        10" in lines
    assert any(line.split()[:2] == ["layer1", "Sequential"] for line in lines)


def test_json() -> None:
    found = json.loads(run(DIGITS, "--json").stdout)
    weights = onnx.load(DIGITS).graph.initializer
    assert found["inputs"] == [{"name": "images", "type": "float32", "shape": ["batch", 1, 8, 8]}]
    assert sum(found["operators"].values()) == found["modules"][0]["nodes"] == 26
    assert found["modules"][0]["nbytes"] == sum(len(tensor.raw_data) for tensor in weights)
    modules = {module["path"]: module for module in found["modules"]}
    assert modules["layer1"]["parameters"] == sum(modules[f"layer1.{number}"]["parameters"] for number in (0, 1))
    assert found["unsupported"] == []


def test_modules_stand_before_what_is_in_them() -> None:
    paths = [module["path"] for module in json.loads(run(DIGITS, "--json").stdout)["modules"]]
    assert paths[0] == ""
    assert all(paths.index(path.rpartition(".")[0]) < place for place, path in enumerate(paths) if "." in path)


def test_the_tree_ends_where_it_is_told() -> None:
    assert "conv1" not in run(DIGITS, "--depth", "1").stdout
    assert "which --depth shows" in run(DIGITS, "--depth", "1").stdout
    assert "conv1" in run(DIGITS, "--depth", "9").stdout


def test_what_cannot_be_converted_is_said(odd: Path) -> None:
    result = run(odd)
    assert result.exit_code == 0
    assert "  com.example.Wave (opset 1)  3×  the operator is not supported" in result.stdout
    assert [each["operator"] for each in json.loads(run(odd, "--json").stdout)["unsupported"]] == ["com.example.Wave"]


def test_names_do_not_steer_the_terminal(odd: Path) -> None:
    assert "\x1b" not in run(odd).stdout
    assert "x  float32 [N\\x1b[2J]" in run(odd).stdout


def test_no_weight_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a weight was read")

    monkeypatch.setattr(Tensor, "numpy", refuse)
    monkeypatch.setattr(Tensor, "chunks", refuse)
    assert run(DIGITS).exit_code == 0


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    assert run(tmp_path / "bad.onnx").exit_code == 1
    assert run(tmp_path / "missing.onnx").exit_code == 1
