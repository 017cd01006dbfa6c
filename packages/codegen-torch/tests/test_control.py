"""Branches and loops, from the file to the lines that people would write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_proto
import pytest
from onnx_proto.build import graph, model, node, tensor, value
from samples import at, body, converted

from codegen_torch.errors import InvalidModelError, UnsupportedError
from codegen_torch.lower.graph import MAX_NESTING, lower

HALF = tensor("half", np.float32(0.5))
LIMIT = tensor("limit", np.float32(100))


THREE = tensor("n", np.int64(3))


def weight(name: str, *shape: int) -> onnx_proto.Tensor:
    return tensor(name, np.random.default_rng(len(name)).normal(size=shape).astype(np.float32))


def nodes(text: str, **attributes: Any) -> list[onnx_proto.Node]:
    """Nodes written as ``y = Add a b``, separated by semicolons; all of them get the attributes they know."""
    made = []
    for line in filter(None, map(str.strip, text.split(";"))):
        results, _, call = line.partition(" = ")
        op, *inputs = call.split()
        known = {key.partition("__")[2]: value for key, value in attributes.items() if key.startswith(f"{op}__")}
        made.append(node(op, ["" if name == "-" else name for name in inputs], results.split(), attributes=known))
    return made


def subgraph(
    text: str, outputs: str, inputs: dict[str, Any] | None = None, tensors: tuple[Any, ...] = (), **attributes: Any
) -> onnx_proto.Graph:
    """A branch or body; the types of its inputs are of no account."""
    infos = [value(name, *(kind or ("float32", None))) for name, kind in (inputs or {}).items()]
    return graph(nodes(text, **attributes), infos, outputs.split(), tensors, name="inner")


def net(
    text: str, outputs: str, *tensors: Any, inputs: dict[str, Any] | None = None, **attributes: Any
) -> onnx_proto.Model:
    """A model over ``x``, float32 of ``[batch, 4]``, and further inputs."""
    given = {"x": ("float32", ["batch", 4]), **(inputs or {})}
    infos = [value(name, *kind) for name, kind in given.items()]
    return model(graph(nodes(text, **attributes), infos, outputs.split(), tensors), opset_imports=17)


def written(folder: Path, source: onnx_proto.Model) -> str:
    return body(converted(folder, source)[0])


ITERATION: dict[str, Any] = {"i": ("int64", []), "cond": ("bool", [])}


def test_a_branch_is_an_if_and_its_weights_are_layers_of_the_module(tmp_path: Path) -> None:
    then = subgraph("t = MatMul x w; u = Add t b; y1 = Relu u", "y1", tensors=(weight("w", 4, 4), weight("b", 4)))
    orelse = subgraph("t = MatMul x head.weight; y2 = Mul t half", "y2")
    source = net(
        "s = ReduceSum x; c = Greater s half; y = If c; z = Add y x",
        "z",
        HALF,
        weight("head.weight", 4, 4),
        ReduceSum__keepdims=0,
        If__then_branch=then,
        If__else_branch=orelse,
    )
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("z",)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.head = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        # x: [batch, 4] -> [batch, 4]
        if x.sum() > 0.5:
            out = F.relu(self.linear(x))
        else:
            out = self.head(x) * 0.5
        return out + x
"""
    )


def test_a_loop_is_a_for_that_breaks_and_collects(tmp_path: Path) -> None:
    inner = subgraph(
        "h2 = Add h k; k2 = Mul h2 half; m = ReduceMax h2; go = Less m limit; step = Identity h2",
        "go h2 k2 step",
        {**ITERATION, "h": None, "k": None},
        ReduceMax__keepdims=0,
    )
    source = net("y q steps = Loop n - x x", "y q steps", HALF, LIMIT, inputs={"n": ("int64", [])}, Loop__body=inner)
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("y", "q", "steps")

    def forward(self, x: Tensor, n: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        # x: [batch, 4], n: [] -> ([batch, 4], [batch, 4], [*, batch, 4])
        batch = x.shape[0]
        k = x
        h2s = []
        for _ in range(n.item()):
            x = x + k
            k = x * 0.5
            h2s.append(x)
            if not amax(x) < 100.0:
                break
        out = stack(h2s, (0, batch, 4), 0, dtype=torch.float32, device=x.device)
        return x, k, out
"""
    )


def test_a_loop_without_a_count_is_a_while(tmp_path: Path) -> None:
    inner = subgraph(
        "h2 = Mul h half; m = ReduceMax h2; go = Greater m limit",
        "go h2",
        {**ITERATION, "h": None},
        ReduceMax__keepdims=0,
    )
    source = net("y = Loop - c x", "y", HALF, LIMIT, inputs={"c": ("bool", [])}, Loop__body=inner)
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("y",)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        # x: [batch, 4], c: [] -> [batch, 4]
        cond = c
        while cond:
            x = x * 0.5
            cond = amax(x) > 100.0
        return x
"""
    )


def test_a_scan_runs_over_slices(tmp_path: Path) -> None:
    inner = subgraph("h2 = Add h row; out = Mul h2 half", "h2 out", {"h": None, "row": None})
    source = net(
        "last all = Scan start x", "last all", HALF, inputs={"start": ("float32", ["batch"])},
        Scan__body=inner, Scan__num_scan_inputs=1, Scan__scan_input_axes=(1,), Scan__scan_output_axes=(1,),
        Scan__scan_input_directions=(1,),
    )  # fmt: skip
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("last", "all")

    def forward(self, x: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        # x: [batch, 4], start: [batch] -> ([batch], [batch, 4])
        h = start
        outs = []
        for row in x.flip(1).unbind(1):
            h = h + row
            outs.append(h * 0.5)
        return h, torch.stack(outs, dim=1)
"""
    )


def test_blocks_nest_and_values_pass_through_them(tmp_path: Path) -> None:
    flip = subgraph("a2 = Neg a", "a2")
    keep = subgraph("", "a")
    inner = subgraph(
        "s = ReduceSum a; big = Greater s limit; a3 = If big; b2 = Add b a; go = Identity cond",
        "go b a3",
        {**ITERATION, "a": None, "b": None},
        ReduceSum__keepdims=0,
        If__then_branch=flip,
        If__else_branch=keep,
    )
    source = net("p q = Loop n yes x x", "p q", LIMIT, tensor("yes", np.bool_(True)), THREE, Loop__body=inner)
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("p", "q")

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        # x: [batch, 4] -> ([batch, 4], [batch, 4])
        b = x
        for _ in range(3):
            if x.sum() > 100.0:
                out = -x
            else:
                out = x
            x, b = b, out
        return x, b
"""
    )


@pytest.mark.parametrize("taken", [True, False])
def test_a_known_condition_takes_its_branch(taken: bool, tmp_path: Path) -> None:
    then, orelse = subgraph("a = Relu x", "a"), subgraph("b = Unknown x", "b") if taken else subgraph("b = Tanh x", "b")
    source = net("y = If c", "y", tensor("c", np.bool_(taken)), If__then_branch=then, If__else_branch=orelse)
    text = written(tmp_path, source)
    assert ("return F.relu(x)" if taken else "return torch.tanh(x)") in text
    assert "if" not in text


def test_what_stands_in_the_way_inside_of_blocks_is_told_with_the_rest() -> None:
    then = subgraph("a = Odd x", "a")
    orelse = subgraph(
        "e = If d", "e", If__then_branch=subgraph("b = Strange x", "b"), If__else_branch=subgraph("", "x")
    )
    source = net(
        "y = If d; z = Peculiar y", "z", inputs={"d": ("bool", [])}, If__then_branch=then, If__else_branch=orelse
    )
    with pytest.raises(UnsupportedError) as error:
        lower(source, "net.onnx")
    assert [obstacle.op for obstacle in error.value.obstacles] == ["Odd", "Strange", "Peculiar"]


SAME = subgraph("", "x")
ASKED: dict[str, Any] = {"inputs": {"d": ("bool", [])}, "If__else_branch": SAME}


def nested(depth: int) -> onnx_proto.Model:
    inner = subgraph("a = Relu x", "a")
    for _ in range(depth - 1):
        inner = subgraph("a = If d", "a", If__then_branch=inner, If__else_branch=SAME)
    return net("y = If d", "y", If__then_branch=inner, **ASKED)


def test_as_many_blocks_as_python_takes(tmp_path: Path) -> None:
    compile(converted(tmp_path, nested(MAX_NESTING))[0], "model.py", "exec")
    with pytest.raises(UnsupportedError, match=f"subgraphs are nested more than {MAX_NESTING} deep"):
        lower(nested(MAX_NESTING + 1), "net.onnx")
    with pytest.raises(UnsupportedError, match="deep"):
        lower(nested(500), "net.onnx")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (net("y = If d", "y", If__then_branch=subgraph("", "x x"), **ASKED), "a choice of 2 values or 1"),
        (net("y = If d", "y", If__then_branch=subgraph("", "d"), **ASKED), "a choice between"),
        (net("y = If d", "y", If__then_branch=subgraph("", "z"), **ASKED), "'z' is computed by no node"),
        (net("y = Loop - d x", "y", Loop__body=subgraph("", "cond x", ITERATION), **ASKED), "a loop over 1 values"),
    ],
)
def test_contradictions(source: onnx_proto.Model, reason: str) -> None:
    with pytest.raises(InvalidModelError, match=reason):
        lower(source, "net.onnx")


def test_a_loop_that_never_ends_is_refused() -> None:
    inner = subgraph("h2 = Mul h half", "cond h2", {**ITERATION, "h": None})
    with pytest.raises(UnsupportedError, match="the loop never ends"):
        lower(net("y = Loop - - x", "y", HALF, Loop__body=inner), "net.onnx")


def test_what_only_one_branch_needs_is_computed_there(tmp_path: Path) -> None:
    """What both need, or what is random, is computed before."""
    source = net(
        "a = Tanh x; b = Exp a; both = Sigmoid x; r = RandomNormalLike x; y = If d",
        "y",
        inputs={"d": ("bool", [])},
        If__then_branch=subgraph("t = Add b both; u = Add t r", "u"),
        If__else_branch=subgraph("v = Neg both", "v"),
    )
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("y",)

    def forward(self, x: Tensor, d: Tensor) -> Tensor:
        # x: [batch, 4], d: [] -> [batch, 4]
        out = torch.sigmoid(x)
        y = torch.randn_like(x)
        if d:
            x = torch.exp(torch.tanh(x)) + out + y
        else:
            x = -out
        return x
"""
    )


def test_nothing_sinks_into_a_loop(tmp_path: Path) -> None:
    branches: dict[str, Any] = {"If__then_branch": subgraph("v = Add h a", "v"), "If__else_branch": subgraph("", "h")}
    inner = subgraph("k = If d", "cond k", {**ITERATION, "h": None}, **branches)
    source = net("a = Tanh x; y = Loop n - x", "y", THREE, inputs={"d": ("bool", [])}, Loop__body=inner)
    assert (
        written(tmp_path, source)
        == """\
class Net(nn.Module):
    output_names = ("y",)

    def forward(self, x: Tensor, d: Tensor) -> Tensor:
        # x: [batch, 4], d: [] -> [batch, 4]
        out = torch.tanh(x)
        for _ in range(3):
            if d:
                x = x + out
        return x
"""
    )


def test_equal_modules_with_branches_are_one_class(tmp_path: Path) -> None:
    def layer(number: int, source: str, alpha: float) -> list[onnx_proto.Node]:
        product = f"t{number} = MatMul {source} layers.{number}.fc.weight"
        then = subgraph(f"{product}; u{number} = LeakyRelu t{number}", f"u{number}", LeakyRelu__alpha=alpha)
        where = at(f"layers.{number}", "Layer")
        branches = {"then_branch": then, "else_branch": subgraph("", source)}
        choice = node("If", ["d"], [f"y{number}"], metadata=where, attributes=branches)
        return [choice, node("Tanh", [f"y{number}"], [f"z{number}"], metadata=where)]

    infos = [value("x", "float32", ["batch", 4]), value("d", "bool", [])]
    weights = [weight("layers.0.fc.weight", 4, 4), weight("layers.1.fc.weight", 4, 4)]
    source = model(graph([*layer(0, "x", 0.25), *layer(1, "z0", 0.5)], infos, ["z1"], weights), opset_imports=17)
    assert (
        written(tmp_path, source)
        == '''\
class Layer(nn.Module):
    """layers.0-1"""

    def __init__(self, negative_slope: float) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.fc = nn.Linear(4, 4, bias=False)

    def forward(self, x: Tensor, d: Tensor) -> Tensor:
        # x: [batch, 4], d: [] -> [batch, 4]
        if d:
            x = F.leaky_relu(self.fc(x), self.negative_slope)
        return torch.tanh(x)


class Net(nn.Module):
    output_names = ("z1",)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Layer(0.25), Layer(0.5)])

    def forward(self, x: Tensor, d: Tensor) -> Tensor:
        # x: [batch, 4], d: [] -> [batch, 4]
        for layer in self.layers:
            x = layer(x, d)
        return x
'''
    )


def test_the_trace_shows_blocks(tmp_path: Path) -> None:
    then = subgraph("u = Relu x", "u")
    converted(tmp_path, net("y = If d", "y", If__then_branch=then, **ASKED), trace=tmp_path / "trace")
    assert (
        (tmp_path / "trace" / "2-simplify.txt").read_text("utf-8")
        == """\
def f(x_2, /):
    return (F.relu(x_2),)

def g(x_2, /):
    return (x_2,)

{'y': operator.getitem(control.branch(d, x, x, then=f, orelse=g), index=0)}
"""
    )
