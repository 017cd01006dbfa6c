"""``onnxgen diff``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from onnxgen.commands import options
from onnxgen.exits import Exit, explained


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@options.debug
def diff(first: Path, second: Path, as_json: bool, debug: bool) -> None:
    """Shows what changed from A to B, each an ONNX file or a generated folder: source, weights, opsets, metadata."""
    with explained(debug=debug):
        import dataclasses

        from onnxgen.difference.compare import difference
        from onnxgen.difference.text import report

        found = difference(first, second)
        text = (
            json.dumps({"equal": found.equal, **dataclasses.asdict(found)}, default=str) if as_json else report(found)
        )
        click.echo(text, color=False if os.environ.get("NO_COLOR") else None)
    if not found.equal:
        sys.exit(Exit.MODELS_DIFFER)
