"""Random modules, exported and converted: the same numbers, the same keys, the same tree of classes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from hypothesis import HealthCheck, Phase, given, note, settings
from random_modules import WIDTH, Plan, build, plans
from torch import nn

EXAMPLES, MANY = 8, 200  # an export takes most of a second
# Shrinking exports again and again; what is drawn first is small.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


@settings(max_examples=EXAMPLES, deadline=None, phases=PHASES, derandomize=True)
@given(plan=plans())
def test_a_random_module_comes_back(plan: Plan) -> None:
    check(plan)


@pytest.mark.long
@settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans())
def test_many_random_modules_come_back(plan: Plan) -> None:
    check(plan)


def check(plan: Plan) -> None:
    torch.manual_seed(0)
    original = build(plan).eval()
    with torch.no_grad():
        for parameter in original.parameters():
            parameter += torch.randn_like(parameter) * 0.1  # fresh scales are ones, which exporters drop and share
    x = torch.randn(2, 5, WIDTH)
    dims = {0: torch.export.Dim("batch", min=2, max=64), 1: torch.export.Dim("seq", min=2, max=64)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            original,
            (x,),
            path,
            dynamo=True,
            input_names=["x"],
            output_names=["output"],
            dynamic_shapes=(dims,),
            external_data=False,
            verbose=False,
        )
        convert(path, folder)
        note((Path(folder) / "model.py").read_text(encoding="utf-8"))
        model = import_model(Path(folder)).load_model()
    assert shapes(model) == shapes(original)
    assert classes(model) == classes(original)
    x = torch.randn(3, 9, WIDTH)
    with torch.no_grad():
        wanted = original(x)
        assert (model(x) - wanted).abs().max() <= 1e-4 * wanted.abs().max()


def shapes(model: nn.Module) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in model.state_dict().items()}


def classes(model: nn.Module) -> dict[str, str]:
    """The name of every module's class, by path; activations, which have no weights, are functions in ours."""
    return {path: type(module).__name__ for path, module in model.named_modules() if list(module.parameters())}
