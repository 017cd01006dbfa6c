"""Generated sources kept in the tree, so that a change of what is printed shows in a review."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from converted import Converted
from zoo import ZOO

GOLDENS = Path(__file__).parent / "goldens"
BOTH = ("bert", "gpt2", "llama", "lstm", "resnet", "unet", "vit")
CASES = [
    *((name, "dynamo") for name in ZOO),
    *((name, "torchscript") for name in BOTH),
]


def comparable(source: str) -> str:
    """The source without the exported file's digest, since another machine's exporter may write other bytes.

    The identity that the weights repeat follows from it.
    """
    return re.sub(r'(sha256 |None if weights else ")[0-9a-f]{16}(…?)', r"\1…", source)


@pytest.mark.parametrize(("name", "exporter"), CASES, ids=[".".join(case) for case in CASES])
def test_golden(
    converted: Callable[[str, str], Converted], pytestconfig: pytest.Config, name: str, exporter: str
) -> None:
    source = comparable(converted(name, exporter).source)
    golden = GOLDENS / f"{name}.{exporter}.py"
    if pytestconfig.getoption("--update-goldens"):
        golden.write_text(source, encoding="utf-8")
    assert source == golden.read_text(encoding="utf-8"), "if this is meant, run with --update-goldens"


def test_no_golden_is_left_over() -> None:
    assert {path.stem for path in GOLDENS.glob("*.py")} == {f"{name}.{exporter}" for name, exporter in CASES}
