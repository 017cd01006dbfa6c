"""``onnxgen extract``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from onnxgen.commands import options
from onnxgen.commands.convert import write


def _names(_: click.Context, __: click.Parameter, text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@click.command()
@options.conversion
@click.option(
    "--inputs", metavar="NAMES", default="", callback=_names, help="What the part takes, with commas between."
)
@click.option(
    "--outputs", metavar="NAMES", default="", callback=_names, help="What the part returns, with commas between."
)
def extract(model: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], **how: Any) -> None:
    """Writes a part of MODEL.onnx as PyTorch source.

    Names are those of values in the file, or paths of modules, which stand for what they return: encoder.layer.3.
    """
    if not inputs and not outputs:
        raise click.UsageError("Name what the part takes or what it returns: --inputs, --outputs.")
    write(model, inputs=inputs, outputs=outputs, **how)
