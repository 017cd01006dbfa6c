"""Options that several commands have."""

from __future__ import annotations

import keyword
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def _class_name(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise click.BadParameter(f"{name!r} cannot name a class.")
    return name


_OF_CONVERSIONS = (
    click.argument("model", type=click.Path(path_type=Path)),
    click.option(
        "-o",
        "--out",
        "out_dir",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Where to write; by default a folder called like the model, here.",
    ),
    click.option("--name", metavar="CLASS", callback=_class_name, help="What to call the model's class."),
    click.option(
        "--weights",
        type=click.Choice(["msgpack", "safetensors"]),
        default="msgpack",
        show_default=True,
        help="Format of the weights.",
    ),
    click.option(
        "--kernels",
        type=click.Choice(["none", "triton"]),
        default="none",
        show_default=True,
        help="Also write kernels.py, fused kernels that the model calls on CUDA.",
    ),
    click.option("--force", is_flag=True, help="Overwrite files that onnxgen did not write."),
    click.option(
        "--trace", metavar="DIR", type=click.Path(path_type=Path), help="Write the graph's text after each stage there."
    ),
    ops,
    click.option("--json", "as_json", is_flag=True, help="Say as JSON what was written."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
    click.option("-v", "--verbose", is_flag=True, help="Say every note, and how long each stage took."),
    debug,
)


def conversion(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command what every command that converts takes: the model, and how to write it."""
    for parameter in reversed(_OF_CONVERSIONS):
        command = parameter(command)
    return command
