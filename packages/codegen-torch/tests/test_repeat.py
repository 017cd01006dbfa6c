"""Modules of files that tell of none: what the graph repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import node, tensor
from samples import body, converted, made, outline, tree_of


def stack(depth: int, width: int = 4) -> onnx_proto.Model:
    """Residual blocks one after the other, between a linear layer and an activation; nothing has a telling name."""
    random = np.random.default_rng(0)
    nodes: list[onnx_proto.Node] = []
    tensors: list[onnx_proto.Tensor] = []
    count = 0

    def stored(*shape: int) -> str:
        name = f"const_{len(tensors)}"
        tensors.append(tensor(name, random.normal(size=shape).astype(np.float32)))
        return name

    def add(op: str, *inputs: str) -> str:
        nonlocal count
        count += 1
        nodes.append(node(op, inputs, [f"val_{count}"], name=f"node_{count}"))
        return f"val_{count}"

    x = add("MatMul", "x", stored(4, width))
    for _ in range(depth):
        out = add("Add", add("MatMul", x, stored(width, 2 * width)), stored(2 * width))
        out = add("Relu", out)
        out = add("Add", add("MatMul", out, stored(2 * width, width)), stored(width))
        x = add("Add", add("Tanh", out), add("Mul", x, stored(width)))
    nodes.append(node("Sigmoid", [x], ["y"], name="last"))
    return made(nodes, tensors)


def test_repeated_blocks_are_a_list_of_one_class(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, stack(3))
    assert body(text) == (
        "class Block(nn.Module):\n"
        '    """blocks.0-2"""\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.fc1 = nn.Linear(4, 8)\n"
        "        self.fc2 = nn.Linear(8, 4)\n"
        "        self.scale = nn.Parameter(torch.empty(4))\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 4]\n"
        "        return torch.tanh(self.fc2(F.relu(self.fc1(x)))) + x * self.scale\n"
        "\n\n"
        "class Net(nn.Module):\n"
        '    output_names = ("y",)\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.linear = nn.Linear(4, 4, bias=False)\n"
        "        self.blocks = nn.ModuleList(Block() for _ in range(3))\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 4]\n"
        "        x = self.linear(x)\n"
        "        for block in self.blocks:\n"
        "            x = block(x)\n"
        "        return torch.sigmoid(x)\n"
    )


def test_what_is_there_once_stays_where_it_is() -> None:
    assert [unit for unit in outline(tree_of(stack(1))) if isinstance(unit, tuple)] == []


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_scopes_of_the_file_come_first(share: float) -> None:
    source = stack(4)
    scoped = round(share * len(source.graph.nodes))
    for each in source.graph.nodes[:scoped]:
        object.__setattr__(each, "name", f"/told/{each.op_type}")
    paths = [unit[0] for unit in outline(tree_of(source)) if isinstance(unit, tuple)]
    assert ("told" in paths) == (share > 0.1)
    assert ("blocks.0" in paths) == (share < 0.1)
