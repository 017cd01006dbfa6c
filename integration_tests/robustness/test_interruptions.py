"""Whatever happens meanwhile, the output folder holds the old files or the new ones, whole, and nothing else."""

from __future__ import annotations

import filecmp
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import onnxgen
import pytest
from folders import CONVERT, contents, written


def test_a_full_disk(tmp_path: Path, models: tuple[Path, Path]) -> None:
    onnxgen.convert(models[0], tmp_path / "out")
    before = contents(tmp_path / "out")

    def small_files() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    command = [sys.executable, "-m", "onnxgen", "convert", models[1], "-o", tmp_path / "out"]
    done = subprocess.run(command, preexec_fn=small_files, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "too large" in done.stderr
    assert contents(tmp_path / "out") == before
    command[-1] = tmp_path / "new"
    assert subprocess.run(command, preexec_fn=small_files, capture_output=True, check=False).returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("weights", ["msgpack", "safetensors"])
def test_an_output_that_is_the_input(tmp_path: Path, models: tuple[Path, Path], weights: str) -> None:
    path = tmp_path / f"weights.{weights}"
    shutil.copy(models[0], path)
    command = [sys.executable, "-m", "onnxgen", "convert", path, "-o", tmp_path, "--force", "--weights", weights]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is what is being converted" in done.stderr
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert filecmp.cmp(path, models[0], shallow=False)


def test_a_folder_that_cannot_be_written(models: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "onnxgen", "convert", models[0], "-o", "/proc/out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/proc" in done.stderr
    assert "defect" not in done.stderr


def test_two_conversions_into_one_folder(tmp_path: Path, models: tuple[Path, Path]) -> None:
    wholes = [written(path, tmp_path / path.stem) for path in models]
    for _ in range(3):
        running = [subprocess.Popen([*CONVERT, path, tmp_path / "out"]) for path in models]
        assert [process.wait() for process in running] == [0, 0]
        assert contents(tmp_path / "out") in wholes
