"""Generated models in a training script: pickled, fine-tuned, given low-rank adapters, and exported back to ONNX."""

from __future__ import annotations

import copy
import dataclasses
import io
import pickle
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import pytest
import torch
import zoo
from converted import Converted, assert_near, run
from quiet import quiet
from torch import Tensor, nn


def test_can_be_pickled(case: Converted) -> None:
    model, inputs = case.load(), case.inputs()
    file = io.BytesIO(pickle.dumps(model))
    assert torch.equal(run(pickle.load(file), inputs), run(model, inputs))
    whole = io.BytesIO()
    torch.save(model, whole)
    whole.seek(0)
    assert torch.equal(run(torch.load(whole, weights_only=False), inputs), run(model, inputs))


def tune(model: nn.Module, inputs: dict[str, Tensor], steps: int = 20) -> list[float]:
    """Losses of a few steps towards a fixed random target."""
    wanted = torch.randn(run(model, inputs).shape, generator=torch.Generator().manual_seed(3)).softmax(-1)
    optimizer = torch.optim.Adam([each for each in model.parameters() if each.requires_grad], lr=1e-4)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(*inputs.values()), wanted)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_learns(case: Converted) -> None:
    losses = tune(case.load().train(), case.inputs())
    assert losses[-1] < losses[0]


class LowRank(nn.Module):
    """A frozen linear layer and a product of two thin matrices beside it (Hu et al., "LoRA", 2021)."""

    def __init__(self, layer: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.layer = layer
        self.down = nn.Parameter(torch.randn(rank, layer.in_features) / rank)
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + x @ self.down.T @ self.up.T


def adapt(model: nn.Module) -> list[str]:
    """Freezes a model and puts adapters around its linear layers, found by name as peft finds them."""
    model.requires_grad_(False)
    names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    for name in names:
        around, _, last = name.rpartition(".")
        setattr(model.get_submodule(around), last, LowRank(model.get_submodule(name)))
    return names


def test_takes_low_rank_adapters(case: Converted) -> None:
    model, inputs = case.load(), case.inputs()
    before = run(model, inputs)
    names = adapt(model)
    linears = [name for name, module in case.original.named_modules() if isinstance(module, nn.Linear)]
    assert bool(names) == bool(linears)
    if not names:
        return
    assert_near(run(model, inputs), before)
    frozen = {name: each.clone() for name, each in model.named_parameters() if not each.requires_grad}
    losses = tune(model, inputs)
    assert losses[-1] < losses[0]
    assert all(torch.equal(each, frozen[name]) for name, each in model.named_parameters() if name in frozen)


# Not of T5: torch 2.13 decomposes a view of what fused attention returns to one of other strides, and fails; it does
# so with the original's own fused attention as well.
@pytest.mark.parametrize("name", ["mlp", "bert", pytest.param("gpt2", marks=pytest.mark.long)])
def test_exports_back(name: str, converted: Callable[[str, str], Converted], tmp_path: Path) -> None:
    first = converted(name, "dynamo")
    entry = dataclasses.replace(first.entry, build=lambda: copy.deepcopy(first.load()))
    with quiet():
        zoo.export(entry, "dynamo", str(tmp_path / "back.onnx"))
    inputs = first.inputs(other=True)
    session = onnxruntime.InferenceSession(tmp_path / "back.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {key: each.numpy() for key, each in inputs.items()})
    assert_near(torch.from_numpy(found), run(first.original, inputs))
