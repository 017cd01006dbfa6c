"""``onnxgen verify``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from onnxgen.commands import options
from onnxgen.exits import Exit, explained, printable
from onnxgen.progress import Progress

if TYPE_CHECKING:
    from onnxgen.verification.result import Verification


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--inputs", metavar="FILE.npz", type=click.Path(path_type=Path), help="Inputs by name, to use as they are."
)
@click.option("--seed", type=int, help="For the inputs that are made up; 0 by default.")
@options.against
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    help="The error that a float may have, relative to what is wanted; by default 1e-4 for float32, others by type.",
)
@options.ops
@click.option("--json", "as_json", is_flag=True, help="As JSON, with every value.")
@click.option("--html", metavar="FILE", type=click.Path(path_type=Path), help="Write a report with plots there, too.")
@click.option("-v", "--verbose", is_flag=True, help="List every value that was compared.")
@options.debug
def verify(
    model: Path,
    folder: Path,
    inputs: Path | None,
    seed: int | None,
    against: str,
    tolerance: float | None,
    ops: tuple[Path, ...],
    as_json: bool,
    html: Path | None,
    verbose: bool,
    debug: bool,
) -> None:
    """Runs MODEL.onnx and the model that was generated of it in DIR, and compares what they compute."""
    if inputs is not None and seed is not None:
        raise click.UsageError("--inputs and --seed exclude each other.")
    with explained(debug=debug):
        with Progress() as progress:
            result = verified(
                model,
                folder,
                inputs=inputs,
                seed=seed or 0,
                against=against,
                tolerance=tolerance,
                ops=ops,
                progress=progress,
            )
        if html is not None:
            from onnxgen.verification.page import page

            html.write_text(page(result), encoding="utf-8", errors="replace")
        tell(result, as_json=as_json, everything=verbose)
    if not result.agrees:
        sys.exit(Exit.VERIFICATION_FAILED)


def verified(model: Path, folder: Path, **options: object) -> Verification:
    """Verifies; what it needs that may be missing is named in one error."""
    from onnxgen.verification.needs import check_torch

    check_torch()
    from onnxgen.verification.verify import verify as run

    return run(model, folder, **options)  # type: ignore[arg-type]


def tell(result: Verification, *, as_json: bool = False, everything: bool = False) -> None:
    """Prints what a verification found."""
    if as_json:
        from onnxgen.verification.verify import as_dict

        click.echo(json.dumps(as_dict(result), default=str))
        return
    from onnxgen.verification.text import report

    click.echo(printable(report(result, everything=everything)))
