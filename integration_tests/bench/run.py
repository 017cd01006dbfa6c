"""Running converted models: the original module, ours, both compiled, and ONNX Runtime, side by side.

A row is a model of the zoo. After the original's time per call, its columns are times as parts of the original's: the
median over rounds, in which all take turns on the same input; behind it in brackets the quotient of the fastest calls,
which others on the same machine disturb least. The models are small, so that calling anything weighs more than it
would in large ones: differences in the code show, differences in the arithmetic hardly.
"""

# ruff: noqa: T201 (its output is what a benchmark is for)

import argparse
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import onnxruntime
import torch
from codegen_torch.pipeline import convert
from onnxgen.benchmark.measure import open_session, take_turns
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

import models_asked
import zoo
from converted import import_model

LIMIT = 1.05  # of the original's time, for ours in eager
NAMES = ("original", "ours", "original compiled", "ours compiled", "onnxruntime")

Call = Callable[[], object]


class Times(NamedTuple):
    """Seconds of a call, and parts of the original's time, of the round at the median and of the fastest call."""

    median: float
    fastest: float
    ratio: float
    fastest_ratio: float

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ({self.fastest_ratio:.2f})"


def main() -> None:
    parser = models_asked.parser(__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled models out")
    arguments = models_asked.parse(parser)
    torch.set_num_threads(arguments.threads)
    if not arguments.json:
        versions = (
            f"torch {torch.__version__}, onnxruntime {onnxruntime.__version__}, Python {platform.python_version()}"
        )
        print(f"{versions}; threads: {arguments.threads}, batch: {arguments.batch}, rounds: {arguments.rounds}")
        print(f"{'model':16}{NAMES[0]:>11}{''.join(f'{name:>20}' for name in NAMES[1:])}")
    for name in arguments.models or zoo.ZOO:
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            calls = contenders(zoo.ZOO[name], Path(folder), arguments)
            times = measure(calls, arguments.rounds)
        cells = {who: each._asdict() for who, each in times.items()}
        print(json.dumps({"model": name, **cells}) if arguments.json else printed(name, times), flush=True)


def contenders(entry: zoo.Entry, folder: Path, arguments: argparse.Namespace) -> dict[str, Call]:
    """What takes turns, by name; each was called before and is warm."""
    path = folder / "model.onnx"
    original = zoo.export(entry, entry.exporters[0], str(path))
    convert(path, folder)
    inputs = entry.inputs(arguments.batch, entry.length)
    models: dict[str, nn.Module] = {"original": original, "ours": import_model(folder).load_model()}
    if not arguments.no_compile:
        models |= {f"{name} compiled": torch.compile(model) for name, model in models.items()}
    calls: dict[str, Call] = {name: lambda model=model: model(*inputs.values()) for name, model in models.items()}
    session = open_session(path, arguments.threads)
    arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
    calls["onnxruntime"] = lambda: session.run(None, arrays)
    for call in calls.values():
        for _ in range(10):
            call()
    return calls


def measure(calls: dict[str, Call], rounds: int) -> dict[str, Times]:
    seconds = take_turns(calls, rounds)
    original = seconds["original"]
    return {
        name: Times(
            statistics.median(times),
            min(times),
            statistics.median(mine / its for mine, its in zip(times, original, strict=True)),
            min(times) / min(original),
        )
        for name, times in seconds.items()
    }


def printed(model: str, times: dict[str, Times]) -> str:
    cells = "".join(f"{times.get(name, '')!s:>20}" for name in NAMES[1:])
    slow = "  slower than it should be" if times["ours"].fastest_ratio > LIMIT else ""
    return f"{model:16}{times['original'].median * 1e3:8.2f} ms{cells}{slow}"


if __name__ == "__main__":
    main()
