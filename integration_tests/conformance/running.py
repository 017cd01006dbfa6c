"""Runs a case of the suite: convert to files, import what was written, feed it, compare."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from onnx.backend.test.runner import Runner
from suite import Case

# What numpy knows by its bits alone, and torch by the same name.
_NAMES_OF_BITS = frozenset(
    {"bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"}
)


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
    if value.dtype.name in _NAMES_OF_BITS:
        bits = value.view(f"u{value.dtype.itemsize}").copy()
        return torch.from_numpy(bits).view(getattr(torch, value.dtype.name))
    return torch.from_numpy(value.copy())


def to_numpy(value: Any) -> Any:
    """An output as the suite records it."""
    if isinstance(value, list):
        return [to_numpy(item) for item in value]
    if not isinstance(value, torch.Tensor):
        return value
    name = str(value.dtype).removeprefix("torch.")
    if name not in _NAMES_OF_BITS:
        return value.numpy()
    bits = value.contiguous().view(torch.uint8 if value.dtype.itemsize == 1 else torch.uint16)
    return bits.numpy().view(getattr(ml_dtypes, name))
