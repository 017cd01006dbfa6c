"""``onnxgen weights``."""

from pathlib import Path

import pytest
from running import DIGITS, run


def test_safetensors_on_request(tmp_path: Path) -> None:
    result = run("convert", DIGITS, "-o", tmp_path, "--weights", "safetensors")
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {"model.py", "weights.safetensors"}
    assert "weights.safetensors  22 tensors, 51 402 parameters" in result.stdout
    source = (tmp_path / "model.py").read_text("utf-8")
    assert "load_safetensors(path, None if weights else " in source
    assert "msgpack" not in source


def test_from_one_format_to_the_other_and_back(tmp_path: Path) -> None:
    assert run("convert", DIGITS, "-o", tmp_path).exit_code == 0
    source, between = tmp_path / "weights.msgpack", tmp_path / "other.safetensors"
    result = run("weights", "convert", source, between, "--shard", "100000")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == f"{between}.index.json"
    assert run("weights", "convert", "-q", f"{between}.index.json", tmp_path / "back.msgpack").output == ""
    assert (tmp_path / "back.msgpack").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["missing.msgpack", "model.msgpack"])
def test_what_is_no_weights_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "model.msgpack").write_bytes(b"text")
    result = run("weights", "convert", tmp_path / name, tmp_path / "w.safetensors")
    assert result.exit_code == 1
    assert name in result.stderr
    assert "defect" not in result.stderr
    assert not (tmp_path / "w.safetensors").exists()
