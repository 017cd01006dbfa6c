"""The output folder: nothing of anybody else's is overwritten."""

from __future__ import annotations

from pathlib import Path

import onnx_proto
import pytest
from samples import call, converted, made, weights

from codegen_torch import convert
from codegen_torch.errors import OutputExistsError
from codegen_torch.package import check_free, written_by_us

MODEL = made([call("MatMul", "x w", "y")], weights(w=[4, 4]))
NAMES = ["model.py", "weights.msgpack"]


def test_the_input_is_not_overwritten_even_by_force(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    onnx_proto.save(MODEL, path)
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="is what is being converted"):
        convert(path, tmp_path, force=True)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model.py"]


def test_a_conversion_writes_two_files(tmp_path: Path) -> None:
    _, report = converted(tmp_path, MODEL)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES
    assert [path.name for path in report.files] == NAMES
    assert all(written_by_us(path) for path in report.files)


def test_converting_again_replaces_what_was_converted(tmp_path: Path) -> None:
    first, _ = converted(tmp_path, MODEL)
    assert converted(tmp_path, MODEL)[0] == first


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", ["", "import torch\n", "\x00\xff"])
def test_what_somebody_else_wrote_is_not_overwritten(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(content, "utf-8")
    with pytest.raises(OutputExistsError, match=f"{name} exists and was not written by onnxgen"):
        converted(tmp_path, MODEL)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [name]
    assert (tmp_path / "out" / name).read_text("utf-8") == content
    converted(tmp_path, MODEL, force=True)
    assert written_by_us(tmp_path / "out" / name)


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "model.py").mkdir()
    with pytest.raises(OutputExistsError):
        check_free(tmp_path, NAMES)


def test_a_mark_far_into_a_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("#" * 5000 + "generated  by onnxgen")
    assert not written_by_us(path)
