"""Exit codes: each is documented, and no two are the same."""

import re
from pathlib import Path

from onnxgen.exits import Exit

README = Path(__file__).parent.parent / "README.md"
OF_CLICK = {0, 2}


def test_every_exit_code_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| .+ \|$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert [int(code) for code in rows] == sorted({*map(int, Exit), *OF_CLICK})
