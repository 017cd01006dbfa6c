"""``onnxgen bench``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from onnxgen.commands import options
from onnxgen.exits import BadInputError, explained, printable


def _sizes(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, int]:
    sizes = {}
    for each in given:
        name, _equals, number = each.rpartition("=")
        if not name or not number.isdecimal():
            raise click.BadParameter(f"{each!r} is not NAME=N.")
        sizes[name] = int(number)
    return sizes


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--model",
    metavar="MODEL.onnx",
    type=click.Path(path_type=Path),
    help="The file that DIR was generated of; by default looked for by its name and hash.",
)
@click.option("--inputs", metavar="FILE.npz", type=click.Path(path_type=Path), help="Inputs by name.")
@click.option(
    "--size", "sizes", metavar="NAME=N", multiple=True, callback=_sizes, help="A symbolic size of the inputs."
)
@click.option("--threads", metavar="N", type=click.IntRange(min=1), help="Threads for each; torch's default otherwise.")
@click.option("--rounds", type=click.IntRange(min=1), default=100, show_default=True, help="How often each is called.")
@click.option("--no-compile", is_flag=True, help="Leave torch.compile out.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, in seconds.")
@options.debug
def bench(
    folder: Path,
    model: Path | None,
    inputs: Path | None,
    sizes: dict[str, int],
    threads: int | None,
    rounds: int,
    no_compile: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Measures the latency of the model generated in DIR: eager, compiled, and ONNX Runtime, taking turns."""
    with explained(debug=debug):
        import dataclasses

        from onnxgen.benchmark.finding import find_model
        from onnxgen.verification.needs import check_torch

        check_torch("measuring", "torch")
        found = model or find_model(folder)
        if found is None:
            raise BadInputError(f"the ONNX file that {folder} was generated of is not at hand; name it with --model")
        from onnxgen.benchmark.measure import benchmark
        from onnxgen.benchmark.text import report

        result = benchmark(
            folder, found, inputs=inputs, sizes=sizes, threads=threads, rounds=rounds, compiles=not no_compile
        )
        if as_json:
            click.echo(json.dumps(dataclasses.asdict(result), default=str))
        else:
            click.echo(printable(report(result)))
