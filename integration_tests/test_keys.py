"""A checkpoint of the original loads into the generated model, but for the keys that the report names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from codegen_torch.modules import keys
from codegen_torch.pipeline import convert
from converted import Converted, import_model
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

# Keys of the original that no file tells, by model.
UNTOLD = {
    "t5_encoder": (r"model\.shared\.weight",),  # a tied tensor, under its other name
    "swin": (r".*\.relative_position_bias_table",),  # gathered during the export
    # Frozen statistics, with which the exporter computes, and weights that it makes others of.
    "detr": (
        r".*\.normalization\.(weight|bias|running_mean|running_var)",
        r"model\.(bbox_predictor|model\.query_position_embeddings)\..*",
    ),
    "whisper": (r".*\.embed_positions\.weight",),  # sliced during the export
    "clip": (r"model\.logit_scale", r".*\.position_embedding\.weight"),  # its exponential; sliced during the export
    "mixtral": (r".*\.mlp\.gate\.weight",),  # used as functions' operands
}


def norm_keys(model: nn.Module) -> set[str]:
    """The keys of all BatchNorms."""
    return {
        f"{path}.{key}"
        for path, module in model.named_modules()
        if isinstance(module, _BatchNorm)
        for key in module.state_dict()
    }


def fits(checkpoint: dict[str, Tensor], key: str, tensor: Tensor) -> bool:
    return key in checkpoint and torch.equal(checkpoint[key], tensor)


def test_the_report_names_what_differs(case: Converted) -> None:
    checkpoint, state = case.original.state_dict(), case.load().state_dict()
    changes = case.report.changed_keys
    named = {key for change in changes for key in change.keys}
    originals = {key for change in changes for key in change.originals}
    differing = {key for key, tensor in state.items() if not fits(checkpoint, key, tensor)}
    # Of tied tensors the file has one name, which both of the original's keys have a right to; a guess may be right.
    guessed = {key for change in changes if change.reason in (keys.RENAMED, keys.UNTOLD) for key in change.keys}
    assert differing <= named
    assert named - differing <= guessed
    assert originals <= checkpoint.keys()
    untold = checkpoint.keys() - state.keys() - originals
    if any(change.reason == keys.FOLDED_UNNAMED for change in changes):
        untold -= norm_keys(case.original)
    patterns = UNTOLD.get(case.entry.name, ())
    assert {key for key in untold if not any(re.fullmatch(pattern, key) for pattern in patterns)} == set()


def test_the_rest_of_a_checkpoint_loads(case: Converted) -> None:
    checkpoint = case.original.state_dict()
    named = {key for change in case.report.changed_keys for key in change.keys}
    kept = {key: tensor for key, tensor in checkpoint.items() if key not in named}
    model = case.module.Model()
    found = model.load_state_dict(kept, strict=False)
    assert set(found.missing_keys) <= named
    assert set(found.unexpected_keys).isdisjoint(model.state_dict())
    assert all(torch.equal(kept[key], tensor) for key, tensor in model.state_dict().items() if key in kept)


def test_notes_count_the_keys(case: Converted) -> None:
    changes = case.report.changed_keys
    for reason in {change.reason for change in changes}:
        count = sum(len(change.keys) for change in changes if change.reason == reason)
        assert [note for note in case.report.notes if reason in note and note.startswith(f"{count} key")]


class Parallel(nn.Module):
    """What exporters take apart: a fused projection, and a product with a parameter of the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.table = nn.Parameter(torch.randn(8, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0] @ self.table


MODELS = {
    "fused attention": (Parallel, torch.randn(2, 5, 8)),
    "numbered root": (
        lambda: nn.Sequential(nn.Conv1d(3, 4, 3, bias=False), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(12, 2)),
        torch.randn(2, 3, 5),
    ),
    "transposed convolution": (
        lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 2), nn.BatchNorm2d(4), nn.ReLU()),
        torch.randn(2, 3, 5, 5),
    ),
}


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", MODELS)
def test_what_cannot_match_is_named(name: str, exporter: str, tmp_path: Path) -> None:
    make, x = MODELS[name]
    torch.manual_seed(0)
    model = make().eval()
    for key, buffer in model.named_buffers():
        if key.endswith("running_mean"):
            buffer.add_(0.5)
    torch.onnx.export(model, (x,), str(tmp_path / "net.onnx"), dynamo=exporter == "dynamo", verbose=False)
    report = convert(tmp_path / "net.onnx", tmp_path / "out")
    generated = import_model(tmp_path / "out").load_model()
    with torch.no_grad():
        torch.testing.assert_close(generated(x), model(x), rtol=1e-4, atol=1e-5)
    checkpoint = model.state_dict()
    named = {key for change in report.changed_keys for key in change.keys}
    assert {key for key, tensor in generated.state_dict().items() if not fits(checkpoint, key, tensor)} == named
