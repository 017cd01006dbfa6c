"""Every node case of ONNX's backend suite whose operators are registered.

``expected_refusals.toml`` lists the cases that are refused, under the reason: what is not supported must be refused
for that reason, and what begins to work must leave the list.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from backend_nodes import Case, cases, run
from codegen_torch.errors import UnsupportedError

MANIFEST = Path(__file__).with_name("expected_refusals.toml")
EXPECTED = {name: reason for reason, names in tomllib.loads(MANIFEST.read_text("utf-8")).items() for name in names}
CASES = {case.name: case for case in cases()}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_node(case: Case, tmp_path: Path) -> None:
    reason = EXPECTED.get(case.name)
    if reason is None:
        run(case, tmp_path)
        return
    with pytest.raises(UnsupportedError, match=re.escape(reason)):
        run(case, tmp_path)


def test_every_expected_refusal_is_a_case() -> None:
    assert EXPECTED.keys() - CASES.keys() == set()
    assert len(EXPECTED) == MANIFEST.read_text("utf-8").count('"test_')


def test_most_cases_work() -> None:
    assert len(EXPECTED) < len(CASES) / 3
