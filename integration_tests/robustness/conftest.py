"""At the end of a run: how many files, mutants, kills and strings it tried."""

from __future__ import annotations

from pathlib import Path

import pytest
from large import write_layers
from tried import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"tried {', '.join(f'{count} {what}' for what, count in TRIED.items())}")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two models of different weights."""
    folder = tmp_path_factory.mktemp("models")
    return tuple(
        write_layers(folder / f"{layers}.onnx", layers, transposed=True, external=False, dense=False)
        for layers in (1, 2)
    )
