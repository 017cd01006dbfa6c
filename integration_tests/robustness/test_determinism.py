"""One file gives the same bytes wherever it is converted; `nox -s pythons` shows it for other interpreters."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from converted import DIGITS

DIGESTS = Path(__file__).with_name("digests.py")
SURROUNDINGS = {
    "a hash seed": {"PYTHONHASHSEED": "1", "TZ": "UTC", "LC_ALL": "C"},
    "another": {"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
    "no UTF-8": {
        "PYTHONHASHSEED": "3",
        "TZ": "America/St_Johns",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    },
    "dotless i": {"PYTHONHASHSEED": "random", "TZ": "", "LC_ALL": "tr_TR", "LANG": "tr_TR.UTF-8"},
    "few columns": {"PYTHONHASHSEED": "0", "COLUMNS": "20", "PYTHONOPTIMIZE": "2", "PYTHONINTMAXSTRDIGITS": "0"},
}


def test_the_same_bytes_in_all_surroundings(tmp_path: Path, exported: Callable[[str, str], Path]) -> None:
    models = [DIGITS, exported("bert", "dynamo"), exported("mlp", "dynamo")]
    found = {}
    for name, surroundings in SURROUNDINGS.items():
        (tmp_path / name).mkdir()
        command = [sys.executable, DIGESTS, "out", *models]
        environment = {**os.environ, **surroundings}
        found[name] = subprocess.check_output(command, cwd=tmp_path / name, env=environment, text=True)
    expected = next(iter(found.values()))
    assert expected.count("\n") >= 2 * 3 * len(models)
    assert found == dict.fromkeys(found, expected)


def test_a_folder_is_called_what_it_may(tmp_path: Path) -> None:
    """Neither where the file is nor where the output goes is part of it."""
    (tmp_path / "ünï cödé").mkdir()
    copied = tmp_path / "ünï cödé" / DIGITS.name
    copied.write_bytes(DIGITS.read_bytes())
    found = [
        subprocess.check_output([sys.executable, DIGESTS, place, model], cwd=tmp_path, text=True)
        for place, model in ((tmp_path / "out", DIGITS), ("ünï cödé/aus", copied), (".", copied))
    ]
    assert found == [found[0]] * 3
