"""``onnxgen bench``: who is measured, in what order, and how it is said."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from converted import DIGITS
from onnxgen.benchmark.measure import take_turns
from onnxgen.commands import cli


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["bench", *map(str, arguments)])


def test_contenders_take_turns() -> None:
    order: list[str] = []
    seconds = take_turns({name: lambda name=name: order.append(name) for name in "abc"}, 3)
    assert "".join(order) == "cbaabccba"
    assert {name: len(times) for name, times in seconds.items()} == {"a": 3, "b": 3, "c": 3}


def test_the_table(digits: Path) -> None:
    result = run(digits, "--model", DIGITS, "--no-compile", "--rounds", "3", "--threads", "1", "--size", "batch=5")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == str(digits)
    assert lines[2].endswith("made up, batch 5")
    assert lines[3].endswith("1 thread, 3 rounds")
    assert [line.split()[0] for line in lines[6:]] == ["eager", "onnxruntime"]
    assert lines[6].endswith("1.00")


@pytest.mark.long
def test_the_compiled_model_takes_part(digits: Path) -> None:
    told = json.loads(run(digits, "--model", DIGITS, "--rounds", "2", "--json").stdout)
    assert [each["name"] for each in told["latencies"]] == ["eager", "compiled", "onnxruntime"]
    assert all(each["median"] > 0 and not each["missing"] for each in told["latencies"])


def test_who_is_missing_is_said(digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("onnxruntime", "onnxgen.verification.by_"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    result = run(digits, "--model", DIGITS, "--no-compile", "--rounds", "2")
    assert result.exit_code == 0, result.output
    assert "onnxruntime  not measured" in result.stdout
    assert "pip install 'onnxgen[verify]'" in result.stdout


def test_given_inputs(digits: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "inputs.npz", images=np.zeros((5, 1, 8, 8), np.float32))
    result = run(
        digits, "--model", DIGITS, "--no-compile", "--rounds", "2", "--inputs", tmp_path / "inputs.npz", "--json"
    )
    told = json.loads(result.stdout)
    assert told["inputs"] == str(tmp_path / "inputs.npz")
    assert told["latencies"][0]["ratio"] == 1


def test_errors(digits: Path, tmp_path: Path) -> None:
    result = run(digits, "--no-compile")
    assert result.exit_code == 1
    assert "name it with --model" in result.stderr
    result = run(digits, "--model", DIGITS, "--size", "length=3")
    assert result.exit_code == 1
    assert "no size of the inputs is called length; there are: batch" in result.stderr
    assert run(tmp_path / "nowhere").exit_code == 1
