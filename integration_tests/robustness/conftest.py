"""At the end of a run: how many files, mutants, kills and strings it tried."""

from __future__ import annotations

import pytest
from tried import TRIED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"tried {', '.join(f'{count} {what}' for what, count in TRIED.items())}")
