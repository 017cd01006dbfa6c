"""Models that are valid and look as if they were not, and the numbers that they must give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from hostile.case import Hostile, array, info, made

node = helper.make_node
INF, NAN = float("inf"), float("nan")
X = np.array([[-2.0, -0.0, 0.0, 1.5], [3.0, -1.0, 2.0, -4.0]], np.float32)
EMPTY = np.zeros((0, 4), np.float32)


def files() -> Iterator[Hostile]:
    for value in (INF, -INF, NAN, -0.0, 0.0, 1e-45, 3.4028235e38):
        yield _case(
            f"Elu of alpha {value}",
            [node("Elu", ["x"], ["y"], alpha=value)],
            np.where(X >= 0, X, np.float32(value) * np.expm1(np.minimum(X, 0))),
        )
        yield _case(
            f"LeakyRelu of alpha {value}",
            [node("LeakyRelu", ["x"], ["y"], alpha=value)],
            np.where(X >= 0, X, np.float32(value) * X),
        )
        for op, compute in (("Add", np.add), ("Mul", np.multiply), ("Div", np.divide), ("Max", np.maximum)):
            constant = np.float32([value, 1, value, 2])
            yield _case(f"{op} with {value}", [node(op, ["x", "c"], ["y"])], compute(X, constant), c=constant)
    gemm = [node("Gemm", ["x", "w", "b"], ["y"], alpha=INF, beta=0.0)]
    yield _case(
        "Gemm of infinite alpha",
        gemm,
        INF * (X @ np.eye(4, dtype=np.float32)) + 0 * np.ones(4),
        w=np.eye(4),
        b=np.ones(4),
    )
    yield _case(
        "a reciprocal of -0",
        [node("Mul", ["x", "z"], ["m"]), node("Reciprocal", ["m"], ["y"])],
        1 / (X * np.float32(-0.0)),
        z=-0.0,
    )
    yield _case("a clip to infinity", [node("Clip", ["x", "a", "b"], ["y"])], np.maximum(X, -1), a=-1, b=INF)
    yield _case("a clip of bounds that cross", [node("Clip", ["x", "a", "b"], ["y"])], np.full_like(X, -1), a=1, b=-1)
    for op, wanted in (
        ("ReduceSum", np.zeros((1, 4))),
        ("ReduceProd", np.ones((1, 4))),
        ("ReduceMax", np.full((1, 4), -INF)),
        ("ReduceMin", np.full((1, 4), INF)),
    ):
        yield _case(f"{op} of nothing", [node(op, ["x", "i"], ["y"])], wanted, EMPTY, i=np.int64([0]))
    for op, wanted in (("Relu", EMPTY), ("Softmax", EMPTY), ("Neg", EMPTY)):
        yield _case(f"{op} of nothing", [node(op, ["x"], ["y"])], wanted, EMPTY)
    yield _case(
        "a product over nothing",
        [node("MatMul", ["x", "w"], ["y"])],
        np.zeros((2, 3)),
        np.zeros((2, 0), np.float32),
        w=np.zeros((0, 3)),
    )
    yield _case("a join with nothing", [node("Concat", ["x", "e"], ["y"], axis=0)], X, e=EMPTY)
    yield _case(
        "a reshape of nothing",
        [node("Reshape", ["x", "i"], ["y"], allowzero=1)],
        np.zeros((4, 0)),
        EMPTY,
        i=np.int64([4, 0]),
    )
    yield _case(
        "an empty list of axes", [node("ReduceSum", ["x", "i"], ["y"], noop_with_empty_axes=1)], X, i=np.int64([])
    )
    yield _case(
        "a slice from the far end",
        [node("Slice", ["x", "a", "b", "i", "s"], ["y"])],
        X[:, ::-1],
        a=np.int64([2**63 - 1]),
        b=np.int64([-(2**63)]),
        i=np.int64([1]),
        s=np.int64([-1]),
    )
    yield _case(
        "a slice of nothing",
        [node("Slice", ["x", "a", "b", "i"], ["y"])],
        X[:, 2:2],
        a=np.int64([2]),
        b=np.int64([2]),
        i=np.int64([1]),
    )
    yield _case(
        "an axis that is summed over twice",
        [node("ReduceSum", ["x", "i"], ["y"])],
        X.sum(0, keepdims=True),
        i=np.int64([0, -2]),
    )
    yield _case("a side that is dropped twice", [node("Squeeze", ["x", "i"], ["y"])], X[0], X[:1], i=np.int64([0, 0]))
    yield _case("a gather of nothing", [node("Gather", ["x", "i"], ["y"])], X[:0], i=np.zeros(0, np.int64))
    names = [
        "a b",
        "a_b",
        "a.b",
        "a-b",
        "a/b",
        "a b ",
        "a__b",
        "A_b",
        "class",
        "Class",
        "1",
        "_1",
        "é",
        "e",
        "self",
        "forward",
        "x1",
        "x_1",
        "torch",
        "nn",
        "F",
    ]
    chain = [node("Add", [before, before], [after]) for before, after in zip(["x", *names], [*names, "y"], strict=True)]
    yield _case("names that collide", chain, X * 2 ** len(chain))
    weights = {name: np.float32([number, 1, 2, 3]) for number, name in enumerate(names)}
    adds = [
        node("Add", [before, name], [f"v{number + 1}"])
        for number, (before, name) in enumerate(
            zip(["x", *(f"v{i + 1}" for i in range(len(names)))], names, strict=False)
        )
    ]
    yield _case(
        "weights whose names collide",
        [*adds, node("Identity", [f"v{len(names)}"], ["y"])],
        X + sum(weights.values()),
        **weights,
    )
    yield _case("an output that is an input", [node("Identity", ["x"], ["y"])], X)
    yield _case("what nobody uses", [node("Add", ["x", "w"], ["q"]), node("Neg", ["x"], ["y"])], -X, w=np.ones(4))
    yield _case("the same import twice", [node("Neg", ["x"], ["y"])], -X, twice=True)
    for dtype in (np.int8, np.uint8, np.int32, np.int64):
        lowest, highest = np.iinfo(dtype).min, np.iinfo(dtype).max
        given = np.array([[lowest, highest, 0, 1]], dtype)
        with np.errstate(over="ignore"):
            wanted = given + given[:, ::-1]
        yield _case(f"sums beyond {np.dtype(dtype)}", [node("Add", ["x", "c"], ["y"])], wanted, given, c=given[:, ::-1])


def _case(
    name: str, nodes: list[Any], wanted: Any, x: np.ndarray = X, *, twice: bool = False, **constants: Any
) -> Hostile:
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    initializers = [
        array(key, value, value.dtype if isinstance(value, np.ndarray) and value.dtype.kind in "iu" else np.float32)
        for key, value in constants.items()
    ]
    model = made(nodes, [info("x", ["n", "m"], kind)], initializers=initializers)
    if twice:
        model.opset_import.append(helper.make_opsetid("ai.onnx", 20))
    assert kind != TensorProto.UNDEFINED
    return Hostile(
        f"awkward: {name}", model.SerializeToString(), inputs={"x": x}, expected=[np.asarray(wanted).astype(x.dtype)]
    )
