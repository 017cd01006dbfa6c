"""Runs a case of the suite: convert to files, import what was written, feed it, compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from arrays import narrowed
from arrays import to_numpy as array_of
from arrays import to_torch as tensor_of
from codegen_torch.pipeline import convert
from converted import import_model
from onnx.backend.test.runner import Runner
from suite import Case


def run(case: Case, folder: Path) -> None:
    """Converts a case, imports the result and compares its outputs with the expected ones.

    Raises:
        Exception: What the conversion or the generated model raises.
        AssertionError: An output differs.
    """
    for outputs, (_, expected) in zip(outputs_of(case, folder), case.data, strict=True):
        assert len(outputs) == len(expected)
        for output, wanted in zip(outputs, expected, strict=True):
            compare(output, wanted, case)


def outputs_of(case: Case, folder: Path) -> list[list[Any]]:
    """What the generated model returns for each of a case's inputs."""
    folder.mkdir(exist_ok=True)
    path = folder / "case.onnx"
    path.write_bytes(case.model.SerializeToString())
    convert(path, folder / "out")
    module = import_model(folder / "out")
    results = []
    try:
        model = module.load_model()
        for inputs, _ in case.data:
            with torch.no_grad():
                found = model(*map(to_torch, inputs))
            results.append([to_numpy(value) for value in (found if isinstance(found, tuple) else (found,))])
    finally:
        del sys.modules[module.__name__]
    return results


def compare(found: Any, wanted: Any, case: Case) -> None:
    """Holds an output against the expected one, tensors by the suite's own rule.

    Raises:
        AssertionError: They differ by more than the case allows.
    """
    if isinstance(wanted, list):
        assert isinstance(found, list)
        assert len(found) == len(wanted)
        for item, other in zip(found, wanted, strict=True):
            compare(item, other, case)
    elif isinstance(wanted, np.ndarray):
        assert isinstance(found, np.ndarray)
        found = narrowed(found, wanted.dtype)
        Runner.assert_similar_outputs([wanted], [found], rtol=case.rtol, atol=case.atol)
    elif isinstance(wanted, dict):
        assert isinstance(found, dict)
        assert list(found) == list(wanted)
        np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=case.rtol, atol=case.atol)
    else:
        assert wanted is None
        assert found is None


def to_torch(value: Any) -> Any:
    """An input as generated models take it."""
    if isinstance(value, list):
        return [to_torch(item) for item in value]
    if not isinstance(value, np.ndarray) or value.dtype == object:
        return value
    return tensor_of(value)


def to_numpy(value: Any) -> Any:
    """An output as the suite records it, but for types that torch holds in wider ones."""
    if isinstance(value, list):
        return [to_numpy(item) for item in value]
    return array_of(value) if isinstance(value, torch.Tensor) else value
