"""Small files that ask for much: memory, time, depth. Each converts within its limits, or is refused in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from hostile.case import Hostile, array, info, made

node = helper.make_node
HUGE = (2**31, 2**40, 2**62)


def files() -> Iterator[Hostile]:
    for size in HUGE:
        yield from _of_size(size)
    yield from _functions()
    yield from _nested()
    for number, pattern in enumerate(
        (r"(a+)+$", r"(a|a)*b", r"(.*)*x", "a{1000}{1000}", "(" * 5000, r"((a?){50}){50}a", "[" * 100)
    ):
        texts = [info("x", ("n",), TensorProto.STRING)]
        match = node("RegexFullMatch", ["x"], ["y"], name="odd", pattern=pattern)
        yield Hostile(f"budgets: pattern {number}", made([match], texts).SerializeToString(), "odd|x", either=True)
    terms = ",".join(["ij"] * 3000)
    yield _folded("a long equation", [node("Einsum", ["x"] * 3000, ["y"], equation=f"{terms}->ij")])
    yield _folded("an operator of 2 000 inputs", [node("Sum", ["x"] * 2_000, ["y"])])
    yield _folded(
        "an output of 5 000 parts",
        [node("Split", ["x"], ["y", *(f"p{i}" for i in range(4999))], axis=0, num_outputs=5000)],
    )
    chain = [node("Relu", [f"v{i}" if i else "x"], [f"v{i + 1}"]) for i in range(5000)]
    yield _folded("a chain", [*chain, node("Neg", ["v5000"], ["y"])])
    doubled = [node("Concat", [f"v{i}" if i else "c"] * 2, [f"v{i + 1}"], axis=0) for i in range(60)]
    yield _folded(
        "what doubles 60 times", [*doubled, node("Gather", ["v60", "c"], ["z"]), node("Add", ["x", "z"], ["y"])], c=[0]
    )
    squared = [node("Mul", [f"v{i}" if i else "c"] * 2, [f"v{i + 1}"]) for i in range(200)]
    yield _folded(
        "integers that square 200 times",
        [*squared, node("ConstantOfShape", ["v200"], ["z"]), node("Add", ["x", "z"], ["y"])],
        c=[3],
    )
    sizes = [node("Shape", ["x"], ["v0"]), *(node("Mul", [f"v{i}"] * 2, [f"v{i + 1}"]) for i in range(60))]
    yield _folded("sizes that square 60 times", [*sizes, node("Expand", ["x", "v60"], ["y"])])
    many = [node("Relu", ["x"], [f"a{'_' * (i % 5)}{i}"]) for i in range(3000)]
    yield _folded(
        "names that all become one",
        [
            *many,
            *(node("Neg", [f"a{'_' * (i % 5)}{i}"], ["é" * (i + 1)]) for i in range(3000)),
            node("Sum", ["é" * (i + 1) for i in range(3000)], ["y"]),
        ],
    )


def _folded(name: str, nodes: list[onnx.NodeProto], **constants: Any) -> Hostile:
    model = made(nodes, initializers=[array(key, value, np.int64) for key, value in constants.items()])
    return Hostile(f"budgets: {name}", model.SerializeToString(), ".", either=True)


def _of_size(size: int) -> Iterator[Hostile]:
    n, one = [size], [1]
    fill = node("ConstantOfShape", ["n"], ["z"])
    yield _folded(f"a fill of {size}", [fill, node("Add", ["x", "z"], ["y"])], n=n)
    yield _folded(
        f"a fill of {size} reduced", [fill, node("ReduceSum", ["z"], ["s"]), node("Add", ["x", "s"], ["y"])], n=n
    )
    yield _folded(f"a fill of {size} looked at", [fill, node("NonZero", ["z"], ["y"])], n=n)
    yield _folded(f"a weight of {size}", [fill, node("MatMul", ["x", "z"], ["y"])], n=[4, size])
    yield _folded(
        f"a repetition of {size}", [node("Tile", ["k", "n"], ["z"]), node("Add", ["x", "z"], ["y"])], k=one, n=n
    )
    yield _folded(
        f"an expansion to {size}", [node("Expand", ["k", "n"], ["z"]), node("Add", ["x", "z"], ["y"])], k=one, n=n
    )
    yield _folded(
        f"a pad of {size}", [node("Pad", ["k", "n"], ["z"]), node("Add", ["x", "z"], ["y"])], k=one, n=[0, size]
    )
    yield _folded(
        f"a range of {size}",
        [node("Range", ["a", "b", "c"], ["z"]), node("Gather", ["z", "k"], ["y"])],
        a=0,
        b=size,
        c=1,
        k=[0],
    )
    yield _folded(f"one hot of {size}", [node("OneHot", ["k", "n", "v"], ["y"])], k=one, n=n, v=[0, 1])
    yield _folded(f"a resize to {size}", [node("Resize", ["x", "", "", "n"], ["y"], mode="nearest")], n=[1, size])
    yield _folded(f"a unit matrix of {size}", [fill, node("EyeLike", ["z"], ["y"])], n=[size, size])
    window = node("HannWindow", ["n"], ["y"])
    yield _folded(f"a window of {size}", [window], n=size)
    body = helper.make_graph(
        [node("Identity", ["k"], ["o"]), node("Neg", ["v"], ["p"])],
        "b",
        [info("i", [], TensorProto.INT64), info("k", [], TensorProto.BOOL), info("v")],
        [onnx.ValueInfoProto(name="o"), onnx.ValueInfoProto(name="p")],
    )
    yield _folded(f"a loop of {size} turns", [node("Loop", ["n", "", "x"], ["y"], body=body)], n=size)
    yield _folded(
        f"a convolution padded by {size}", [node("MaxPool", ["x"], ["y"], kernel_shape=[2], pads=[size, size])]
    )
    yield _folded(f"blocks of {size}", [node("SpaceToDepth", ["x"], ["y"], blocksize=size)])
    yield _folded(f"a split into {size}", [node("Split", ["x"], ["y"], num_outputs=size)])


def _functions() -> Iterator[Hostile]:
    imports = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    call = node("f0", ["x"], ["y"], domain="own")
    for calls, depth in ((2, 40), (2, 12), (1, 2000), (10, 10)):
        functions = []
        for level in range(depth):
            below = "Neg" if level == depth - 1 else f"f{level + 1}"
            body = [
                node(
                    below,
                    [f"v{i}" if i else "a"],
                    [f"v{i + 1}" if i < calls - 1 else "b"],
                    domain="own" * (below != "Neg"),
                )
                for i in range(calls)
            ]
            functions.append(helper.make_function("own", f"f{level}", ["a"], ["b"], body, imports))
        model = made([call], functions=functions)
        yield Hostile(
            f"budgets: {depth} functions that call {calls} times", model.SerializeToString(), "f|nodes", either=True
        )


def _nested() -> Iterator[Hostile]:
    for depth in (10, 19, 24):
        graph = helper.make_graph([node("Neg", ["x"], ["p"])], "b", [], [onnx.ValueInfoProto(name="p")])
        for level in range(depth):
            choice = node("If", ["c"], [f"q{level}"], then_branch=graph, else_branch=_plain())
            graph = helper.make_graph([choice], "b", [], [onnx.ValueInfoProto(name=f"q{level}")])
        model = made(
            [node("If", ["c"], ["y"], then_branch=graph, else_branch=_plain())],
            [info("x"), info("c", [], TensorProto.BOOL)],
        )
        yield Hostile(f"budgets: {depth} branches in each other", model.SerializeToString(), "nested", either=True)


def _plain() -> onnx.GraphProto:
    return helper.make_graph([node("Abs", ["x"], ["e"])], "e", [], [onnx.ValueInfoProto(name="e")])
