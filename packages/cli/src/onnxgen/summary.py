"""What a conversion says when it is done."""

from __future__ import annotations

import importlib.util
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from onnxgen.exits import printable
from onnxgen.words import counted, spaced

if TYPE_CHECKING:
    from codegen_torch.report import Report

SHOWN_NOTES = 5


def summary(model: Path, out_dir: Path, report: Report, *, stages: dict[str, float] | None) -> str:
    """Returns what was written, in how long, what is worth knowing, and the two lines of Python that load it.

    Args:
        model: The ONNX file.
        out_dir: Where its source was written.
        report: What the conversion said.
        stages: Seconds by stage, to be listed with every note; None for the short form.
    """
    written = {
        "model.py": f"{spaced(report.lines)} lines, class {report.class_name}",
        "weights": f"{counted(report.tensors, 'tensor')}, {counted(report.parameters, 'parameter')}",
    }
    width = max(len(str(path)) for path in report.files)
    lines = [f"{model}: {counted(report.nodes, 'node')}, converted in {report.seconds:.2f} s"]
    lines += [
        f"  {path!s:{width}}  {written.get(path.name) or written.get(path.stem, '')}".rstrip() for path in report.files
    ]
    lines += _notes(report.notes, everything=stages is not None)
    if stages is not None and report.changed_keys:
        lines += ["", "Keys that a checkpoint of the original cannot fill:", *_keys(report)]
    if stages:
        width = max(map(len, stages))
        lines += ["", "Stages:", *(f"  {stage:{width}}  {seconds:8.3f} s" for stage, seconds in stages.items())]
    return printable("\n".join([*lines, "", *_how_to_load(out_dir)]))


def as_data(report: Report) -> str:
    """Returns what a conversion did, as JSON."""
    return json.dumps(
        {
            "source": str(report.source),
            "files": [str(path) for path in report.files],
            "class": report.class_name,
            "seconds": report.seconds,
            "nodes": report.nodes,
            "tensors": report.tensors,
            "parameters": report.parameters,
            "lines": report.lines,
            "notes": report.notes,
            "tied": report.tied,
            "changed_keys": [
                {"keys": change.keys, "originals": change.originals, "reason": change.reason}
                for change in report.changed_keys
            ],
        }
    )


def _keys(report: Report) -> list[str]:
    """Returns every key that is not the original's, with the keys that the original has for it, and why."""
    return [
        f"  {', '.join(change.keys)}: {change.reason}"
        + (f" (originally {', '.join(change.originals)})" if change.originals not in ((), change.keys) else "")
        for change in report.changed_keys
    ]


def _notes(notes: list[str], *, everything: bool) -> list[str]:
    shown = notes if everything else notes[:SHOWN_NOTES]
    lines = [f"  note: {note}" for note in shown]
    if len(shown) < len(notes):
        lines.append(f"  and {len(notes) - len(shown)} more notes, which -v shows")
    return lines


def _how_to_load(out_dir: Path) -> list[str]:
    if _is_importable(out_dir):
        place, module = "Load it:", ".".join([*out_dir.parts, "model"])
    else:
        place, module = f"Load it, in {shlex.quote(str(out_dir))}:", "model"
    return [place, f"  from {module} import load_model", "  model = load_model()"]


def _is_importable(out_dir: Path) -> bool:
    """Tells whether Python started here finds the folder as a package, and no other package instead of it."""
    if not out_dir.parts or not all(part.isidentifier() for part in out_dir.parts):
        return False
    spec = importlib.util.find_spec(out_dir.parts[0])
    return spec is None or spec.origin is None
