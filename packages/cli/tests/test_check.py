"""``onnxgen check``: what stands in the way of a conversion, all of it."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from running import DIGITS, run

OPERATORS = """
from codegen_torch.extension import F, op

@op("Wave", domain="com.example", since=1)
def wave(x):
    return F.silu(x)
"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A model with three nodes that cannot be converted, two of them for the same reason."""
    nodes = [
        helper.make_node("Wave", ["x"], ["a"], name="first", domain="com.example"),
        helper.make_node("Wave", ["x"], ["b"], name="second", domain="com.example"),
        helper.make_node("Swish", ["x"], ["c"]),
        helper.make_node("Sum", ["a", "b", "c"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.example", 1)]
    onnx.save(
        helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opsets, ir_version=10),
        tmp_path / "odd.onnx",
    )
    return tmp_path / "odd.onnx"


def test_a_model_without_obstacles() -> None:
    result = run("check", DIGITS)
    assert result.exit_code == 0
    assert result.stdout == f"{DIGITS}: everything in it can be converted\n"
    assert json.loads(run("check", "--json", DIGITS).stdout) == []


def test_every_obstacle_is_listed(odd: Path) -> None:
    result = run("check", odd)
    assert result.exit_code == 3
    assert result.stdout == (
        f"{odd}: 3 obstacles, for 2 reasons\n"
        "\n"
        "com.example.Wave (opset 1), 2×: the operator is not supported\n"
        "  hint: define it in a Python file and give that with --ops\n"
        "  first\n"
        "  second\n"
        "\n"
        "Swish (opset 20), 1×: only opsets 24 to 28 are supported\n"
        "  hint: onnx.version_converter may bring the model there\n"
        "  c\n"
    )


def test_json(odd: Path) -> None:
    result = run("check", "--json", odd)
    assert result.exit_code == 3
    assert json.loads(result.stdout)[0] == {
        "operator": "com.example.Wave",
        "opset": 1,
        "count": 2,
        "nodes": ["first", "second"],
        "reason": "the operator is not supported",
        "hint": "define it in a Python file and give that with --ops",
    }


def test_operators_of_ones_own_count(odd: Path, tmp_path: Path) -> None:
    (tmp_path / "my_ops.py").write_text(OPERATORS, "utf-8")
    result = run("check", odd, "--ops", tmp_path / "my_ops.py")
    assert result.exit_code == 3
    assert "for 1 reason\n" in result.stdout
    assert "Wave" not in result.stdout


def test_what_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    result = run("check", tmp_path / "bad.onnx")
    assert result.exit_code == 1
    assert "bad.onnx" in result.stderr
