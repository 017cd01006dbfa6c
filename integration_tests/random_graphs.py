"""Random ONNX models that are valid by construction: operators, attributes, shapes, types and nesting.

Values stay small and away from ties, so that two right implementations agree to a small tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_proto
from hypothesis import strategies as st
from onnx_proto.build import graph, model, node, tensor, value

Draw = Callable[[st.SearchStrategy[Any]], Any]
Shape = tuple[int, ...]

MAX_SIZE = 400
MAX_DEPTH = 2

BOUNDED = ["Tanh", "Sigmoid", "HardSigmoid", "Softsign", "Sin", "Cos"]
SMOOTH = [
    *("Relu", "Neg", "Abs", "Softplus", "Erf", "Elu", "LeakyRelu"),
    *("Selu", "Identity", "Gelu", "Mish", "HardSwish", "Celu", "ThresholdedRelu"),
]
REDUCTIONS = [
    *("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin"),
    *("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare"),
]


@dataclass(frozen=True)
class Value:
    """A value of a graph that is being grown."""

    name: str
    dtype: str
    shape: Shape


@dataclass
class Grower:
    """A graph that is being grown.

    Attributes:
        draw: Makes choices.
        values: What may be read: its own values and those around it.
        names: The numbers of values so far, shared with the graphs around and inside.
        depth: How many graphs are around it.
        nodes: Its nodes.
        constants: Its initializers.
    """

    draw: Draw
    values: list[Value]
    names: list[int]
    depth: int = 0
    nodes: list[onnx_proto.Node] = field(default_factory=list)
    constants: list[onnx_proto.Tensor] = field(default_factory=list)

    def pick(self, choices: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    def number(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def chance(self) -> bool:
        return bool(self.draw(st.booleans()))

    def some(self, dtype: str = "float32", *, least_rank: int = 0, most_rank: int = 5) -> Value | None:
        found = [v for v in self.values if v.dtype == dtype and least_rank <= len(v.shape) <= most_rank]
        return self.pick(found[-8:]) if found else None

    def name(self) -> str:
        self.names[0] += 1
        return f"v{self.names[0]}"

    def constant(self, array: Any) -> str:
        name = self.name()
        self.constants.append(tensor(name, np.asarray(array)))
        return name

    def numbers(self, shape: Shape) -> str:
        seed = self.number(0, 99)
        return self.constant(np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32))

    def add(self, op: str, inputs: Sequence[str], *results: tuple[str, Shape], **attributes: Any) -> list[Value]:
        made = [Value(self.name(), dtype, shape) for dtype, shape in results]
        self.nodes.append(node(op, inputs, [v.name for v in made], attributes=attributes))
        self.values += [v for v in made if math.prod(v.shape) <= MAX_SIZE]
        return made


def unary(g: Grower) -> None:
    x = g.some()
    if x is not None:
        g.add(g.pick(BOUNDED + SMOOTH), [x.name], ("float32", x.shape))


def binary(g: Grower) -> None:
    x = g.some()
    if x is None:
        return
    same = [v for v in g.values if v.dtype == "float32" and broadcasts(v.shape, x.shape)]
    if g.chance():
        shape = tuple(1 if g.chance() else size for size in x.shape[g.number(0, len(x.shape)) :])
        other = Value(g.numbers(shape), "float32", shape)
    else:
        other = g.pick(same)
    g.add(
        g.pick(["Add", "Sub", "Mul", "Max", "Min"]),
        [x.name, other.name],
        ("float32", np.broadcast_shapes(x.shape, other.shape)),
    )


def broadcasts(left: Shape, right: Shape) -> bool:
    try:
        return math.prod(np.broadcast_shapes(left, right)) <= MAX_SIZE
    except ValueError:
        return False


def choice(g: Grower) -> None:
    x = g.some()
    if x is None:
        return
    (mask,) = g.add(g.pick(["Greater", "LessOrEqual"]), [x.name, g.constant(np.float32(0.1234))], ("bool", x.shape))
    if g.chance():
        (mask,) = g.add("Not", [mask.name], ("bool", x.shape))
    g.add("Where", [mask.name, x.name, g.numbers(x.shape[-1:])], ("float32", x.shape))


def cast(g: Grower) -> None:
    x = g.some()
    if x is None:
        return
    dtype = g.pick(["float64", "float16", "bool"])
    if dtype == "float64":
        (y,) = g.add("Cast", [x.name], (dtype, x.shape), to=int(onnx_proto.DataType.DOUBLE))
        (y,) = g.add("Tanh", [y.name], (dtype, x.shape))
    else:  # of what no rounding can turn over
        (y,) = g.add("Greater", [x.name, g.constant(np.float32(0.0777))], ("bool", x.shape))
    g.add("Cast", [y.name], ("float32", x.shape), to=int(onnx_proto.DataType.FLOAT))


def transpose(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is not None:
        perm = g.draw(st.permutations(range(len(x.shape))))
        g.add("Transpose", [x.name], ("float32", tuple(x.shape[axis] for axis in perm)), perm=list(perm))


def reshape(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None or 0 in x.shape:
        return
    axis = g.number(0, len(x.shape) - 1)
    split = [n for n in range(1, x.shape[axis] + 1) if x.shape[axis] % n == 0]
    if g.chance():
        first = g.pick(split)
        shape = (*x.shape[:axis], first, x.shape[axis] // first, *x.shape[axis + 1 :])
    else:
        shape = (*x.shape[:axis], math.prod(x.shape[axis:]))
    target: list[int] = list(shape)
    if g.chance():
        target[g.number(0, len(target) - 1)] = -1
    g.add("Reshape", [x.name, g.constant(np.array(target, np.int64))], ("float32", shape))


def flatten_by_shape(g: Grower) -> None:
    """``x.reshape(x.shape[0], -1)`` as exporters spell it."""
    x = g.some(least_rank=1)
    if x is None or 0 in x.shape:
        return
    (shape,) = g.add("Shape", [x.name], ("int64", (len(x.shape),)))
    (first,) = g.add("Gather", [shape.name, g.constant(np.int64(0))], ("int64", ()), axis=0)
    (row,) = g.add("Unsqueeze", [first.name, g.constant(np.array([0], np.int64))], ("int64", (1,)))
    (target,) = g.add("Concat", [row.name, g.constant(np.array([-1], np.int64))], ("int64", (2,)), axis=0)
    g.add("Reshape", [x.name, target.name], ("float32", (x.shape[0], math.prod(x.shape[1:]))))


def squeeze(g: Grower) -> None:
    x = g.some(most_rank=4)
    if x is None:
        return
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    if ones and g.chance():
        axis = g.pick(ones)
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        g.add("Squeeze", [x.name, g.constant(np.array([axis], np.int64))], ("float32", shape))
    else:
        axis = g.number(0, len(x.shape))
        shape = (*x.shape[:axis], 1, *x.shape[axis:])
        g.add("Unsqueeze", [x.name, g.constant(np.array([axis], np.int64))], ("float32", shape))


def concat(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None:
        return
    axis = g.number(-len(x.shape), len(x.shape) - 1)
    count = g.number(1, 2)
    shape = list(x.shape)
    shape[axis] *= count + 1
    others = [x.name if g.chance() else g.numbers(x.shape) for _ in range(count)]
    g.add("Concat", [x.name, *others], ("float32", tuple(shape)), axis=axis)


def split(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None:
        return
    axis = g.number(-len(x.shape), len(x.shape) - 1)
    first = g.number(0, x.shape[axis])
    sizes = [first, x.shape[axis] - first]
    shapes = [tuple(size if a == axis % len(x.shape) else n for a, n in enumerate(x.shape)) for size in sizes]
    g.add("Split", [x.name, g.constant(np.array(sizes, np.int64))], *(("float32", s) for s in shapes), axis=axis)


def slices(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None:
        return
    axis = g.number(0, len(x.shape) - 1)
    start, end = (g.number(-x.shape[axis] - 1, x.shape[axis] + 1) for _ in range(2))
    step = g.pick([1, 1, 2, -1, -2])
    size = len(range(x.shape[axis])[start:end:step])
    if step < 0:  # where Python's slices and ONNX's clamp alike
        start, end = x.shape[axis] - 1, -x.shape[axis] - 1
        size = len(range(x.shape[axis])[::step])
    parts = [g.constant(np.array([number], np.int64)) for number in (start, end, axis, step)]
    shape = (*x.shape[:axis], size, *x.shape[axis + 1 :])
    g.add("Slice", [x.name, *parts], ("float32", shape))


def gather(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None:
        return
    axis = g.number(0, len(x.shape) - 1)
    if not x.shape[axis]:
        return
    places = np.random.default_rng(g.number(0, 9)).integers(-x.shape[axis], x.shape[axis], g.pick([(), (1,), (2, 2)]))
    shape = (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :])
    g.add("Gather", [x.name, g.constant(places.astype(np.int64))], ("float32", shape), axis=axis)


def pad(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None:
        return
    pads = [g.number(0, 2) for _ in range(2 * len(x.shape))]
    rank = len(x.shape)
    shape = tuple(pads[i] + n + pads[i + rank] for i, n in enumerate(x.shape))
    g.add("Pad", [x.name, g.constant(np.array(pads, np.int64)), g.constant(np.float32(0.5))], ("float32", shape))


def expand(g: Grower) -> None:
    x = g.some(most_rank=3)
    if x is None:
        return
    shape = (g.number(1, 3), *(g.number(1, 3) if size == 1 else size for size in x.shape))
    g.add("Expand", [x.name, g.constant(np.array(shape, np.int64))], ("float32", shape))


def reduce(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None or 0 in x.shape:
        return
    axes = sorted({g.number(0, len(x.shape) - 1) for _ in range(g.number(1, 2))})
    keep = g.chance()
    shape = tuple(1 if axis in axes else n for axis, n in enumerate(x.shape) if keep or axis not in axes)
    inputs = [x.name, g.constant(np.array(axes, np.int64))]
    g.add(g.pick(REDUCTIONS), inputs, ("float32", shape), keepdims=int(keep))


def along_an_axis(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None or 0 in x.shape:
        return
    axis = g.number(-len(x.shape), len(x.shape) - 1)
    if g.chance():
        g.add(g.pick(["Softmax", "LogSoftmax"]), [x.name], ("float32", x.shape), axis=axis)
    else:
        g.add("CumSum", [x.name, g.constant(np.int64(axis))], ("float32", x.shape), exclusive=int(g.chance()))


def linear(g: Grower) -> None:
    x = g.some(least_rank=1)
    if x is None or 0 in x.shape:
        return
    width = g.number(1, 6)
    if len(x.shape) == 2 and g.chance():
        flip = g.chance()
        weight = g.numbers((width, x.shape[1]) if flip else (x.shape[1], width))
        inputs = [x.name, weight, *([g.numbers((width,))] if g.chance() else [])]
        g.add("Gemm", inputs, ("float32", (x.shape[0], width)), transB=int(flip), alpha=g.pick([1.0, 0.5]))
        return
    shape = (*x.shape[:-1], width)
    (y,) = g.add("MatMul", [x.name, g.numbers((x.shape[-1], width))], ("float32", shape))
    if g.chance():
        g.add("Add", [y.name, g.numbers((width,))], ("float32", shape))


def normalized(g: Grower) -> None:
    x = g.some(least_rank=2)
    if x is None or 0 in x.shape or x.shape[-1] < 2:
        return
    size = x.shape[-1:]
    inputs = [x.name, g.numbers(size), *([g.numbers(size)] if g.chance() else [])]
    g.add("LayerNormalization", inputs, ("float32", x.shape), axis=-1, epsilon=g.pick([1e-5, 1e-2]))


def convolution(g: Grower) -> None:
    x = g.some(least_rank=3, most_rank=4)
    if x is None or 0 in x.shape:
        return
    spatial = x.shape[2:]
    kernel = [g.number(1, min(3, size)) for size in spatial]
    channels, strides = g.number(1, 4), [g.number(1, 2) for _ in spatial]
    pads = [g.number(0, k - 1) for k in kernel] * 2
    sizes = tuple(
        (n + 2 * p - k) // s + 1 for n, p, k, s in zip(spatial, pads[: len(spatial)], kernel, strides, strict=True)
    )
    inputs = [x.name, g.numbers((channels, x.shape[1], *kernel)), *([g.numbers((channels,))] if g.chance() else [])]
    g.add("Conv", inputs, ("float32", (x.shape[0], channels, *sizes)), kernel_shape=kernel, strides=strides, pads=pads)


def pooling(g: Grower) -> None:
    x = g.some(least_rank=3, most_rank=4)
    if x is None or 0 in x.shape:
        return
    spatial = x.shape[2:]
    kernel = [g.number(1, min(3, size)) for size in spatial]
    strides = [g.number(1, 2) for _ in spatial]
    sizes = tuple((n - k) // s + 1 for n, k, s in zip(spatial, kernel, strides, strict=True))
    g.add(
        g.pick(["MaxPool", "AveragePool"]),
        [x.name],
        ("float32", (*x.shape[:2], *sizes)),
        kernel_shape=kernel,
        strides=strides,
    )


def branches(g: Grower) -> None:
    """An If whose branches compute values of one shape, each in its own way."""
    x = g.some()
    if x is None or g.depth >= MAX_DEPTH or 0 in x.shape:
        return
    (total,) = g.add("ReduceSum", [x.name], ("float32", ()), keepdims=0)
    (condition,) = g.add("Greater", [total.name, g.constant(np.float32(0.0333))], ("bool", ()))
    bodies = [inner_graph(g, x) for _ in range(2)]
    g.add("If", [condition.name], ("float32", x.shape), then_branch=bodies[0], else_branch=bodies[1])


def inner_graph(g: Grower, like: Value) -> onnx_proto.Graph:
    inner = Grower(g.draw, list(g.values), g.names, g.depth + 1)
    grow(inner, g.number(1, 3))
    result = g.pick(
        [v for v in inner.values[len(g.values) :] if (v.dtype, v.shape) == (like.dtype, like.shape)] or [like]
    )
    (result,) = inner.add(g.pick(BOUNDED), [result.name], ("float32", like.shape))
    return graph(inner.nodes, [], [value(result.name, "float32", like.shape)], inner.constants)


def loop(g: Grower) -> None:
    """A Loop of a few turns that carries one value and collects another."""
    x = g.some()
    if x is None or g.depth >= MAX_DEPTH or 0 in x.shape:
        return
    inner = Grower(g.draw, [], g.names, g.depth + 1)
    turn, going, carried = (Value(inner.name(), *kind) for kind in (("int64", ()), ("bool", ()), ("float32", x.shape)))
    inner.values = [*g.values, carried]
    grow(inner, g.number(1, 3))
    (result,) = inner.add(g.pick(BOUNDED), [carried.name], ("float32", x.shape))
    own = [v for v in inner.values[len(g.values) + 1 :] if v.dtype == "float32" and 0 not in v.shape]
    collected = g.pick(own)
    (kept,) = inner.add("Identity", [going.name], ("bool", ()))
    (copied,) = inner.add("Identity", [collected.name], ("float32", collected.shape))
    body = graph(
        inner.nodes,
        [value(v.name, v.dtype, v.shape) for v in (turn, going, carried)],
        [value(v.name, v.dtype, v.shape) for v in (kept, result, copied)],
        inner.constants,
    )
    turns = g.number(1, 3)
    inputs = [g.constant(np.int64(turns)), g.constant(np.array(True)), x.name]
    g.add("Loop", inputs, ("float32", x.shape), ("float32", (turns, *collected.shape)), body=body)


STEPS = [
    unary,
    binary,
    choice,
    cast,
    transpose,
    reshape,
    flatten_by_shape,
    squeeze,
    concat,
    split,
    slices,
    gather,
    pad,
    expand,
    reduce,
    along_an_axis,
    linear,
    normalized,
    convolution,
    pooling,
    branches,
    loop,
]


def grow(g: Grower, steps: int) -> None:
    for _ in range(steps):
        g.pick(STEPS)(g)


class Case:
    """A model and inputs that fit it; printed as text when a test fails."""

    def __init__(self, model: onnx_proto.Model, inputs: dict[str, np.ndarray]) -> None:
        self.model = model
        self.inputs = inputs

    def __repr__(self) -> str:
        return "\n".join([*(f"{k}: {v.tolist()}" for k, v in self.inputs.items()), *lines(self.model.graph)])


def lines(shown: onnx_proto.Graph) -> list[str]:
    """A graph as text, subgraphs indented."""
    known = {c.name: c.numpy().tolist() for c in shown.initializers}
    result = []
    for each in shown.nodes:
        inner = {k: a.value for k, a in each.attributes.items() if isinstance(a.value, onnx_proto.Graph)}
        attributes = {k: a.value for k, a in each.attributes.items() if k not in inner}
        inputs = [str(known.get(name, name)) for name in each.inputs]
        result.append(f"{', '.join(each.outputs)} = {each.op_type}({', '.join(inputs)}) {attributes or ''}")
        for name, body in inner.items():
            result += [f"  {name} ({', '.join(v.name for v in body.inputs)}):", *(f"    {t}" for t in lines(body))]
    return [*result, f"return {', '.join(v.name for v in shown.outputs)}"]


@st.composite
def cases(draw: Draw) -> Case:
    """Models, with inputs that fit them; some dimensions of the inputs are symbolic."""
    g = Grower(draw, [], [0])
    inputs, fed = [], {}
    for index in range(g.number(1, 2)):
        name = f"in{index}"
        shape = tuple(g.number(1, 4) for _ in range(g.number(1, 4)))
        dims = [f"{name}_{axis}" if g.chance() else size for axis, size in enumerate(shape)]
        inputs.append(value(name, "float32", dims))
        fed[name] = np.random.default_rng(g.number(0, 99)).uniform(-1, 1, shape).astype(np.float32)
        g.values.append(Value(name, "float32", shape))
    grow(g, g.number(3, 16))
    read = {name for each in g.nodes for name in each.inputs}
    results = [v for v in g.values[len(inputs) :] if v.name not in read] or g.values[:1]
    outputs = [value(v.name, v.dtype) for v in results]
    return Case(model(graph(g.nodes, inputs, outputs, g.constants), opset_imports=20, ir_version=9), fed)
