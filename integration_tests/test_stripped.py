"""Models without any telling name or scope: repeated blocks still are classes and loops, and say the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from codegen_torch.pipeline import convert
from converted import import_model
from torch import nn
from zoo import ZOO

# How many modules each list of repeated blocks has.
REPEATED = {
    "bert": {"layers": 3},
    "gpt2": {"layers": 3},
    "llama": {"layers": 3},
    "t5_encoder": {"layers": 3},
    "vit": {"layers": 3},
    "convnext": {"blocks": 2},
    "resnet": {"blocks": 4},
}


def strip(path: Path, target: Path) -> None:
    """Number every node, tensor and inner value, and drop all metadata."""
    model = onnx.load(path)
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    names: dict[str, str] = {}
    for index, tensor in enumerate(model.graph.initializer):
        names[tensor.name] = tensor.name = f"const_{index}"
        del tensor.metadata_props[:]
    for index, node in enumerate(model.graph.node):
        node.name = f"node_{index}"
        node.doc_string = ""
        del node.metadata_props[:]
        names.update({output: f"val_{index}_{i}" for i, output in enumerate(node.output) if output not in kept})
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) if name else "" for name in node.input]
        node.output[:] = [names.get(name, name) if name else "" for name in node.output]
    del model.graph.value_info[:], model.graph.metadata_props[:], model.metadata_props[:]
    onnx.save(model, target)


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", REPEATED)
def test_blocks_come_back(
    name: str,
    exporter: str,
    original: Callable[[str], nn.Module],
    exported: Callable[[str, str], Path],
    tmp_path: Path,
) -> None:
    strip(exported(name, exporter), tmp_path / "net.onnx")
    convert(tmp_path / "net.onnx", tmp_path / "out")
    model = import_model(tmp_path / "out").load_model()
    found = {path: len(child) for path, child in model.named_children() if isinstance(child, nn.ModuleList)}
    assert found == REPEATED[name]
    assert " in self." in (tmp_path / "out" / "model.py").read_text("utf-8")
    inputs = ZOO[name].inputs(3, ZOO[name].other_length)
    with torch.no_grad():
        wanted = original(name)(*inputs.values())
        torch.testing.assert_close(model(*inputs.values()), wanted, rtol=1e-4, atol=1e-4)


# The lists of modules, with their lengths, that the names of weights tell.
TOLD = {
    "bert": {"model.bert.encoder.layer": 3},
    "vit": {"model.vit.layers": 3},
    "resnet": {"model.resnet.encoder.stages": 4, "model.resnet.encoder.stages.0.layers": 2},
    "mobilenet_v2": {"model.mobilenet_v2.layer": 16},
}


def drop_names_of_nodes(path: Path, target: Path) -> None:
    """Drop what nodes and inner values are called, as optimizers do, and leave the names of weights."""
    model = onnx.load(path)
    kept = {value.name for value in (*model.graph.input, *model.graph.output, *model.graph.initializer)}
    names: dict[str, str] = {}
    for index, node in enumerate(model.graph.node):
        node.name = node.doc_string = ""
        del node.metadata_props[:]
        names.update({output: f"{index}_{i}" for i, output in enumerate(node.output) if output not in kept})
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    del model.graph.value_info[:]
    onnx.save(model, target)


@pytest.mark.parametrize("name", TOLD)
def test_names_of_weights_tell_the_tree(
    name: str, original: Callable[[str], nn.Module], exported: Callable[[str, str], Path], tmp_path: Path
) -> None:
    drop_names_of_nodes(exported(name, "dynamo"), tmp_path / "net.onnx")
    convert(tmp_path / "net.onnx", tmp_path / "out")
    model = import_model(tmp_path / "out").load_model()
    for path, length in TOLD[name].items():
        assert len(model.get_submodule(path)) == length
    weights = {key for key in model.state_dict() if key.endswith(".weight")}  # a folded BatchNorm makes a new bias
    assert weights <= original(name).state_dict().keys()
    inputs = ZOO[name].inputs(3, ZOO[name].other_length)
    with torch.no_grad():
        wanted = original(name)(*inputs.values())
        torch.testing.assert_close(model(*inputs.values()), wanted, rtol=1e-4, atol=1e-4)
