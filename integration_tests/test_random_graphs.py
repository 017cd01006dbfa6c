"""Random graphs say the same in ONNX Runtime and as generated code."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx_proto
import onnxruntime
import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from hypothesis import HealthCheck, Phase, given, settings
from random_graphs import Case, cases

# The same graphs in every run, a few or many.
FEW = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
MANY = settings(FEW, max_examples=5000)


def check(model: onnx_proto.Model, inputs: dict[str, np.ndarray]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.onnx"
        onnx_proto.save(model, path)
        expected = session(path).run(None, inputs)
        convert(path, Path(folder) / "out")
        module = import_model(Path(folder) / "out")
        try:
            with torch.no_grad():
                found = module.load_model()(*map(torch.from_numpy, inputs.values()))
        finally:
            del sys.modules[module.__name__]
    results = found if isinstance(found, tuple) else (found,)
    for ours, theirs in zip(results, expected, strict=True):
        array = ours.detach().numpy()  # what is returned may be a parameter
        assert array.shape == theirs.shape
        assert array.dtype == theirs.dtype
        np.testing.assert_allclose(array, theirs, rtol=1e-4, atol=1e-5)


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@FEW
@given(cases())
def test_a_few(case: Case) -> None:
    check(case.model, case.inputs)


@pytest.mark.long
@MANY
@given(cases())
def test_many(case: Case) -> None:
    check(case.model, case.inputs)
