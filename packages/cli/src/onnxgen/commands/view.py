"""``onnxgen view``."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from onnxgen.commands import options
from onnxgen.exits import explained, printable
from onnxgen.progress import Progress


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where to write; by default a file called like the model, here; - for stdout.",
)
@click.option("--no-statistics", is_flag=True, help="Do not read the weights.")
@click.option("--force", is_flag=True, help="Overwrite a file that onnxgen did not write.")
@options.ops
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@options.debug
def view(
    model: Path, out: Path | None, no_statistics: bool, force: bool, ops: tuple[Path, ...], quiet: bool, debug: bool
) -> None:
    """Writes MODEL.onnx as one HTML page: its graph beside the generated code, linked both ways."""
    out = Path(f"{model.stem}.html") if out is None else out
    with explained(debug=debug), Progress() if not quiet else contextlib.nullcontext() as progress:
        from onnxgen.viewing.write import write_page

        if str(out) == "-":
            from onnxgen.viewing.write import page_of

            click.echo(page_of(model, ops=ops, with_statistics=not no_statistics, progress=progress), nl=False)
            return
        write_page(model, out, ops=ops, with_statistics=not no_statistics, force=force, progress=progress)
    if not quiet:
        click.echo(printable(str(out)))
