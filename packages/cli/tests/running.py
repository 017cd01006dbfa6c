"""The command as its tests run it, and the model that most of them give it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from onnxgen.commands import cli

DIGITS = Path(__file__).parent.parent / "examples" / "digits.onnx"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])
