"""Modules of files whose nodes have no names, by the names of weights."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import numpy as np
import onnx_proto
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_proto.build import node, tensor
from samples import body, converted, made


class Nameless:
    """Collects nodes without names and tensors with."""

    def __init__(self) -> None:
        self.nodes: list[onnx_proto.Node] = []
        self.tensors: list[onnx_proto.Tensor] = []
        self.random = np.random.default_rng(0)

    def call(self, op: str, *inputs: str) -> str:
        output = f"t{len(self.nodes)}"
        self.nodes.append(node(op, inputs, [output]))
        return output

    def linear(self, x: str, path: str, inputs: int, outputs: int) -> str:
        for role, shape in (("weight", (inputs, outputs)), ("bias", (outputs,))):
            self.tensors.append(tensor(f"{path}.{role}", self.random.normal(size=shape).astype(np.float32)))
        return self.call("Add", self.call("MatMul", x, f"{path}.weight"), f"{path}.bias")

    def model(self, result: str) -> onnx_proto.Model:
        self.nodes.append(node("Identity", [result], ["y"]))
        return made(self.nodes, self.tensors)


def residual(depth: int) -> onnx_proto.Model:
    """Blocks that add what they were given, between an embedding and a head."""
    net = Nameless()
    x = net.call("Tanh", net.linear("x", "stem.proj", 4, 4))
    for index in range(depth):
        out = net.call("Relu", net.linear(x, f"encoder.layers.{index}.mlp.fc1", 4, 8))
        out = net.linear(out, f"encoder.layers.{index}.mlp.fc2", 8, 4)
        x = net.call("Add", x, out)
    return net.model(net.linear(net.call("Sigmoid", x), "head", 4, 2))


def sequential() -> onnx_proto.Model:
    net = Nameless()
    x = net.call("Relu", net.linear("x", "body.net.0", 4, 8))
    x = net.call("Tanh", net.linear(x, "body.net.3", 8, 8))
    return net.model(net.call("Sigmoid", net.linear(x, "body.net.5", 8, 2)))


def test_weights_tell_the_tree(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, residual(3))
    assert body(text) == (
        "class Stem(nn.Module):\n"
        '    """stem"""\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.proj = nn.Linear(4, 4)\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 4]\n"
        "        return torch.tanh(self.proj(x))\n"
        "\n\n"
        "class Mlp(nn.Module):\n"
        '    """encoder.layers.0-2.mlp"""\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.fc1 = nn.Linear(4, 8)\n"
        "        self.fc2 = nn.Linear(8, 4)\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 4]\n"
        "        return self.fc2(F.relu(self.fc1(x)))\n"
        "\n\n"
        "class Layer(nn.Module):\n"
        '    """encoder.layers.0-2"""\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.mlp = Mlp()\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 4]\n"
        "        return x + self.mlp(x)\n"
        "\n\n"
        "class Encoder(nn.Module):\n"
        '    """encoder"""\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(*(Layer() for _ in range(3)))\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 4]\n"
        "        return self.layers(x)\n"
        "\n\n"
        "class Net(nn.Module):\n"
        '    output_names = ("y",)\n'
        "\n"
        "    def __init__(self) -> None:\n"
        "        super().__init__()\n"
        "        self.stem = Stem()\n"
        "        self.encoder = Encoder()\n"
        "        self.head = nn.Linear(4, 2)\n"
        "\n"
        "    def forward(self, x: Tensor) -> Tensor:\n"
        "        # x: [batch, 4] -> [batch, 2]\n"
        "        return self.head(torch.sigmoid(self.encoder(self.stem(x))))\n"
    )


def test_a_single_block_ends_with_its_sum(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, residual(1))
    assert "return x + self.mlp(x)\n" in text


def test_operations_between_numbers_are_entries_of_the_sequential(tmp_path: Path) -> None:
    text, _ = converted(tmp_path, sequential())
    assert (
        "        self.net = nn.Sequential(\n"
        "            nn.Linear(4, 8),\n"
        "            nn.ReLU(),\n"
        "            nn.Identity(),\n"
        "            nn.Linear(8, 8),\n"
        "            nn.Tanh(),\n"
        "            nn.Linear(8, 2),\n"
        "        )\n"
    ) in text


PARTS = ["a", "b", "layers", "0", "1", "00", "9" * 30, "self", "forward", "__init__", "", "é", "weight", "T"]
HOSTILE = st.one_of(st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(".".join), st.text(max_size=8))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from([residual(3), sequential()]))
def test_names_that_lie_make_valid_code(tmp_path: Path, data: st.DataObject, source: onnx_proto.Model) -> None:
    names: dict[str, str] = {}
    for each in source.graph.initializers:
        role = each.name.rpartition(".")[2]
        name = f"{data.draw(HOSTILE)}.{role}"
        names[each.name] = name if name not in names.values() else f"{len(names)}.{role}"
    tensors = tuple(dataclasses.replace(each, name=names[each.name]) for each in source.graph.initializers)
    nodes = tuple(
        dataclasses.replace(each, inputs=tuple(names.get(name, name) for name in each.inputs))
        for each in source.graph.nodes
    )
    graph = dataclasses.replace(source.graph, nodes=nodes, initializers=tensors)
    text, report = converted(tmp_path, dataclasses.replace(source, graph=graph), force=True)
    ast.parse(text)
    assert report.tensors == len(tensors)


@pytest.mark.parametrize("name", ["a." * 40 + "b", "a" * 2000 + ".b", "9" * 5000 + "." + "9" * 5000])
def test_names_of_any_length_are_read(tmp_path: Path, name: str) -> None:
    net = Nameless()
    converted(tmp_path, net.model(net.linear(net.linear("x", name, 4, 4), "c.d", 4, 4)))
