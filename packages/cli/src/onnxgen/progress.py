"""The progress bar of a conversion that takes its time."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich import progress as bars


class Progress:
    """Follows a conversion from stage to stage; a context manager, and the callback that `onnxgen.convert` takes.

    The bar shows on a terminal alone, and only once the work has taken longer than ``patience``: before that it
    would flicker, and rich would cost more than many a conversion.

    Attributes:
        seconds: How long each stage took, in the order they ran.
    """

    def __init__(self, stream: TextIO | None = None, *, patience: float = 1.0) -> None:
        self.seconds: dict[str, float] = {}
        self._stream = sys.stderr if stream is None else stream
        self._patience = patience
        self._began = self._since = time.perf_counter()
        self._stage: str | None = None
        self._bar: bars.Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_stage()
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Notes that ``done`` of ``total`` steps of a stage are behind us."""
        if stage != self._stage:
            self._close_stage()
            self._stage = stage
            if stage == "weights" and self._bar is not None:  # counted in bytes, with other columns
                self._bar.stop()
                self._bar = None
        if self._bar is None and self._is_due():
            self._bar = self._open_bar(stage)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], description=stage, completed=done, total=total or None)

    def _close_stage(self) -> None:
        now = time.perf_counter()
        if self._stage is not None:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._since = now

    def _is_due(self) -> bool:
        return self._stream.isatty() and time.perf_counter() - self._began > self._patience

    def _open_bar(self, stage: str) -> bars.Progress:
        from rich import progress as bars
        from rich.console import Console

        bar = bars.Progress(
            bars.SpinnerColumn(),
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            bars.TaskProgressColumn(),
            *((bars.DownloadColumn(), bars.TimeRemainingColumn()) if stage == "weights" else ()),
            bars.TimeElapsedColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        bar.add_task(stage)
        bar.start()
        return bar
