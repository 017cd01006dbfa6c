"""What the generated source looks like: a class per block and a loop, under the original's names."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest
import torch
from converted import Converted
from torch import nn
from zoo import ZOO

Convert = Callable[[str, str], Converted]

# The stack of blocks in each model, by its path under the two exporters, and the class that dynamo's files tell.
STACKS = {
    "bert": ("model.bert.encoder.layer", "BertLayer"),
    "gpt2": ("model.transformer.h", "GPT2Block"),
    "llama": ("model.model.layers", "LlamaDecoderLayer"),
    "vit": ("model.vit.layers", "ViTLayer"),
}

# Of the original's tensors, those that the generated model must hold under the same name and unchanged.
# The others: a folded BatchNorm changes what the convolution before it holds, GPT-2's Conv1D stores the transpose,
# T5's shared table is tied to embed_tokens, and a norm over channels keeps its parameters in an nn.LayerNorm below.
KEPT = {
    "mlp": (6, 6),
    "convnext": (65, 65),
    "vit": (56, 56),
    "bert": (57, 57),
    "gpt2": (29, 41),  # the rest are Conv1D weights, transposed by nn.Linear
    "t5_encoder": (27, 28),
    "llama": (30, 30),
}

# Exporters compute parts of these models beforehand: BatchNorms are folded into convolutions, Swin's relative positions
# looked up, CLIP's temperature raised, Whisper's sines transposed.
FOLDED = ("mobilenet_v2", "resnet", "unet", "segformer", "detr", "swin", "clip", "whisper")


def loops(source: str) -> Iterator[str]:
    """Yields the attribute of ``self`` that each loop of the source runs over."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.For) and (runs_over := ast.unparse(node.iter)).startswith("self."):
            yield runs_over.removeprefix("self.")


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", STACKS)
def test_blocks_are_one_class_in_a_loop(converted: Convert, name: str, exporter: str) -> None:
    case = converted(name, exporter)
    path, original_class = STACKS[name]
    stack = case.load().get_submodule(path)
    assert isinstance(stack, nn.ModuleList)
    assert len(stack) == 3
    (block,) = {type(block) for block in stack}
    assert exporter != "dynamo" or block.__name__ == original_class
    attribute = path.rpartition(".")[2]
    assert list(loops(case.source)) == [attribute]
    assert f"self.{attribute} = nn.ModuleList({block.__name__}() for _ in range(3))" in case.source


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
def test_residual_blocks_are_two_classes_at_most(converted: Convert, exporter: str) -> None:
    model = converted("resnet", exporter).load()
    blocks = [block for stage in model.get_submodule("model.resnet.encoder.stages") for block in stage.layers]
    assert len(blocks) == 8
    assert len({type(block) for block in blocks}) <= 2
    assert len({type(stage) for stage in model.get_submodule("model.resnet.encoder.stages")}) == 1


@pytest.mark.parametrize("name", KEPT)
def test_state_keeps_its_names(converted: Convert, name: str) -> None:
    case = converted(name, "dynamo")
    found, wanted = case.load().state_dict(), case.original.state_dict()
    kept = [key for key in wanted.keys() & found.keys() if torch.equal(found[key], wanted[key])]
    assert (len(kept), len(wanted)) == KEPT[name]


@pytest.mark.parametrize("exporter", ["dynamo", "torchscript"])
@pytest.mark.parametrize("name", [name for name in ZOO if name not in FOLDED])
def test_nothing_is_lost(converted: Convert, name: str, exporter: str) -> None:
    """Each parameter of the original is a parameter again, as it was or transposed."""
    case = converted(name, exporter)

    def contents(model: nn.Module) -> set[tuple[tuple[int, ...], float]]:
        return {(tuple(sorted(p.shape)), round(p.double().square().sum().item(), 3)) for p in model.parameters()}

    assert contents(case.load()) == contents(case.original)


def test_a_sequential_keeps_its_numbers(converted: Convert) -> None:
    layers = converted("mlp", "dynamo").load().layers
    assert [type(layer).__name__ for layer in layers] == ["Linear", "ReLU", "Identity", "Linear", "Tanh", "Linear"]
