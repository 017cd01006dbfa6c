"""Parts of models and their intermediate values, against the modules of the original."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnxgen
import pytest
import torch
from converted import import_model
from test_zoo import assert_near
from torch import Tensor, nn
from zoo import ZOO

Exported = Callable[[str, str], Path]
# A module of a model whose result is one tensor.
MODULES = {"bert": "model.bert.encoder.layer.1", "resnet": "model.resnet.encoder.stages.1", "vit": "model.vit.layers.1"}
# What the modules after it read as well; the default exporter expands a mask to the size of ViT's batch.
READ_LATER = {
    ("bert", "dynamo"): ["input_ids", "attention_mask"],
    ("bert", "torchscript"): ["input_ids", "attention_mask"],
    ("vit", "dynamo"): ["image"],
}


def results_of(model: nn.Module, path: str, inputs: list[Tensor]) -> tuple[Tensor, Tensor]:
    """What a model returns, and what one of its modules returns meanwhile."""
    seen: list[Tensor] = []
    module = model.get_submodule(path)
    handle = module.register_forward_hook(lambda _, __, out: seen.append(out if isinstance(out, Tensor) else out[0]))
    with torch.no_grad():
        result = model(*inputs)
    handle.remove()
    return result, seen[0]


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", MODULES)
def test_features_of_a_module(
    name: str, exporter: str, original: Callable[[str], nn.Module], exported: Exported, tmp_path: Path
) -> None:
    path = MODULES[name]
    onnxgen.convert(exported(name, exporter), tmp_path / "out", intermediate=[path])
    inputs = list(ZOO[name].inputs(3, ZOO[name].other_length).values())
    result, feature = results_of(original(name), path, inputs)
    with torch.no_grad():
        found = import_model(tmp_path / "out").load_model()(*inputs)
    assert_near(found[0], result)
    assert_near(found[1], feature)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", MODULES)
def test_two_parts_are_the_whole(
    name: str, exporter: str, original: Callable[[str], nn.Module], exported: Exported, tmp_path: Path
) -> None:
    path, more = MODULES[name], READ_LATER.get((name, exporter), [])
    source = exported(name, exporter)
    onnxgen.convert(source, tmp_path / "first", outputs=[path])
    onnxgen.convert(source, tmp_path / "second", inputs=[path, *more], outputs=["output"])
    inputs = ZOO[name].inputs(3, ZOO[name].other_length)
    wanted, _ = results_of(original(name), path, list(inputs.values()))
    with torch.no_grad():
        feature = import_model(tmp_path / "first").load_model()(*inputs.values())
        result = import_model(tmp_path / "second").load_model()(feature, *(inputs[each] for each in more))
    assert_near(result, wanted)
