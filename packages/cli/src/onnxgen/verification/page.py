"""A verification as one page that needs nothing else: no network, no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from onnxgen.verification.compare import Statistics
from onnxgen.verification.plots import distribution, errors_by_depth
from onnxgen.verification.result import Inner, Run, Verification
from onnxgen.verification.text import verdict
from onnxgen.words import counted

_STYLE = """
:root { color-scheme: light dark; --page: #fbfbfa; --ink: #1f2328; --soft: #656d76; --line: #d8dbe0; --card: #ffffff;
  --good: #2563a8; --bad: #c2410c; --area: #2563a833; --good-back: #e7f0fa; --bad-back: #fdeee4; }
@media (prefers-color-scheme: dark) { :root { --page: #14171b; --ink: #e6e8eb; --soft: #9aa4af; --line: #30363d;
  --card: #1b1f24; --good: #79b0f0; --bad: #ff9a5c; --area: #79b0f03d; --good-back: #16283d; --bad-back: #3d2415; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2.25rem 0 .5rem; }
p, dl { margin: 0 0 .75rem; color: var(--soft); }
code, td.code, pre { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.verdict { margin: 1.25rem 0; padding: .75rem 1rem; border-radius: 8px; color: var(--ink); font-weight: 600; }
.verdict.good { background: var(--good-back); border-left: 4px solid var(--good); }
.verdict.bad { background: var(--bad-back); border-left: 4px solid var(--bad); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: .75rem 1rem;
  overflow-x: auto; margin-bottom: .75rem; }
pre { margin: 0 0 .75rem; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; }
tr:last-child td { border-bottom: 0; }
.good-text { color: var(--good); }
.bad-text { color: var(--bad); font-weight: 600; }
.keys { display: flex; gap: 1.25rem; font-size: 13px; color: var(--soft); margin: .25rem 0 0; }
svg { width: 100%; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft); }
svg .grid { stroke: var(--line); }
svg .limit { stroke: var(--soft); stroke-dasharray: 5 4; }
svg text.limit { stroke: none; }
svg .agrees { fill: var(--good); fill-opacity: .75; }
svg .differs { fill: var(--bad); }
svg .wanted { fill: var(--area); stroke: var(--good); stroke-width: 1; }
svg .found { fill: none; stroke: var(--bad); stroke-width: 1.75; }
summary { cursor: pointer; color: var(--soft); }
"""


def page(result: Verification) -> str:
    """The page."""
    parts = [_head(result), _outputs(result.runs)]
    run = result.located or next((each for each in result.runs if each.inner), None)
    if run is not None:
        if run.first is not None:
            parts.append(_first(run.first, run))
        if run.inner:
            parts.append(_notes(result))
            parts += [_errors(run), _histogram(run), _values(run)]
    title = escape(f"{result.model.name}: verification")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{_STYLE}</style>\n</head>\n'
        f"<body>\n{''.join(parts)}</body>\n</html>\n"
    )


def _head(result: Verification) -> str:
    kind = "good" if result.agrees and result.located is None else "bad"
    facts = f"{counted(result.nodes, 'node')}, run by {result.against}; inputs {result.inputs}; {result.about_source}."
    return (
        f"<h1>{escape(str(result.model))} against {escape(str(result.folder))}</h1>\n<p>{escape(facts)}</p>\n"
        f'<div class="verdict {kind}">{escape(verdict(result))}</div>\n'
    )


def _outputs(runs: Iterable[Run]) -> str:
    rows: list[Sequence[str]] = []
    for run in runs:
        for name, found in run.rows:
            if isinstance(found, str):
                rows.append((run.sizes, name, "", "", found))
                continue
            outcome = "agrees" if found.agrees else f"differs {found.reason}"
            rows.append((run.sizes, name, _number(found.error), _number(found.tolerance), outcome))
    return f"<h2>Outputs</h2>\n{_table(('sizes', 'output', 'error', 'allowed', ''), rows)}"


def _first(inner: Inner, run: Run) -> str:
    found = inner.comparison
    facts = [
        ("value", inner.name),
        ("node", f"{inner.node}, {inner.operator} {inner.node_name}"),
        ("module", inner.path or "(model)"),
        ("weights", ", ".join(inner.keys) or "none"),
        ("error", f"{_number(found.error)}, where {_number(found.tolerance)} is allowed {found.reason}"),
    ]
    if found.worst is not None:
        place, here, there = found.worst
        facts.append(("worst element", f"{list(place)} is {here:.6g}, where the file has {there:.6g}"))
    columns = ("", "shape", "mean", "std", "least", "largest", "not finite")
    sides = [("file", found.wanted), ("model.py", found.found)]
    return (
        f"<h2>First value that differs, at {escape(run.sizes)}</h2>\n"
        f'<div class="card"><pre>model.py:{inner.line}  {escape(inner.source)}</pre>'
        f"{_plain_table((), facts)}</div>\n"
        f"{_table(columns, [(name, *_statistics(each)) for name, each in sides if each])}"
    )


def _statistics(each: Statistics) -> tuple[str, ...]:
    numbers = (each.mean, each.std, each.low, each.high)
    return f"{each.dtype} {list(each.shape)}", *(f"{number:.6g}" for number in numbers), str(each.not_finite)


def _notes(result: Verification) -> str:
    return "".join(f"<p>Note: {escape(note)}.</p>\n" for note in result.notes)


def _errors(run: Run) -> str:
    key = '<p class="keys"><span class="good-text">● agrees</span><span class="bad-text">◆ differs</span></p>'
    return (
        f'<h2>Error by depth, at {escape(run.sizes)}</h2>\n<div class="card">{errors_by_depth(run.inner)}{key}</div>\n'
    )


def _histogram(run: Run) -> str:
    if run.histogram is None:
        return ""
    what = "the first value that differs" if run.first else "the value with the largest error"
    key = '<p class="keys"><span class="good-text">▇ file</span><span class="bad-text">━ model.py</span></p>'
    return (
        f"<h2>Elements of <code>{escape(run.histogram.name)}</code>, {what}</h2>\n"
        f'<div class="card">{distribution(run.histogram)}{key}</div>\n'
    )


def _values(run: Run) -> str:
    rows = [
        (
            str(each.node),
            each.name,
            each.operator,
            f"{each.line}",
            each.path or "(model)",
            _number(each.comparison.error),
            "agrees" if each.comparison.agrees else "differs",
        )
        for each in run.inner
    ]
    off = sum(not each.comparison.agrees for each in run.inner)
    told = f"{counted(len(rows), 'value')}, {f'{off} differ' if off else 'all agree'}"
    heads = ("node", "value", "operator", "line", "module", "error", "")
    return f"<h2>Values on the way</h2>\n<details><summary>{told}</summary>\n{_table(heads, rows)}</details>\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return f'<div class="card">{_plain_table(heads, rows)}</div>\n'


def _plain_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(each)}</th>" for each in heads)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>\n" for row in rows)
    return f"<table>{f'<tr>{head}</tr>' if heads else ''}\n{body}</table>"


def _cell(text: str) -> str:
    is_bad = text.startswith(("differs", "fails"))
    return f'<td class="bad-text">{escape(text)}</td>' if is_bad else f"<td>{escape(text)}</td>"


def _number(value: float) -> str:
    return "∞" if value == math.inf else f"{value:.2g}"
