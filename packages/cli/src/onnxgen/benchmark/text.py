"""What was measured, as a table."""

from __future__ import annotations

from onnxgen.benchmark.measure import Benchmark, Latency
from onnxgen.columns import columns
from onnxgen.words import counted


def report(found: Benchmark) -> str:
    """The table."""
    facts = [
        ("model", str(found.model)),
        ("inputs", found.inputs),
        ("setting", f"torch {found.torch}, {counted(found.threads, 'thread')}, {counted(found.rounds, 'round')}"),
    ]
    rows = [("", "median", "fastest", "of eager"), *map(_row, found.latencies)]
    return "\n".join([str(found.folder), *columns(facts), "", *columns(rows)])


def _row(latency: Latency) -> tuple[str, ...]:
    if latency.missing:
        return latency.name, "not measured", latency.missing
    return latency.name, _time(latency.median), _time(latency.fastest), f"{latency.ratio:.2f}"


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.3f} ms" if seconds < 1 else f"{seconds:.3f} s"
