"""A verification in words and tables."""

from __future__ import annotations

from onnxgen.columns import columns
from onnxgen.verification.result import Inner, Run, Verification
from onnxgen.words import counted

SHOWN = 5
"""How many values that differ are listed."""


def report(result: Verification, *, everything: bool = False) -> str:
    """What was compared, what came out, and where a difference begins.

    Args:
        result: The verification.
        everything: List every inner value.
    """
    lines = [
        f"{result.model} against {result.folder}",
        *columns(
            [
                ("file", f"{counted(result.nodes, 'node')}, run by {result.against}"),
                ("inputs", result.inputs),
                ("source", result.about_source),
            ]
        ),
    ]
    lines += ["", "Outputs", *columns([("sizes", "output", "error", "tolerance", ""), *_outputs(result.runs)])]
    inner = [run for run in result.runs if run.inner]
    if inner:
        lines += ["", "Values on the way", *columns(_inner_rows(inner))]
    lines += [f"  note: {note}" for note in result.notes]
    if everything:
        lines += [line for run in inner for line in _all_values(run)]
    located = result.located
    if located is not None and located.first is not None:
        lines += ["", *_first(located.first, located), *_others(located)]
    return "\n".join([*lines, "", verdict(result)])


def verdict(result: Verification) -> str:
    """The last line."""
    if not result.agrees:
        return "The generated model does not compute what the file says."
    if result.located is not None:
        return "The outputs agree; values on the way differ."
    random = sorted({each.random for run in result.runs for each in run.outputs if each.random})
    if random:
        return f"The generated model agrees with the file where they can be compared: {', '.join(random)} is random."
    return "The generated model computes what the file says."


def _outputs(runs: list[Run]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for run in runs:
        for name, found in run.rows:
            if isinstance(found, str):
                rows.append((run.sizes, name, "", "", found))
                continue
            outcome = "agrees" if found.agrees else f"differs{': ' if found.reason else ''}{found.reason}"
            rows.append((run.sizes, name, f"{found.error:.2g}", _limit(found.tolerance), outcome))
    return rows


def _inner_rows(runs: list[Run]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for run in runs:
        off = sum(not each.comparison.agrees for each in run.inner)
        worst = max(run.inner, key=lambda each: each.comparison.error)
        told = f"{off} differ" if off else "all agree"
        where = f"model.py:{worst.line}"
        rows.append(
            (
                run.sizes,
                counted(len(run.inner), "value"),
                told,
                f"largest error {worst.comparison.error:.2g} at {worst.name} ({where})",
            )
        )
    return rows


def _first(inner: Inner, run: Run) -> list[str]:
    found = inner.comparison
    rows = [
        ("value", inner.name),
        ("node", f"{inner.node}, {inner.operator}{f', {inner.node_name}' if inner.node_name else ''}"),
        ("source", f"model.py:{inner.line}: {inner.source}"),
        ("module", inner.path or "(model)"),
    ]
    rows += [("weights", ", ".join(inner.keys))] if inner.keys else []
    rows += [("error", f"{found.error:.3g}, where {_limit(found.tolerance)} is allowed")]
    rows += [("reason", found.reason)] if found.reason else []
    rows += [("file", str(found.wanted)), ("model.py", str(found.found))]
    if found.worst:
        place, here, there = found.worst
        rows += [("worst", f"element {list(place)} is {here:.6g}, where the file has {there:.6g}")]
    return [f"First value that differs, at {run.sizes}", *columns(rows)]


def _others(run: Run) -> list[str]:
    others = [each for each in run.inner if not each.comparison.agrees][1:]
    if not others:
        return []
    rows = [
        (each.name, each.operator, f"model.py:{each.line}", each.path or "(model)", f"{each.comparison.error:.2g}")
        for each in others[:SHOWN]
    ]
    lines = ["", "After it", *columns(rows)]
    left = len(others) - len(rows)
    return [*lines, f"  and {counted(left, 'more value')}"] if left else lines


def _all_values(run: Run) -> list[str]:
    rows = [
        (
            str(each.node),
            each.name,
            each.operator,
            f"model.py:{each.line}",
            f"{each.comparison.error:.2g}",
            "agrees" if each.comparison.agrees else "differs",
        )
        for each in run.inner
    ]
    return ["", f"Every value, at {run.sizes}", *columns([("node", "value", "operator", "line", "error", ""), *rows])]


def _limit(tolerance: float) -> str:
    return f"{tolerance:.0e}" if tolerance else "none"
