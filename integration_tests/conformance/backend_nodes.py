"""The node cases of ONNX's own backend suite, run through a conversion to files and a fresh import."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import torch
from codegen_torch.lower.registry import registered
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

# numpy knows these types by their bits alone.
_NAMES_OF_BITS = frozenset({"bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz"})

# Fused operators round less often; the suite grants bfloat16 two units in the last place, and this float16.
_FLOAT16_ULPS = 2**-9


@dataclasses.dataclass(frozen=True)
class Case:
    """One case of the suite.

    Attributes:
        name: The suite's name for it; with `` baked`` where all inputs but the first became initializers, as
            exporters write axes, shapes and weights.
        model: The model.
        data: Pairs of inputs and expected outputs.
        rtol: How far an output may be off, relatively.
        atol: And absolutely.
    """

    name: str
    model: onnx.ModelProto
    data: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


def cases() -> Iterator[Case]:
    """Yields the cases whose operators are all registered, as they are and baked."""
    for test in load_model_tests(kind="node"):
        operators = {("" if node.domain == "ai.onnx" else node.domain, node.op_type) for node in test.model.graph.node}
        if not operators <= registered().keys():
            continue
        data = [(list(map(_array, inputs)), list(map(_array, outputs))) for inputs, outputs in test.data_sets]
        yield Case(test.name, test.model, data, test.rtol, test.atol)
        if len(test.model.graph.input) > 1 and all(isinstance(value, np.ndarray) for value in data[0][0]):
            yield _baked(Case(f"{test.name} baked", test.model, data[:1], test.rtol, test.atol))


def _baked(case: Case) -> Case:
    (inputs, outputs), *_ = case.data
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for value, array in list(zip(model.graph.input, inputs, strict=True))[1:]:
        model.graph.initializer.append(numpy_helper.from_array(array, value.name))
        model.graph.input.remove(value)
    return dataclasses.replace(case, model=model, data=[(inputs[:1], outputs)])


def run(case: Case, folder: Path) -> None:
    """Converts a case, imports the result and compares its outputs with the expected ones.

    Raises:
        Exception: What the conversion or the generated model raises.
        AssertionError: An output differs.
    """
    path = folder / "case.onnx"
    path.write_bytes(case.model.SerializeToString())
    convert(path, folder / "out")
    module = import_model(folder / "out")
    try:
        model = module.load_model()
        for inputs, expected in case.data:
            with torch.no_grad():
                found = model(*map(_to_torch, inputs))
            outputs = found if isinstance(found, tuple) else (found,)
            rtol = max(case.rtol, _FLOAT16_ULPS) if any(_is_float16(array) for array in expected) else case.rtol
            Runner.assert_similar_outputs(expected, list(map(_to_numpy, outputs)), rtol=rtol, atol=case.atol)
    finally:
        del sys.modules[module.__name__]


def _is_float16(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.float16


def _array(value: Any) -> Any:
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, list):
        return [_array(item) for item in value]
    return None if value is None else np.asarray(value)


def _to_torch(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_torch(item) for item in value]
    if value is None or value.dtype == object:
        return value
    if value.dtype.name in _NAMES_OF_BITS:
        bits = value.view(f"u{value.dtype.itemsize}").copy()
        return torch.from_numpy(bits).view(getattr(torch, value.dtype.name))
    return torch.from_numpy(value.copy())


def _to_numpy(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_numpy(item) for item in value]
    if not isinstance(value, torch.Tensor):
        return value
    name = str(value.dtype).removeprefix("torch.")
    if name not in _NAMES_OF_BITS:
        return value.numpy()
    bits = value.contiguous().view(torch.uint8 if value.dtype.itemsize == 1 else torch.uint16)
    return bits.numpy().view(getattr(ml_dtypes, name))
