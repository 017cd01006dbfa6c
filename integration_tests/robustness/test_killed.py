"""A conversion that is killed, at any of its steps or at random moments, leaves no files that pass for a model's."""

from __future__ import annotations

import functools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import onnxgen
import pytest
import torch
from codegen_torch.weights_files import WeightsFiles
from converted import import_model
from folders import CONVERT, contents, published, written
from onnx import TensorProto, helper
from tried import TRIED

KILLED = Path(__file__).with_name("killed.py")
LIMITS = {"msgpack": 10**9, "safetensors": 64}
"""The most bytes of one weights file: the second format takes several and an index."""


def write_model(path: Path, factor: float) -> Path:
    """A model that multiplies four numbers by the factor; another factor gives files of the same layout."""
    weight = helper.make_tensor("first.weight", TensorProto.FLOAT, [4, 4], torch.eye(4).mul(factor).flatten().tolist())
    bias = helper.make_tensor("first.bias", TensorProto.FLOAT, [4], [0.0] * 4)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy")
    node = helper.make_node("Gemm", ["x", "first.weight", "first.bias"], ["y"])
    graph = helper.make_graph([node], "net", [x], [y], [weight, bias])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def factor_of(folder: Path) -> float:
    """What the model in a folder multiplies by, as it loads its own weights."""
    return import_model(folder).load_model()(torch.ones(1, 4))[0, 0].item()


def assert_noticed(folder: Path) -> None:
    """See that files of two conversions are not taken for one model's."""
    with pytest.raises(ValueError, match=r"was written with another model.py.*: convert again"):
        import_model(folder).load_model()


@pytest.mark.parametrize("form", LIMITS)
@pytest.mark.parametrize("there", [False, True], ids=["into a new folder", "over another model"])
def test_killed_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, there: bool) -> None:
    monkeypatch.setattr(WeightsFiles, "of", functools.partial(WeightsFiles.of, limit=LIMITS[form]))
    old, new = write_model(tmp_path / "old.onnx", 2), write_model(tmp_path / "new.onnx", 3)
    if there:
        onnxgen.convert(old, tmp_path / "old", weights=form)
    command = [sys.executable, KILLED, new, tmp_path / "killed", tmp_path / "old", form, str(LIMITS[form])]
    subprocess.run(command, check=True)
    folders = sorted((each / "out" for each in (tmp_path / "killed").iterdir()), key=lambda path: int(path.parent.name))
    before, after = contents(tmp_path / "old"), contents(folders[-1])
    TRIED["kills"] += len(folders) - 1
    noticed = 0
    for folder in folders:
        found = published(folder)
        if found == after:
            assert factor_of(folder) == 3
        elif found == before:
            assert folder.exists() == there
            assert not there or factor_of(folder) == 2
        else:
            noticed += 1
            assert_noticed(folder)
        onnxgen.convert(new, folder, weights=form)
        assert contents(folder) == after
        assert [path.name for path in folder.parent.iterdir()] == ["out"]
        assert not list(folder.glob(".onnxgen-*"))
    assert noticed == (len(after) - 1 if there else 0)


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_ended_at_random_moments(tmp_path: Path, models: tuple[Path, Path], number: int, kills: int) -> None:
    old, new = models
    wholes = [written(old, tmp_path / old.stem)]
    started = time.perf_counter()
    wholes.append(written(new, tmp_path / new.stem))
    needed = time.perf_counter() - started
    moments = random.Random(0)
    onnxgen.convert(old, tmp_path / "out")
    for _ in range(kills):
        process = subprocess.Popen([*CONVERT, new, tmp_path / "out"], stderr=subprocess.DEVNULL)
        time.sleep(moments.uniform(0, needed * 1.1))
        process.send_signal(number)
        process.wait()
        TRIED["kills"] += 1
        found = published(tmp_path / "out")
        if found not in wholes:
            assert number == signal.SIGKILL
            assert_noticed(tmp_path / "out")
        if found != wholes[0]:
            onnxgen.convert(old, tmp_path / "out")
    onnxgen.convert(old, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.py", "weights.msgpack"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", *(path.stem for path in models)}
