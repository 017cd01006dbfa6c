"""Options that several commands have."""

from pathlib import Path

import click

debug = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
ops = click.option(
    "--ops",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Use the operators that this Python file defines, too; may be given several times.",
)
against = click.option(
    "--against",
    type=click.Choice(["onnxruntime", "reference"]),
    default="onnxruntime",
    show_default=True,
    help="What runs the ONNX file.",
)
