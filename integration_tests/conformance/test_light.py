"""The light models of the `onnx` package: whole networks of old opsets, whose weights ConstantOfShape makes."""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from codegen_torch.pipeline import convert
from codegen_torch.report import Report
from converted import import_model
from onnx import numpy_helper
from onnx.backend.test.runner import Runner
from torch import nn

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
NAMES = sorted(path.stem for path in LIGHT.glob("*.onnx"))

Converted = tuple[onnx.ModelProto, Report, nn.Module]


@pytest.fixture(scope="module", params=NAMES)
def light(request: pytest.FixtureRequest) -> Iterator[Converted]:
    """Converts a model; what was written, up to 600 MB, goes right after its tests."""
    path = LIGHT / f"{request.param}.onnx"
    with tempfile.TemporaryDirectory() as folder:
        report = convert(path, folder)
        yield onnx.load(path), report, import_model(Path(folder)).load_model()


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs without initializers: IR 3 lists every weight as an input too."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in initializers]


def test_all_are_there() -> None:
    assert len(NAMES) == 9


def test_says_what_is_expected(light: Converted) -> None:
    model, report, module = light
    # The expected outputs belong to the inputs that the suite's own runner makes.
    inputs = [torch.from_numpy(Runner.generate_dummy_data(value)) for value in graph_inputs(model)]
    with torch.no_grad():
        found = module(*inputs)
    expected = onnx.load_tensor(LIGHT / f"{report.source.stem}_output_0.pb")
    np.testing.assert_allclose(found.numpy(), numpy_helper.to_array(expected), rtol=1e-4, atol=1e-6)


def test_made_weights_are_parameters(light: Converted) -> None:
    model, _, module = light
    shapes = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    makers = [node for node in model.graph.node if node.op_type == "ConstantOfShape"]
    made = {node.output[0]: math.prod(shapes[node.input[0]]) for node in makers}
    norms = [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    statistics = {name for node in norms for name in node.input[3:5] if name in made}
    sizes = Counter(size for name, size in made.items() if name not in statistics)
    assert sizes
    assert sizes <= Counter(parameter.numel() for parameter in module.parameters())
    assert Counter(made[name] for name in statistics) <= Counter(buffer.numel() for buffer in module.buffers())
