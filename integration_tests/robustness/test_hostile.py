"""Malformed and hostile files: each is refused in words that name the place, or gives its numbers, and nothing else."""

from __future__ import annotations

import builtins
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import strings
import torch
from converted import import_model
from forked import MEMORY, SECONDS, Converter
from hostile import REFUSED, Hostile, files
from onnx.reference import ReferenceEvaluator
from tried import TRIED

with np.errstate(all="ignore"):
    FILES = {each.name: each for each in files()}
FEWEST = 400


@pytest.fixture(scope="module")
def converter() -> Iterator[Converter]:
    with Converter() as running:
        yield running


def write(case: Hostile, folder: Path) -> Path:
    for name, content in case.beside.items():
        if isinstance(content, str):
            (folder / name).symlink_to(content.removeprefix("->"))
        else:
            (folder / name).write_bytes(content)
    path = folder / "m.onnx"
    path.write_bytes(case.data)
    return path


@pytest.mark.parametrize("name", FILES)
def test_file(converter: Converter, tmp_path: Path, name: str) -> None:
    case = FILES[name]
    TRIED["files"] += 1
    TRIED["mutants"] += name.startswith("wire: ")
    TRIED["strings"] += name.startswith("words: ")
    path = write(case, tmp_path)
    before = {each.name for each in tmp_path.iterdir()}
    ending = converter.convert(path, tmp_path / "out")
    assert ending.how in ("ok", "refused"), f"{ending.how} {ending.error} after {ending.seconds} s: {ending.text}"
    assert ending.seconds < SECONDS
    assert ending.peak < MEMORY
    left = {each.name for each in tmp_path.iterdir()}
    if ending.how == "refused":
        assert left == before, "something was left behind"
        assert case.place, ending.text
        assert re.fullmatch(REFUSED, ending.error), f"{ending.error}: {ending.text}"
        assert re.search(case.place, ending.text, re.DOTALL), ending.text
        return
    assert left == before | {"out"}
    assert case.either or not case.place, "this was to be refused"
    assert {each.name for each in (tmp_path / "out").iterdir()} == {"model.py", "weights.msgpack"}
    compile((tmp_path / "out" / "model.py").read_bytes(), "model.py", "exec")
    if case.inputs is not None:
        compare(case, tmp_path / "out")


def compare(case: Hostile, folder: Path) -> None:
    wanted = case.expected
    if wanted is None:
        wanted = ReferenceEvaluator(onnx.ModelProto.FromString(case.data)).run(None, dict(case.inputs))
    found = import_model(folder).load_model()(*(torch.from_numpy(each.copy()) for each in case.inputs.values()))
    for value, want in zip(found if isinstance(found, tuple) else (found,), wanted, strict=True):
        array = value.detach().numpy()
        assert array.dtype == want.dtype
        np.testing.assert_allclose(array, want, rtol=1e-5, atol=1e-6)
    assert not hasattr(builtins, strings.CANARY)


def test_there_are_enough_files_and_always_the_same() -> None:
    assert len(FILES) >= FEWEST
    with np.errstate(all="ignore"):
        assert [(each.name, each.data) for each in files()] == [(each.name, each.data) for each in FILES.values()]
