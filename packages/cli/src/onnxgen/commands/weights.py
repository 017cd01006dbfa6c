"""``onnxgen weights``."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from onnxgen.commands import options
from onnxgen.exits import explained, printable
from onnxgen.progress import Progress


@click.group()
def weights() -> None:
    """Works on weights files."""


@weights.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--shard",
    "limit",
    metavar="BYTES",
    type=click.IntRange(min=1),
    default=5 * 10**9,
    show_default=True,
    help="Begin another safetensors file when one has so many.",
)
@click.option("--force", is_flag=True, help="Overwrite files that onnxgen did not write.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@options.debug
def convert(source: Path, target: Path, limit: int, force: bool, quiet: bool, debug: bool) -> None:
    """Writes the weights file SOURCE as TARGET, in the format of its ending, .msgpack or .safetensors."""
    with explained(debug=debug), Progress() if not quiet else contextlib.nullcontext() as progress:
        from codegen_torch.weights_files import convert_weights

        def advance(done: int, total: int) -> None:
            if progress is not None:
                progress("weights", done, total)

        written = convert_weights(source, target, limit=limit, force=force, progress=advance)
    if not quiet:
        click.echo(printable("\n".join(map(str, written))))
