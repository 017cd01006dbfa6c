"""Reshapes, transposes and broadcasts: against ONNX's reference, and how they are written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from codegen_torch.errors import ConversionError, InvalidModelError
from interpret import interpret
from one_node import Row, chain, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(6)
A = rng.standard_normal((2, 3, 4)).astype(np.float32)
ONES = rng.standard_normal((1, 3, 1, 2)).astype(np.float32)


def reshaped(a: np.ndarray, shape: Any) -> np.ndarray:
    return a.reshape([a.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])


RESHAPES = (
    [
        (A, shape)
        for shape in (
            (2, 12),
            (6, 4),
            (-1,),
            (24,),
            (2, 3, 4),
            (2, 3, 2, 2),
            (-1, 2, 3, 4),
            (4, 3, 2),
            (0, -1),
            (0, 0, 2, -1),
            (1, 2, 3, 4),
            (2, 3, 1, 4),
        )
    ]
    + [(ONES, shape) for shape in ((3, 2), (1, 3, 2), (3, 1, 2), (6,))]
    + [(np.float32(2), (1, 1)), (np.float32([2]), ())]
)
RESHAPE = [
    *(
        Row("Reshape", opset, (x,), {"shape": list(shape)}, expected=lambda a, shape=shape: reshaped(a, shape))
        for opset in (1, 4)
        for x, shape in RESHAPES
        if shape
    ),
    *(
        Row("Reshape", opset, (x, np.array(shape, np.int64)), {}, baked, reshaped)
        for opset in (5, 13, 14, 28)
        for x, shape in RESHAPES
        for baked in ((1,), ())
    ),
    *(
        Row("Reshape", opset, (np.zeros((0, 3), np.float32), np.array([3, 0])), {"allowzero": 1}, baked)
        for opset in (14, 28)
        for baked in ((1,), ())
    ),
]


FLATTEN = [
    Row("Flatten", opset, (x,), {} if axis is None else {"axis": axis})
    for opset in (1, 9, 11, 13, 28)
    for x, axes in ((A, (None, 0, 1, 2, 3, -1)), (A[0], (1,)), (A[0, 0], (0, 1)))
    for axis in axes
    if opset >= 11 or axis != -1
]
SQUEEZE = [
    *(
        Row(
            "Squeeze",
            opset,
            (ONES,),
            {} if axes is None else {"axes": axes},
            (),
            lambda a, axes=axes: np.squeeze(a, axes),
        )
        for opset in (1, 11)
        for axes in (None, (0,), (0, 2), (-2,))
    ),
    *(
        Row("Squeeze", opset, (ONES, *(() if axes is None else (np.array(axes),))), baked=(1,))
        for opset in (13, 28)
        for axes in (None, (0,), (0, 2), (-2,), (-2, 0))
    ),
]
UNSQUEEZE = [
    *(
        Row("Unsqueeze", opset, (A,), {"axes": axes}, (), lambda a, axes=axes: np.expand_dims(a, axes))
        for opset in (1, 11)
        for axes in ((0,), (3,), (0, 4), (4, 1), (-1,), (-1, 0))
    ),
    *(
        Row("Unsqueeze", opset, (A, np.array(axes)), {}, (1,))
        for opset in (13, 28)
        for axes in ((0,), (3,), (0, 4), (4, 1), (-1,), (-1, 0))
    ),
]
TRANSPOSE = [
    Row("Transpose", opset, (A,), {} if perm is None else {"perm": perm})
    for opset in (1, 13, 28)
    for perm in (None, (0, 1, 2), (0, 2, 1), (2, 1, 0), (1, 2, 0))
]
EXPAND = [
    Row("Expand", opset, (x, np.array(shape, np.int64)), {}, baked)
    for opset in (8, 13, 28)
    for x, shape in (
        (A, (2, 3, 4)),
        (A, (1, 1, 1)),
        (A, (4,)),
        (A[:, :1], (2, 5, 4)),
        (A[:, :1], (5, 1)),
        (A, (7, 2, 1, 4)),
        (A[0], (1, 1, 3, 1)),
        (np.float32(3), (2, 3)),
        (np.float32(3), ()),
        (ONES, (4, 1, 5, 1)),
    )
    for baked in ((1,), ())
]
TILE = [
    Row("Tile", opset, (A, np.array(repeats)), {}, baked)
    for opset in (6, 13, 28)
    for repeats in ((1, 1, 1), (2, 1, 3))
    for baked in ((1,), ())
]


@pytest.mark.parametrize(**table(RESHAPE + FLATTEN + SQUEEZE + UNSQUEEZE + TRANSPOSE + EXPAND + TILE))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic)


def written(expr: Any) -> str:
    """The last call of a graph: its name and what is not a tensor."""
    return f"{expr.op}({', '.join(f'{name}={value}' for name, value in expr.attrs.items())})"


@pytest.mark.parametrize(
    ("dims", "shape", "text"),
    [
        (["batch", "seq", 32], [0, 0, 32], "input(name=x)"),
        (["batch", "seq", 32], [0, -1, 32], "input(name=x)"),
        (["batch", 3, 4, 5], [0, -1], "Tensor.flatten(start_dim=1)"),
        (["batch", 3, 4, 5], [-1, 5], "Tensor.flatten(end_dim=2)"),
        (["batch", "seq", 32], [-1, 32], "Tensor.flatten(end_dim=1)"),
        (["batch", "seq", 4, 8], [0, 0, 32], "Tensor.flatten(start_dim=2)"),
        (["batch", "seq", 4, 8], [0, -1, 8], "Tensor.flatten(start_dim=1, end_dim=2)"),
        (["batch", "seq", 32], [0, 0, 4, 8], "Tensor.unflatten(dim=-1, sizes=(4, 8))"),
        (["batch", "seq", 32], [0, -1, 4, 8], "Tensor.unflatten(dim=-1, sizes=(4, 8))"),
        (["batch", 32, "seq"], [0, 2, 16, -1], "Tensor.unflatten(dim=1, sizes=(2, 16))"),
        (["batch", 1, 32], [0, 32], "Tensor.squeeze(dim=1)"),
        (["batch", 32, 1, 1], [0, 32], "Tensor.flatten(start_dim=1)"),
        (["batch", 32], [0, 1, 32], "Tensor.unsqueeze(dim=1)"),
        (["batch", "seq", 32], [-1], "Tensor.flatten()"),
        (["batch", "seq", 32], [-1, 8], "Tensor.reshape(shape=(-1, 8))"),
        (["batch", 6, 4], [0, 4, 6], "Tensor.reshape(shape=(batch, 4, 6))"),
    ],
)
def test_a_reshape_is_written_the_shortest_way(dims: list[Any], shape: list[int], text: str) -> None:
    model = chain([("Reshape", ["x", "shape"], "y")], {"x": (np.float32, dims)}, {"shape": shape}, "y")
    lowered = lower_proto(model)
    assert written(lowered.outputs["y"]) == text
    value = np.zeros([{"batch": 2, "seq": 3}.get(dim, dim) for dim in dims], np.float32)
    result = interpret(lowered.outputs, {"x": torch.from_numpy(value)})["y"]
    assert tuple(result.shape) == reshaped(value, shape).shape


HEADS = [
    ("Shape", ["x"], "s"),
    ("Gather", ["s", "i0"], "b"),
    ("Gather", ["s", "i1"], "n"),
    ("Unsqueeze", ["b", "axis"], "bs"),
    ("Unsqueeze", ["n", "axis"], "ns"),
]
CONSTANTS = {"i0": 0, "i1": 1, "axis": [0], "heads": [4], "size": [8], "width": [32], "minus": [-1]}


@pytest.mark.parametrize("dims", [("batch", "seq"), ("batch", 7), (2, "seq"), (2, 7)])
def test_the_arithmetic_of_a_shape_vanishes(dims: tuple[Any, Any]) -> None:
    nodes = [*HEADS, ("Concat", ["bs", "ns", "heads", "size"], "shape", {"axis": 0}), ("Reshape", ["x", "shape"], "y")]
    model = chain(nodes, {"x": (np.float32, [*dims, 32])}, CONSTANTS, "y")
    outputs = lower_proto(model).outputs
    assert symbols_of(outputs) == ["Tensor.unflatten"]
    assert outputs["y"].dims is not None
    assert [str(dim) for dim in outputs["y"].dims] == [str(dim) for dim in (*dims, 4, 8)]


def test_sizes_stand_in_a_reshape_by_name() -> None:
    nodes = [
        *HEADS,
        ("Concat", ["bs", "ns", "heads", "size"], "shape", {"axis": 0}),
        ("Transpose", ["x"], "t", {"perm": [1, 0, 2]}),
        ("Reshape", ["t", "shape"], "y"),
    ]
    model = chain(nodes, {"x": (np.float32, ["batch", "seq", 32])}, CONSTANTS, "y")
    assert written(lower_proto(model).outputs["y"]) == "Tensor.reshape(shape=(batch, seq, 4, 8))"


def test_an_expand_as_torchscript_writes_it_is_an_expand() -> None:
    """Where(Equal(shape, -1), 1, shape), which stands for -1 in torch's own expand."""
    nodes = [
        *HEADS,
        ("Concat", ["bs", "ns", "width"], "shape", {"axis": 0}),
        ("Shape", ["shape"], "rank"),
        ("ConstantOfShape", ["rank"], "ones", {"value": one()}),
        ("Mul", ["ones", "minus"], "minuses"),
        ("Equal", ["shape", "minuses"], "free"),
        ("Where", ["free", "ones", "shape"], "sizes"),
        ("Expand", ["row", "sizes"], "y"),
    ]
    row = np.ones((1, 1, 32), np.float32)
    model = chain(nodes, {"x": (np.float32, ["batch", "seq", 32])}, CONSTANTS | {"row": row}, "y")
    outputs = lower_proto(model).outputs
    assert symbols_of(outputs) == ["Tensor.expand"]
    assert written(outputs["y"]) == "Tensor.expand(size=(batch, seq, -1))"


def one() -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(np.array([1]))


@pytest.mark.parametrize("arithmetic", ["Add", "Mul", "Sub", "Div", "Mod", "Max", "Min"])
def test_numbers_computed_from_sizes_are_right(arithmetic: str) -> None:
    """Whatever can be said of `batch ∘ 2` before the run, the result is the same."""
    nodes = [*HEADS, (arithmetic, ["bs", "two"], "count"), ("Expand", ["cell", "count"], "y")]
    constants = CONSTANTS | {"two": [2], "cell": np.float32([5])}
    lowered = lower_proto(chain(nodes, {"x": (np.float32, ["batch", "seq"])}, constants, "y"))
    functions = {"Div": lambda a, b: a // b, "Mod": lambda a, b: a % b, "Max": max, "Min": min}
    functions |= {"Add": lambda a, b: a + b, "Mul": lambda a, b: a * b, "Sub": lambda a, b: a - b}
    for batch in (2, 3, 5):
        value = interpret(lowered.outputs, {"x": torch.zeros(batch, 1)}, lowered.inputs)["y"]
        assert tuple(value.shape) == (functions[arithmetic](batch, 2),)


def test_a_product_of_sizes_is_one_size() -> None:
    nodes = [
        ("Shape", ["x"], "s"),
        ("ReduceProd", ["s"], "n", {"keepdims": 1}),
        ("Concat", ["n", "one"], "shape", {"axis": 0}),
        ("Reshape", ["x", "shape"], "y"),
    ]
    model = chain(nodes, {"x": (np.float32, ["batch", "seq"])}, {"one": [1]}, "y")
    outputs = lower_proto(model).outputs
    assert str(outputs["y"].fact) == "float32[batch * seq, 1]"
    assert not {"host.shape", "torch.cat"} & set(symbols_of(outputs))


def test_a_size_that_only_the_run_tells_stands_in_the_reshape() -> None:
    nodes = [("Concat", ["n", "rest"], "shape", {"axis": 0}), ("Expand", ["row", "shape"], "y")]
    model = chain(nodes, {"n": (np.int64, [1])}, {"rest": [3], "row": np.ones((1, 3), np.float32)}, "y")
    lowered = lower_proto(model)
    assert symbols_of(lowered.outputs) == ["host.item", "Tensor.expand"]
    assert tuple(interpret(lowered.outputs, {"n": torch.tensor([4])})["y"].shape) == (4, 3)


@pytest.mark.parametrize("shape", [[5, 5], [-1, -1], [0, 0, 0, 0]])
def test_an_impossible_reshape_is_an_invalid_model(shape: list[int]) -> None:
    with pytest.raises(InvalidModelError, match="reshape"):
        lower_proto(model_of(Row("Reshape", 13, (A, np.array(shape)), {}, (1,)), symbolic=False))


def test_a_permutation_of_another_rank_is_an_invalid_model() -> None:
    with pytest.raises(ConversionError, match="permutation"):
        lower_proto(model_of(Row("Transpose", 13, (A,), {"perm": [1, 0]}), symbolic=False))
