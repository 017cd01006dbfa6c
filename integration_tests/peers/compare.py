"""Converts the models of the zoo with onnxgen and with its peers, each in its own environment, and prints a table.

Usage: ``python compare.py CONVERTER=PYTHON... [--exporter dynamo|torchscript] [--models A,B]``.
`nox -s peers` makes the environments and calls it; docs/comparison.md holds what it printed.
"""

# ruff: noqa: T201 (its output is what it is for)

from __future__ import annotations

import argparse
import json
import logging
import math
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import zoo  # noqa: E402 (it lies in the folder above)

MINUTES = 10  # for one converter on one model
PROBES = {"onnx2tf": "probe_tensorflow.py"}  # the others have the probe that asks torch modules
COLUMNS = (
    "model",
    "converter",
    "right",
    "at another size",
    "weights that are parameters",
    "`fullgraph`",
    "exports",
    "`nn.Linear`",
    "lines",
)
RULE = "|---|---|---|---|--:|---|---|--:|--:|"


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("converters", nargs="+", metavar="CONVERTER=PYTHON")
    asked.add_argument("--exporter", default="dynamo", choices=("dynamo", "torchscript"))
    asked.add_argument("--models", default=",".join(zoo.ZOO))
    options = asked.parse_args()
    converters = dict(pair.split("=", 1) for pair in options.converters)
    print(f"| {' | '.join(COLUMNS)} |", RULE, sep="\n")
    for name in options.models.split(","):
        entry = zoo.ZOO[name]
        if options.exporter not in entry.exporters:
            continue
        with tempfile.TemporaryDirectory() as folder:
            original = prepare(entry, options.exporter, Path(folder))
            for converter, python in converters.items():
                said = probe(python, converter, Path(folder))
                print(row(name, converter, said, original, floats(Path(folder) / "model.onnx")), flush=True)


def prepare(entry: zoo.Entry, exporter: str, folder: Path) -> nn.Module:
    """Writes a model, and inputs and answers at two sizes, beside one another; returns the module."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(action="ignore"):
        original = zoo.export(entry, exporter, str(folder / "model.onnx"))
    arrays = {}
    for size, inputs in (("small", entry.inputs(2, entry.length)), ("large", entry.inputs(5, entry.other_length))):
        arrays |= {f"{size}.{name}": value.numpy() for name, value in inputs.items()}
        with torch.no_grad():
            arrays[size] = original(*inputs.values()).numpy()
    np.savez(folder / "data.npz", **arrays)
    return original


def floats(path: Path) -> int:
    """Counts the floating-point elements of a file's initializers, but for single numbers."""
    kinds = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16)
    return sum(
        math.prod(each.dims) for each in onnx.load(path).graph.initializer if each.dims and each.data_type in kinds
    )


def probe(python: str, converter: str, folder: Path) -> dict[str, object]:
    """Runs one converter in its environment; what ends its process counts as an error of its own."""
    command = [python, HERE / PROBES.get(converter, "probe.py"), converter, folder / "model.onnx", folder / "data.npz"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * MINUTES, check=False)
    except subprocess.TimeoutExpired:
        return {"converts": False, "error": f"not done within {MINUTES} minutes"}
    if done.returncode:
        return {"converts": False, "error": f"its process ended with {done.returncode}"}
    return json.loads(done.stdout.splitlines()[-1])


def row(model: str, converter: str, said: dict[str, object], original: nn.Module, weights: int) -> str:
    if not said["converts"]:
        reason = str(said["error"]).replace("|", "/")[:80]
        if reason.startswith("NotImplementedError"):
            reason = "an operator is not implemented"
        return f"| {model} | {converter} | does not convert: {reason} | | | | | | |"
    if converter in PROBES:
        marks = ["yes" if said[key] else "no" for key in ("right", "other_size")]
        return f"| {model} | {converter} | {' | '.join(marks)} | – | – | – | – | – |"
    layers = sum(isinstance(module, nn.Linear) for module in original.modules())
    marks = {key: "yes" if said[key] else "no" for key in ("right", "other_size", "compiles", "exports")}
    cells = [
        model,
        converter,
        marks["right"],
        marks["other_size"],
        f"{min(1, said['parameters'] / weights):.0%}",
        marks["compiles"],
        marks["exports"],
        f"{said['linear']} of {layers}",
        "none" if said["lines"] is None else str(said["lines"]),
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
