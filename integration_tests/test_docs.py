"""Every command and every snippet of the documentation, run as a reader would, page by page.

A page's ``sh`` and ``python`` blocks are run in their order in one new folder that holds digits.onnx and the scripts of
docs/examples. The Python blocks share one process, as in a notebook. ``text`` blocks are what was printed once;
``>>>`` examples are checked as doctests.
"""

from __future__ import annotations

import doctest
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What some pages stand on beside torch and onnxgen.
NEEDS = {"lora": "peft"}

# Runs blocks in order; a failing one says which it was.
RUNNER = """
import json, subprocess, sys
sys.path.insert(0, "")
names = {"__name__": "__main__"}
for number, (language, text) in enumerate(json.load(open("blocks.json"))):
    print(f"--- block {number}: {text.splitlines()[0]}", file=sys.stderr, flush=True)
    if language == "sh":
        subprocess.run(["bash", "-ec", text], check=True)
    else:
        exec(compile(text, f"<block {number}>", "exec"), names)
"""


def blocks(page: Path) -> list[tuple[str, str]]:
    """Returns the language and the text of a page's fenced blocks."""
    return BLOCK.findall(page.read_text(encoding="utf-8"))


def is_doctest(text: str) -> bool:
    return text.startswith(">>> ")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page(page: Path, tmp_path: Path) -> None:
    runnable = [
        (language, text) for language, text in blocks(page) if language in ("sh", "python") and not is_doctest(text)
    ]
    if not runnable:
        pytest.skip("nothing to run on this page")
    needed = NEEDS.get(page.stem)
    if needed and importlib.util.find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    shutil.copy(ROOT / "packages" / "cli" / "examples" / "digits.onnx", tmp_path)
    for script in (DOCS / "examples").glob("*.py"):
        shutil.copy(script, tmp_path)
    (tmp_path / "blocks.json").write_text(json.dumps(runnable), encoding="utf-8")
    programs = tmp_path / ".bin"
    programs.mkdir()
    # Whoever runs the tests may have no `onnxgen` or `python` on the path, or another's.
    for program, arguments in (("python", ""), ("onnxgen", "-m onnxgen")):
        script = programs / program
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" {arguments} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_doctests_of_a_page(page: Path) -> None:
    failed, _ = doctest.testfile(str(page), module_relative=False)
    assert not failed


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md", *ROOT.glob("packages/*/README.md")], ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).resolve().exists()]
    assert not missing


def test_every_page_is_linked_from_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES if page.name != "README.md" and f"({page.name})" not in index]
