"""``onnxgen convert``."""

from __future__ import annotations

import contextlib
import math
import re
import sys
from pathlib import Path
from typing import Any

import click

import onnxgen
from onnxgen.commands import options
from onnxgen.exits import Exit, explained
from onnxgen.progress import Progress
from onnxgen.summary import as_data, summary


def _sizes(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not re.fullmatch(r"(.+:\d+=)?[A-Za-z_]\w*", text):
            raise click.BadParameter(f"{text!r} names no size.")
    return texts


def _share(_: click.Context, __: click.Parameter, text: str | None) -> float | str | None:
    if text is None or text == "file":
        return text
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise click.BadParameter(f"{text!r} is neither a number from 0 to below 1 nor 'file'.")
    return share


@click.command()
@options.conversion
@click.option(
    "--intermediate",
    metavar="NAME",
    multiple=True,
    help="Return this value, too, or what this module returns; may be given several times.",
)
@click.option(
    "--dynamic",
    metavar="SIZE",
    multiple=True,
    callback=_sizes,
    help="Free a size that the file fixes: NAME, of the first axis of all inputs, or INPUT:AXIS=NAME.",
)
@click.option(
    "--unfold-batchnorm", is_flag=True, help="Put back, as the identity, batch normalizations that were folded away."
)
@click.option(
    "--dropout",
    metavar="P",
    callback=_share,
    help="Put back the dropouts that the file tells of: they drop the share P in training; 'file' for each one's own.",
)
@click.option("--verify", "verifies", is_flag=True, help="Run both models afterwards, and compare what they compute.")
def convert(model: Path, verifies: bool, **how: Any) -> None:
    """Writes MODEL.onnx as PyTorch source: model.py and a weights file."""
    if verifies and how["as_json"]:
        raise click.UsageError("--verify tells in words what it finds: leave out --json, or use onnxgen verify --json.")
    out_dir = write(model, **how)
    if verifies:
        _verify(model, out_dir, how["ops"], quiet=how["quiet"], debug=how["debug"])


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


def write(
    model: Path, *, out_dir: Path | None, as_json: bool, quiet: bool, verbose: bool, debug: bool, **how: Any
) -> Path:
    """Converts a model, says what was written, and returns where.

    Args:
        model: The ONNX file.
        out_dir: Where to write; by default a folder called like the model.
        as_json: Say it as JSON.
        quiet: Say nothing.
        verbose: Say everything.
        debug: Show the tracebacks of errors.
        how: The options of `onnxgen.convert`.
    """
    if quiet + verbose + as_json > 1:
        raise click.UsageError("-q, -v and --json exclude each other.")
    out_dir = Path(model.stem) if out_dir is None else out_dir
    with explained(debug=debug), Progress() if not quiet else contextlib.nullcontext() as progress:
        report = onnxgen.convert(model, out_dir, progress=progress, **how)
    if as_json:
        click.echo(as_data(report))
    elif progress is not None:
        click.echo(summary(model, out_dir, report, stages=progress.seconds if verbose else None))
    return out_dir
