"""Dropout that comes back: the same numbers in evaluation mode, the same keys, and a model that drops in training."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from codegen_torch.changes import Changes
from codegen_torch.pipeline import convert
from converted import assert_near, import_model, run
from quiet import quiet
from torch import Tensor, nn
from zoo import ZOO

SHARE = 0.25


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.attn_drop = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (layer(x).reshape(2, 5, 2, 8).transpose(1, 2) for layer in self.qkv)
        weights = self.attn_drop((q @ k.transpose(-1, -2) * 8**-0.5).softmax(-1))
        return F.dropout((weights @ v).transpose(1, 2).flatten(2), 0.2, training=self.training)


class Net(nn.Module):
    """Has dropout as a module, as one that is called twice, in a Sequential, as a function, and in an attention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Attention()
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.drop = nn.Dropout(0.3)
        self.layers = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Dropout(0.4), nn.Linear(32, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.drop(self.attention(x)))
        return self.norm2(x + self.drop(self.layers(x)))


@dataclasses.dataclass(frozen=True)
class Case:
    """A model with dropout, converted with it and without.

    Attributes:
        original: The model in evaluation mode.
        model: The converted one, with its dropouts.
        without: The converted one that has none, or whose dropouts do as the file says.
        text: The source of the one that has them.
        notes: What its conversion said.
    """

    original: nn.Module
    model: nn.Module
    without: nn.Module
    text: str
    notes: list[str]


def export_in_training(model: nn.Module, inputs: tuple[Tensor, ...], path: Path, how: str) -> None:
    """Exports by the opset of the TorchScript exporter, or by the default one: in training mode, or optimizing nothing.

    ``PRESERVE`` keeps the mode that the model is in.
    """
    names = [f"x{position}" for position in range(len(inputs))]
    with quiet():
        if how.isdecimal():
            options = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
            version = {"dynamo": False, "opset_version": int(how), **options}
            torch.onnx.export(model.train(), inputs, path, input_names=names, **version)
        else:
            model.train(how == "default")
            torch.onnx.export(model, inputs, path, dynamo=True, optimize=how == "default", input_names=names)


def case(original: nn.Module, inputs: tuple[Tensor, ...], folder: Path, how: str, share: float | str) -> Case:
    path = folder / "net.onnx"
    export_in_training(copy.deepcopy(original), inputs, path, how)
    report = convert(path, folder / "with", changes=Changes(dropout=share))
    convert(path, folder / "without")
    found, without = (import_model(folder / name).load_model() for name in ("with", "without"))
    return Case(original, found, without, (folder / "with" / "model.py").read_text("utf-8"), report.notes)


def net() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


X = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=["9", "11", "12", "17", "default", "unoptimized"])
def converted_net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return case(net(), (X,), tmp_path_factory.mktemp("net"), request.param, SHARE)


def test_in_evaluation_mode_it_is_the_original(converted_net: Case, request: pytest.FixtureRequest) -> None:
    assert_near(run(converted_net.model, {"x": X}), run(converted_net.original, {"x": X}))
    if request.node.callspec.params["converted_net"] in ("9", "11", "unoptimized"):  # others drop in every mode
        assert torch.equal(run(converted_net.model, {"x": X}), run(converted_net.without, {"x": X}))


def test_keys_are_the_same(converted_net: Case) -> None:
    assert list(converted_net.model.state_dict()) == list(converted_net.without.state_dict())


def test_every_dropout_is_where_it_was(converted_net: Case, request: pytest.FixtureRequest) -> None:
    is_unoptimized = request.node.callspec.params["converted_net"] == "unoptimized"  # which tells of modules alone
    assert converted_net.notes[0].startswith(f"{5 - is_unoptimized} dropouts put back")
    found = {path: layer.p for path, layer in converted_net.model.named_modules() if isinstance(layer, nn.Dropout)}
    assert found == {"drop": SHARE, "layers.2": SHARE}
    assert f"dropout_p={SHARE} if self.training else 0.0" in converted_net.text
    assert (f", {SHARE}, training=self.training)" in converted_net.text) is not is_unoptimized


def test_in_training_mode_it_drops_and_learns(converted_net: Case) -> None:
    model = copy.deepcopy(converted_net.model).train()
    torch.manual_seed(0)
    first, second = model(X), model(X)
    assert not torch.equal(first, second)
    first.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    torch.manual_seed(0)
    assert torch.equal(model(X), first)
    for layer in model.modules():
        if isinstance(layer, nn.Dropout):
            dropped = (layer(torch.ones(100, 100)) == 0).float().mean()
            assert abs(dropped - SHARE) < 0.02


@pytest.mark.parametrize("trains", [False, True])
def test_both_modes_export_and_compile(trains: bool, tmp_path: Path) -> None:
    model = case(net(), (X,), tmp_path, "17", SHARE).model.train(trains)
    program = torch.export.export(model, (X,)).module()
    assert torch.equal(program(X), program(X)) is not trains
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert torch.equal(compiled(X), compiled(X)) is not trains


def test_a_file_of_training_mode_tells_the_shares(tmp_path: Path) -> None:
    found = case(net(), (X,), tmp_path, "17", "file")
    shares = {path: layer.p for path, layer in found.model.named_modules() if isinstance(layer, nn.Dropout)}
    assert shares == {"drop": 0.3, "layers.2": 0.4}
    assert "dropout_p=0.1 if self.training else 0.0" in found.text
    assert ", 0.2, training=self.training)" in found.text


class Tagger(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(16, 24, num_layers=3, batch_first=True, dropout=0.3)

    def forward(self, x: Tensor) -> Tensor:
        return self.lstm(x)[0]


def test_a_recurrent_module_drops_between_its_layers(tmp_path: Path) -> None:
    found = case(Tagger().eval(), (X,), tmp_path, "default", "file")
    assert_near(run(found.model, {"x": X}), run(found.original, {"x": X}))
    assert found.model.lstm.dropout == 0.3
    found.model.load_state_dict(found.original.state_dict())
    found.model.train()
    assert not torch.equal(found.model(X), found.model(X))


def test_by_default_an_exporter_tells_of_none(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    with quiet():
        torch.onnx.export(net(), (X,), path, dynamo=True)
    report = convert(path, tmp_path / "with", changes=Changes(dropout=SHARE))
    convert(path, tmp_path / "without")
    texts = {(tmp_path / name / "model.py").read_text("utf-8") for name in ("with", "without")}
    assert len(texts) == 1
    assert report.notes[0].startswith("no dropout was put back")


@pytest.mark.parametrize("how", ["14", "unoptimized"])
@pytest.mark.parametrize("name", ["bert", "gpt2"])
def test_transformers(name: str, how: str, original: Callable[[str], nn.Module], tmp_path: Path) -> None:
    entry = ZOO[name]
    inputs = entry.inputs(2, entry.length)
    found = case(original(name), tuple(inputs.values()), tmp_path, how, SHARE)
    assert_near(run(found.model, inputs), run(found.original, inputs))
    assert found.model.state_dict().keys() == found.without.state_dict().keys()
    layers = {path for path, layer in found.model.named_modules() if isinstance(layer, nn.Dropout)}
    wanted = {path for path, layer in found.original.named_modules() if isinstance(layer, nn.Dropout)}
    assert layers <= wanted
    assert {path for path in wanted - layers if not path.endswith((".self.dropout", "attn_dropout"))} == set()
    assert ("dropout_p=" in found.text) is (how == "14")
    found.model.train()
    assert not torch.equal(run(found.model, inputs), run(found.model, inputs))


def test_kernels_leave_it_to_torch(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    export_in_training(net(), (X,), path, "11")
    convert(path, tmp_path / "fused", kernels="triton", changes=Changes(dropout=SHARE))
    model = import_model(tmp_path / "fused").load_model()
    assert_near(run(model, {"x": X}), run(net(), {"x": X}))
    model.train()
    assert not torch.equal(model(X), model(X))
