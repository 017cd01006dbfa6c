"""Whatever happens meanwhile, the output folder holds the old files or the new ones, whole, and nothing else."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnxgen
import pytest
from large import write_layers
from tried import TRIED

CONVERT = "import sys, codegen_torch; codegen_torch.convert(sys.argv[1], sys.argv[2])"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of different weights."""
    folder = tmp_path_factory.mktemp("models")
    return tuple(
        write_layers(folder / f"{layers}.onnx", layers, transposed=True, external=False, dense=False)
        for layers in (1, 2)
    )


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_signals_at_random_moments(tmp_path: Path, models: tuple[Path, Path], number: int, kills: int) -> None:
    old, new = models
    wholes = []
    for path in (old, new):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", CONVERT, path, tmp_path / path.stem], check=True)
        wholes.append(contents(tmp_path / path.stem))
    needed = time.perf_counter() - started
    moments = random.Random(0)
    onnxgen.convert(old, tmp_path / "out")
    for _ in range(kills):
        process = subprocess.Popen([sys.executable, "-c", CONVERT, new, tmp_path / "out"], stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0, needed * 1.1))
        process.send_signal(number)
        process.wait()
        TRIED["kills"] += 1
        found = contents(tmp_path / "out")
        assert found in wholes
        if found == wholes[1]:
            onnxgen.convert(old, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"out", *(path.stem for path in models)}


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


def test_a_folder_that_cannot_be_written(models: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "onnxgen", "convert", models[0], "-o", "/proc/out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/proc" in done.stderr
    assert "defect" not in done.stderr


def test_two_conversions_into_one_folder(tmp_path: Path, models: tuple[Path, Path]) -> None:
    wholes = []
    for path in models:
        onnxgen.convert(path, tmp_path / path.stem)
        wholes.append(contents(tmp_path / path.stem))
    for _ in range(3):
        running = [subprocess.Popen([sys.executable, "-c", CONVERT, path, tmp_path / "out"]) for path in models]
        assert [process.wait() for process in running] == [0, 0]
        assert contents(tmp_path / "out") in wholes


def test_the_same_bytes_everywhere(tmp_path: Path, models: tuple[Path, Path]) -> None:
    found = []
    for number, (seed, zone, locale) in enumerate(
        [("0", "UTC", "C"), ("1", "Asia/Tokyo", "C.UTF-8"), ("2", "", "tr_TR")]
    ):
        (tmp_path / str(number)).mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale}
        command = [sys.executable, "-c", CONVERT, models[1], "out"]
        subprocess.run(command, cwd=tmp_path / str(number), env=environment, check=True)
        found.append(contents(tmp_path / str(number) / "out"))
    assert found[0] == found[1] == found[2]
