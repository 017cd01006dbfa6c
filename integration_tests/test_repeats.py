"""The layers of real models are found by structure alone, in graphs as the layers stage leaves them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import dataflow_ir as df
import onnx_proto
import pytest
import zoo
from codegen_torch.clean import clean
from codegen_torch.layers import recover_layers
from codegen_torch.lower.graph import lower
from codegen_torch.simplify import share, simplify
from torch import nn
from zoo import ZOO

Export = Callable[[str, str], Path]

# The operands that a layer has beside its weights.
LAYERS = {"bert": ["carry", "shared"], "gpt2": ["carry", "shared"], "llama": ["carry", *["shared"] * 3]}


def graph_of(path: Path) -> Any:
    """The graph that modules are recovered from."""
    lowered = lower(clean(onnx_proto.load(path)), path.name)
    return share(recover_layers(simplify(share(lowered.outputs))))


def without_sizes(v: Any) -> Hashable:
    """Layers that differ in their arguments alone, which a class would take, count as equal."""
    return v.op.startswith("nn.") or v.attrs.key


def repeats(graph: Any) -> list[df.Repeat]:
    """What is repeated; where expressions come from in the file is not looked at."""
    found = df.repeats(
        graph,
        param=lambda v: v.op in ("weight", "constant"),
        const=lambda v: v.op == "literal",
        token=without_sizes,
    )
    assert df.equal(df.inline(df.outline(graph, found)), graph)
    return found


def operands(repeat: df.Repeat) -> list[str]:
    return [hole.kind for hole in repeat.holes if hole.kind != "param"]


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", LAYERS)
def test_all_layers_of_a_transformer(exported: Export, name: str, exporter: str) -> None:
    layer = repeats(graph_of(exported(name, exporter)))[0]
    assert layer.tandem
    assert len(layer.instances) == 3
    assert operands(layer) == LAYERS[name]
    assert all(len(instance.outputs) == 1 for instance in layer.instances)
    kinds = [v.op for v in layer.nodes]
    assert kinds.count("F.scaled_dot_product_attention") == 1
    assert kinds.count("nn.RMSNorm" if name == "llama" else "nn.LayerNorm") == 2


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_the_stages_of_a_resnet_and_the_blocks_in_them(exported: Export, exporter: str) -> None:
    stage, *blocks = repeats(graph_of(exported("resnet", exporter)))
    assert stage.tandem
    assert len(stage.instances) == 4
    assert [len(block.instances) for block in blocks] == [2, 2, 2, 2]
    assert all(len(block.nodes) == 7 and block.tandem for block in blocks)


@pytest.mark.filterwarnings("ignore")
def test_the_bottlenecks_of_a_resnet_50(tmp_path: Path) -> None:
    def build() -> nn.Module:
        from transformers import ResNetConfig, ResNetForImageClassification

        config = ResNetConfig(
            embedding_size=8, hidden_sizes=[16, 24, 32, 48], depths=[3, 4, 6, 3], layer_type="bottleneck"
        )
        return zoo.First(ResNetForImageClassification(config), ("pixel_values",), "logits").eval()

    path = tmp_path / "resnet50.onnx"
    zoo.export(dataclasses.replace(ZOO["resnet"], build=build), "torchscript", str(path))
    blocks = [repeat for repeat in repeats(graph_of(path)) if len(repeat.nodes) == 7]
    assert [len(block.instances) for block in blocks] == [3, 4, 6, 3]
    assert all(block.tandem for block in blocks)
