"""What ``onnxgen bench`` does before anything is measured, and how it says what was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from running import DIGITS

import onnxgen
from onnxgen.benchmark.finding import find_model
from onnxgen.commands import cli


def test_the_file_is_found_by_its_name_and_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "models" / "digits"
    onnxgen.convert(DIGITS, folder)
    assert find_model(folder) is None
    (tmp_path / "models" / "digits.onnx").write_bytes(b"another file of that name")
    assert find_model(folder) is None
    shutil.copy(DIGITS, tmp_path / "models")
    assert find_model(folder) == tmp_path / "models" / "digits.onnx"
    (tmp_path / "models" / "digits.onnx").unlink()
    monkeypatch.chdir(DIGITS.parent)
    assert find_model(folder) == Path("digits.onnx")


def test_the_name_of_the_file_is_no_path(tmp_path: Path) -> None:
    onnxgen.convert(DIGITS, tmp_path / "digits")
    source = tmp_path / "digits" / "model.py"
    source.write_text(source.read_text("utf-8").replace("from digits.onnx.", f"from {DIGITS}."), "utf-8")
    assert find_model(tmp_path / "digits") is None


def test_a_size_is_a_name_and_a_number() -> None:
    result = CliRunner().invoke(cli, ["bench", ".", "--size", "batch"])
    assert result.exit_code == 2
    assert "'batch' is not NAME=N." in result.stderr
