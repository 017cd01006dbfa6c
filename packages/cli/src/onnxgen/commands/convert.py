"""``onnxgen convert``."""

from __future__ import annotations

import contextlib
import keyword
import sys
from pathlib import Path

import click

import onnxgen
from onnxgen.commands import options
from onnxgen.exits import Exit, explained
from onnxgen.progress import Progress
from onnxgen.summary import summary


def _class_name(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise click.BadParameter(f"{name!r} cannot name a class.")
    return name


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    "out_dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to write; by default a folder called like the model, here.",
)
@click.option("--name", metavar="CLASS", callback=_class_name, help="What to call the model's class.")
@click.option(
    "--weights",
    type=click.Choice(["msgpack", "safetensors"]),
    default="msgpack",
    show_default=True,
    help="Format of the weights.",
)
@click.option("--force", is_flag=True, help="Overwrite files that onnxgen did not write.")
@click.option(
    "--trace", metavar="DIR", type=click.Path(path_type=Path), help="Write the graph's text after each stage there."
)
@options.ops
@click.option("--verify", "verifies", is_flag=True, help="Run both models afterwards, and compare what they compute.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("-v", "--verbose", is_flag=True, help="Say every note, and how long each stage took.")
@options.debug
def convert(
    model: Path,
    out_dir: Path | None,
    name: str | None,
    weights: str,
    force: bool,
    trace: Path | None,
    ops: tuple[Path, ...],
    verifies: bool,
    quiet: bool,
    verbose: bool,
    debug: bool,
) -> None:
    """Writes MODEL.onnx as PyTorch source: model.py and a weights file."""
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other.")
    out_dir = Path(model.stem) if out_dir is None else out_dir
    with explained(debug=debug), Progress() if not quiet else contextlib.nullcontext() as progress:
        report = onnxgen.convert(
            model, out_dir, name=name, weights=weights, force=force, trace=trace, ops=ops, progress=progress
        )
    if progress is not None:
        click.echo(summary(model, out_dir, report, stages=progress.seconds if verbose else None))
    if verifies:
        _verify(model, out_dir, ops, quiet=quiet, debug=debug)


def _verify(model: Path, out_dir: Path, ops: tuple[Path, ...], *, quiet: bool, debug: bool) -> None:
    """What ``onnxgen verify`` does; of a model that agrees, nothing is said where nothing is asked for."""
    from onnxgen.commands.verify import tell, verified

    with explained(debug=debug):
        result = verified(model, out_dir, ops=ops)
        if not quiet or not result.agrees:
            click.echo()
            tell(result)
    if not result.agrees:
        sys.exit(Exit.VERIFICATION_FAILED)
