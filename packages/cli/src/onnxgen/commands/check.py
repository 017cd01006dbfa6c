"""``onnxgen check``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxgen.commands import options
from onnxgen.exits import Exit, explained, printable
from onnxgen.words import counted

if TYPE_CHECKING:
    from codegen_torch.errors import Obstacle


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@options.ops
@options.debug
def check(model: Path, as_json: bool, ops: tuple[Path, ...], debug: bool) -> None:
    """Lists everything in MODEL.onnx that cannot be converted, and writes nothing."""
    with explained(debug=debug):
        import codegen_torch

        obstacles = codegen_torch.check(model, ops=ops)
    click.echo(_json(obstacles) if as_json else _text(model, obstacles))
    if obstacles:
        sys.exit(Exit.UNSUPPORTED)


def _json(obstacles: list[Obstacle]) -> str:
    from codegen_torch.errors import grouped

    return json.dumps(
        [
            {
                "operator": group.op,
                "opset": group.version,
                "count": len(group.nodes),
                "nodes": group.nodes,
                "reason": group.reason,
                "hint": group.hint,
            }
            for group in grouped(obstacles)
        ]
    )


def _text(model: Path, obstacles: list[Obstacle]) -> str:
    from codegen_torch.errors import grouped

    if not obstacles:
        return printable(f"{model}: everything in it can be converted")
    groups = grouped(obstacles)
    lines = [f"{model}: {counted(len(obstacles), 'obstacle')}, for {counted(len(groups), 'reason')}"]
    for group in groups:
        lines += ["", f"{group.op} (opset {group.version}), {len(group.nodes)}×: {group.reason}"]
        lines += [f"  hint: {group.hint}"] if group.hint else []
        lines += [f"  {node}" for node in group.nodes]
    return printable("\n".join(lines))
