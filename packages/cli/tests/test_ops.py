"""``onnxgen ops``: the support table."""

import json
from pathlib import Path

from click.testing import CliRunner, Result

from onnxgen.commands import cli

PAGE = Path(__file__).parents[3] / "docs" / "operators.md"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["ops", *map(str, arguments)])


def test_text() -> None:
    lines = run().stdout.splitlines()
    assert lines[0].startswith("ai.onnx: ")
    assert any(line.split() == ["Softmax", "1–28"] for line in lines)


def test_json() -> None:
    rows = json.loads(run("--json").stdout)
    assert {"domain": "ai.onnx", "operator": "Softmax", "opsets": [[1, 28]]} in rows


def test_operators_of_ones_own_count(tmp_path: Path) -> None:
    text = (
        'from codegen_torch.extension import op\n@op("Wave", domain="com.example", since=2, until=2)\ndef f(x): ...\n'
    )
    (tmp_path / "my_ops.py").write_text(text, "utf-8")
    assert "\ncom.example: 1 operator\n  Wave  2\n" in run("--ops", tmp_path / "my_ops.py").stdout


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8").endswith(f"\n{run('--markdown').stdout}")


def test_formats_exclude_each_other() -> None:
    assert run("--json", "--markdown").exit_code == 2
