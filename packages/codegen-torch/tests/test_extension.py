"""Operators from a file of the user's own."""

from __future__ import annotations

from pathlib import Path

import onnx_proto
import pytest
from onnx_proto.build import graph, model, node, value
from samples import body

from codegen_torch import convert
from codegen_torch.errors import ConversionError, UnsupportedError
from codegen_torch.extension import extended
from codegen_torch.lower.registry import definitions
from codegen_torch.table import SYMBOLS

OPERATORS = '''
from __future__ import annotations

import math

from codegen_torch.extension import Expr, F, Fact, helper, op, runtime


def turns(amount):
    return amount * math.tau


@helper
def wave(x: Tensor, amount: float) -> Tensor:
    """Bend."""
    return x + torch.sin(turns(amount) * x)


@helper(fact=lambda x: Fact(x.dtype, (2, *x.dims)))
def both(x: Tensor) -> Tensor:
    """Stack a tensor on its negation."""
    return torch.stack([x, -x])


@op("Wave", domain="com.example", since=1)
def wave_of(x: Expr, *, amount: float = 1.0) -> Expr:
    return runtime.both(runtime.wave(x, amount))


@op("Relu", since=14)
def relu(x: Expr) -> Expr:
    return F.silu(x)
'''


@pytest.fixture
def operators(tmp_path: Path) -> Path:
    path = tmp_path / "my_ops.py"
    path.write_text(OPERATORS, "utf-8")
    return path


@pytest.fixture
def waves(tmp_path: Path) -> Path:
    nodes = [node("Relu", ["x"], ["t"]), node("Wave", ["t"], ["y"], domain="com.example", amount=0.5)]
    source = model(
        graph(nodes, [value("x", "float32", ["batch", "wave"])], ["y"]), opset_imports={"": 20, "com.example": 1}
    )
    onnx_proto.save(source, tmp_path / "waves.onnx")
    return tmp_path / "waves.onnx"


def test_a_file_adds_operators_and_functions(waves: Path, operators: Path, tmp_path: Path) -> None:
    convert(waves, tmp_path / "out", ops=[operators])
    text = (tmp_path / "out" / "model.py").read_text("utf-8")
    assert "        return both(wave(F.silu(x), 0.5))\n" in body(text)
    assert '\ndef wave(x: Tensor, amount: float) -> Tensor:\n    """Bend."""\n' in text
    assert "\ndef turns(amount):\n" in text
    assert "\nimport math\n" in text
    assert "codegen_torch" not in text


def test_annotations_need_no_future_import(waves: Path, operators: Path, tmp_path: Path) -> None:
    operators.write_text(OPERATORS.replace("from __future__ import annotations\n", ""), "utf-8")
    convert(waves, tmp_path / "out", ops=[operators])
    forward = "        return both(wave(F.silu(x), 0.5))\n"
    assert forward in (tmp_path / "out" / "model.py").read_text("utf-8")


def test_it_is_forgotten_afterwards(waves: Path, operators: Path, tmp_path: Path) -> None:
    with extended([operators]):
        assert [d.meaning.__name__ for d in definitions("", "Relu", 14)] == ["relu", "relu"]
        assert "runtime.wave" in SYMBOLS
    assert len(definitions("", "Relu", 14)) == 1
    assert "runtime.wave" not in SYMBOLS
    with pytest.raises(UnsupportedError, match=r"com\.example\.Wave"):
        convert(waves, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "defines no operator"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def (", "SyntaxError"),
        ("from codegen_torch.extension import helper\n@helper\ndef reshape(x): ...", "runtime.reshape is registered"),
    ],
)
def test_files_that_make_no_sense(waves: Path, tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad_ops.py"
    path.write_text(text, "utf-8")
    with pytest.raises(ConversionError, match=rf"bad_ops\.py.*{reason}"):
        convert(waves, tmp_path / "out", ops=[path])
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there(waves: Path, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="cannot be read"):
        convert(waves, tmp_path / "out", ops=[tmp_path / "none.py"])
