"""``onnxgen ops``."""

from __future__ import annotations

import contextlib
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxgen.commands import options
from onnxgen.exits import explained
from onnxgen.words import counted

if TYPE_CHECKING:
    from codegen_torch.support import Support


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--markdown", is_flag=True, help="As tables in Markdown.")
@options.ops
@options.debug
def ops(as_json: bool, markdown: bool, ops: tuple[Path, ...], debug: bool) -> None:
    """Lists the operators that can be converted, and at which opsets."""
    if as_json and markdown:
        raise click.UsageError("--json and --markdown exclude each other.")
    with explained(debug=debug), contextlib.ExitStack() as stack:
        from codegen_torch.extension import extended
        from codegen_torch.support import support

        stack.enter_context(extended(ops))
        rows = support()
    write = _json if as_json else _markdown if markdown else _text
    click.echo(write(rows))


def _json(rows: list[Support]) -> str:
    return json.dumps(
        [{"domain": row.domain, "operator": row.op_type, "opsets": row.spans} for row in rows], indent=None
    )


def _text(rows: list[Support]) -> str:
    lines = []
    for domain, group in itertools.groupby(rows, key=lambda row: row.domain):
        found = list(group)
        width = max(len(row.op_type) for row in found)
        lines += ["", f"{domain}: {counted(len(found), 'operator')}"]
        lines += [f"  {row.op_type:{width}}  {_spans(row)}" for row in found]
    return "\n".join(lines[1:])


def _markdown(rows: list[Support]) -> str:
    lines = []
    for domain, group in itertools.groupby(rows, key=lambda row: row.domain):
        found = list(group)
        lines += ["", f"## {domain}: {counted(len(found), 'operator')}", "", "| operator | opsets |", "|---|---|"]
        lines += [f"| {row.op_type} | {_spans(row)} |" for row in found]
    return "\n".join(lines[1:])


def _spans(row: Support) -> str:
    return ", ".join(str(since) if since == until else f"{since}–{until}" for since, until in row.spans)
