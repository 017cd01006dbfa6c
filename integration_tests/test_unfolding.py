"""Batch normalizations that an exporter folded come back: the same model, which trains as the original did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from codegen_torch.changes import Changes
from codegen_torch.pipeline import convert
from converted import import_model
from test_zoo import assert_near, run
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from zoo import ZOO

CASES = [(name, exporter) for name in ("resnet", "unet", "mobilenet_v2") for exporter in ("dynamo", "torchscript")]
Unfolded = tuple[nn.Module, nn.Module, dict[str, torch.Tensor], list[str]]


@pytest.fixture(params=CASES, ids=[".".join(case) for case in CASES])
def unfolded(
    request: pytest.FixtureRequest,
    original: Callable[[str], nn.Module],
    exported: Callable[[str, str], Path],
    tmp_path: Path,
) -> Unfolded:
    """A converted model, its original, inputs, and the notes."""
    name, exporter = request.param
    report = convert(exported(name, exporter), tmp_path, changes=Changes(unfold_batchnorm=True))
    return import_model(tmp_path).load_model(), original(name), ZOO[name].inputs(3, 7), report.notes


def norms(model: nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]


def test_it_says_the_same(unfolded: Unfolded) -> None:
    model, original, inputs, notes = unfolded
    assert len(norms(model)) == len(norms(original))
    assert any(note.startswith(f"{len(norms(original))} batch normalizations") for note in notes)
    assert_near(run(model, inputs), run(original, inputs))
    for norm in norms(model):
        x = torch.randn(2, norm.num_features, 3, 3)
        norm.bias.data.zero_()
        assert torch.equal(norm(x), x)  # exactly the identity


def convolutions(model: nn.Module) -> set[str]:
    return {path for path, module in model.named_modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)}


def test_keys_are_the_originals_where_the_file_tells(unfolded: Unfolded, request: pytest.FixtureRequest) -> None:
    model, original, inputs, _ = unfolded
    assert convolutions(model) == convolutions(original)
    if "torchscript" in request.node.callspec.id:
        return  # such a file has no names for what was folded
    model.load_state_dict(original.state_dict(), strict=True)
    for norm, other in zip(norms(model), norms(original), strict=True):
        norm.eps = other.eps  # which is in no file
    assert_near(run(model, inputs), run(original, inputs))


def test_norms_learn(unfolded: Unfolded) -> None:
    model, _, inputs, _ = unfolded
    model.train()
    before = [norm.running_mean.clone() for norm in norms(model)]
    model(*inputs.values()).square().sum().backward()
    assert all(norm.weight.grad is not None and norm.weight.grad.isfinite().all() for norm in norms(model))
    assert all(not torch.equal(norm.running_mean, old) for norm, old in zip(norms(model), before, strict=True))
