"""Graphs shaped as neural networks are, weights as inputs with names that start with "w"."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from dataflow_ir import Node, const, inp, node, out


class Net:
    """Builds layers; every call of one makes new weights."""

    def __init__(self) -> None:
        self.numbers = count()

    def weight(self) -> Node:
        return inp(f"w{next(self.numbers)}")

    def linear(self, x: Node) -> Node:
        return node("add", node("matmul", x, self.weight()), self.weight())

    def norm(self, x: Node) -> Node:
        centred = node("sub", x, node("mean", x, axis=-1))
        variance = node("mean", node("pow", centred, const(2)), axis=-1)
        scaled = node("div", centred, node("sqrt", node("add", variance, const(1e-5))))
        return node("add", node("mul", scaled, self.weight()), self.weight())

    def heads(self, x: Node) -> Node:
        return node("transpose", node("reshape", self.linear(x), shape=(0, 0, 4, -1)), dims=(0, 2, 1, 3))

    def mlp(self, x: Node) -> Node:
        return self.linear(node("gelu", self.linear(x)))

    def rotated(self, x: Node, rotary: tuple[Node, Node]) -> Node:
        halves = node("split", x, parts=2)
        turned = node("cat", node("neg", out(halves, 1)), out(halves, 0), axis=-1)
        return node("add", node("mul", x, rotary[0]), node("mul", turned, rotary[1]))

    def attention(self, x: Node, mask: Node, rotary: tuple[Node, Node]) -> Node:
        q, k = self.rotated(self.heads(x), rotary), self.rotated(self.heads(x), rotary)
        scores = node("div", node("matmul", q, node("transpose", k, dims=(0, 1, 3, 2))), const(8.0))
        mixed = node("matmul", node("softmax", node("add", scores, mask), axis=-1), self.heads(x))
        return self.linear(node("reshape", node("transpose", mixed, dims=(0, 2, 1, 3)), shape=(0, 0, -1)))

    def gpt_layer(self, x: Node, mask: Node, rotary: tuple[Node, Node]) -> Node:
        x = node("add", x, self.attention(self.norm(x), mask, rotary))
        return node("add", x, self.mlp(self.norm(x)))

    def encoder_layer(self, x: Node) -> Node:
        """As in nn.TransformerEncoder: packed projections, and norms after the sums."""
        packed = node("split", self.linear(x), parts=3)
        q, k, v = [node("transpose", out(packed, at), dims=(1, 0, 2)) for at in range(3)]
        mixed = node("matmul", node("softmax", node("matmul", q, k), axis=-1), v)
        x = self.norm(node("add", x, self.linear(node("transpose", mixed, dims=(1, 0, 2)))))
        return self.norm(node("add", x, self.linear(node("relu", self.linear(x)))))

    def conv(self, x: Node, channels: int, stride: int = 1) -> Node:
        return node("conv", x, self.weight(), self.weight(), channels=channels, stride=stride)

    def bottleneck(self, x: Node, channels: int, stride: int, project: bool) -> Node:
        y = node("relu", self.conv(x, channels))
        y = self.conv(node("relu", self.conv(y, channels, stride)), 4 * channels)
        return node("relu", node("add", y, self.conv(x, 4 * channels, stride) if project else x))


def is_weight(v: Any) -> bool:
    return bool(v.op == "input" and v.attrs["name"].startswith("w"))


def rotary_tables(net: Net, x: Node) -> tuple[Node, Node]:
    angles = node("matmul", node("arange", node("size", x, axis=1)), net.weight())
    both = node("cat", angles, angles, axis=-1)
    return node("cos", both), node("sin", both)


def causal_mask(x: Node) -> Node:
    steps = node("arange", node("size", x, axis=1))
    return node("where", node("less", steps, node("unsqueeze", steps, axis=1)), const(0.0), const(float("-inf")))


def gpt(layers: int = 12) -> Node:
    """Layers that share a mask and rotary tables, which the first of them is the first to use."""
    net = Net()
    tokens = inp("tokens")
    x = node("add", node("embedding", tokens, net.weight()), node("embedding", tokens, net.weight()))
    mask, rotary = causal_mask(tokens), rotary_tables(net, tokens)
    for _ in range(layers):
        x = net.gpt_layer(x, mask, rotary)
    return net.linear(net.norm(x))


def stack(net: Net, x: Node, layers: int, layer: Callable[[Node], Node]) -> Node:
    for _ in range(layers):
        x = layer(x)
    return x


def encoder(layers: int = 12) -> Node:
    net = Net()
    return net.linear(stack(net, inp("x"), layers, net.encoder_layer))


def towers(layers: int = 6) -> Node:
    """Two towers that end in one product."""
    net = Net()
    a, b = [
        node("pool", stack(net, node("embedding", inp(name), net.weight()), layers, net.encoder_layer)) for name in "ab"
    ]
    return node("matmul", a, b)


def resnet(depths: tuple[int, ...] = (3, 4, 6, 3)) -> Node:
    net = Net()
    x = node("max_pool", node("relu", net.conv(inp("image"), 64, 2)))
    for stage, depth in enumerate(depths):
        for block in range(depth):
            x = net.bottleneck(x, 64 << stage, 2 if stage and not block else 1, project=not block)
    return net.linear(node("pool", x))


def densenet(layers: int = 12) -> Node:
    """Each layer gets what all before it made."""
    net = Net()
    made = [net.conv(inp("image"), 64)]
    for _ in range(layers):
        y = node("relu", node("batch_norm", node("cat", *made, axis=1), net.weight(), net.weight()))
        made.append(net.conv(y, 32))
    return net.linear(node("pool", node("cat", *made, axis=1)))
