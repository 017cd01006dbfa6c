"""Files with the names of tf2onnx and paddle2onnx compute what ONNX Runtime does, and read as Python is written."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx_proto
import onnxruntime
import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model

ROOT = Path(__file__).parent.parent
STYLE = ["--isolated", "--line-length=120", "--select=E,F,W,UP,SIM,RET,PIE"]
MODULES = {
    "keras_cnn": {"conv2d", "conv2d_1", "batch_normalization", "conv2d_2", "dense", "predictions"},
    "keras_flat_transformer": {"layers", "dense_6"},
    "keras_transformer": {"transformer_block", "transformer_block_1", "dense_4"},
    "paddle_resnet": {"conv2d_0", "batch_norm2d_0", "blocks", "linear_0"},
}


@pytest.fixture(scope="module")
def samples() -> ModuleType:
    path = ROOT / "packages" / "codegen-torch" / "tests" / "exporter_samples.py"
    spec = importlib.util.spec_from_file_location("exporter_samples", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", MODULES)
def test_numbers_names_and_style(name: str, samples: ModuleType, tmp_path: Path) -> None:
    build: Callable[[], onnx_proto.Model] = getattr(samples, name)
    path = tmp_path / "net.onnx"
    onnx_proto.save(build(), path)
    convert(path, tmp_path / "out")
    model = import_model(tmp_path / "out").load_model()
    assert {child for child, _ in model.named_children()} == MODULES[name]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    shape = [{"batch": 2, "time": 5}.get(size, size) for size in session.get_inputs()[0].shape]
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    (expected,) = session.run(None, {"x": x})
    with torch.no_grad():
        torch.testing.assert_close(model(torch.from_numpy(x)), torch.from_numpy(expected), rtol=1e-4, atol=1e-5)
    for arguments in (["check", *STYLE], ["format", "--check", "--isolated"]):
        subprocess.run([sys.executable, "-m", "ruff", *arguments, tmp_path / "out" / "model.py"], check=True)
