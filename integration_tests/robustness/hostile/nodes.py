"""Nodes that are given what their operators do not take: counts, attributes, types, shapes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from hostile.case import Hostile, array, info, made

IMAGE = ("x", (1, 4, 8, 8))
MATRIX = ("x", (3, 4))
KERNEL = np.ones((6, 4, 3, 3))
# Operators that take one tensor, two of one type, and what they are given.
ONE = ("Relu", "Neg", "Abs", "Sigmoid", "Softmax", "Transpose", "Shape", "Identity", "Cast", "Flatten", "ReduceSum")
TWO = ("Add", "Sub", "Mul", "Div", "MatMul", "Pow", "Equal", "Less", "PRelu", "Gather", "Expand", "Reshape")

# An operator, its inputs (a shape of an input, or an array that is an initializer) and its attributes.
CONTRADICTIONS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "convolution in 0 groups": ("Conv", (IMAGE, KERNEL), {"group": 0}),
    "convolution in -1 groups": ("Conv", (IMAGE, KERNEL), {"group": -1}),
    "convolution in 5 groups": ("Conv", (IMAGE, KERNEL), {"group": 5}),
    "convolution in 2 groups of too many": ("Conv", (IMAGE, KERNEL), {"group": 2}),
    "convolution whose kernel is not its weight": ("Conv", (IMAGE, KERNEL), {"kernel_shape": [5, 5]}),
    "convolution whose kernel has one side": ("Conv", (IMAGE, KERNEL), {"kernel_shape": [3]}),
    "convolution of another rank": ("Conv", (("x", (1, 4, 8)), KERNEL), {}),
    "convolution of other channels": ("Conv", (("x", (1, 3, 8, 8)), KERNEL), {}),
    "convolution by steps of 0": ("Conv", (IMAGE, KERNEL), {"strides": [0, 1]}),
    "convolution by negative steps": ("Conv", (IMAGE, KERNEL), {"strides": [-1, 1]}),
    "convolution by three steps": ("Conv", (IMAGE, KERNEL), {"strides": [1, 1, 1]}),
    "convolution with gaps of 0": ("Conv", (IMAGE, KERNEL), {"dilations": [0, 1]}),
    "convolution with three pads": ("Conv", (IMAGE, KERNEL), {"pads": [1, 1, 1]}),
    "convolution with unknown padding": ("Conv", (IMAGE, KERNEL), {"auto_pad": "SOME"}),
    "convolution with a bias of 5": ("Conv", (IMAGE, KERNEL, np.ones(5)), {}),
    "convolution with a bias matrix": ("Conv", (IMAGE, KERNEL, np.ones((6, 1))), {}),
    "convolution by a scalar": ("Conv", (IMAGE, np.array(1.0)), {}),
    "transposed convolution in 0 groups": ("ConvTranspose", (IMAGE, np.ones((4, 2, 3, 3))), {"group": 0}),
    "transposed convolution of other channels": ("ConvTranspose", (IMAGE, np.ones((5, 2, 3, 3))), {}),
    "transposed convolution of another rank": ("ConvTranspose", (("x", (1, 4, 8)), np.ones((4, 2, 3, 3))), {}),
    "pool without a kernel": ("MaxPool", (IMAGE,), {}),
    "pool with a kernel of 0": ("MaxPool", (IMAGE,), {"kernel_shape": [0, 2]}),
    "pool with a kernel of one side": ("MaxPool", (IMAGE,), {"kernel_shape": [2]}),
    "pool by steps of 0": ("AveragePool", (IMAGE,), {"kernel_shape": [2, 2], "strides": [0, 2]}),
    "pool with negative gaps": ("MaxPool", (IMAGE,), {"kernel_shape": [2, 2], "dilations": [-1, 1]}),
    "product of wrong matrices": ("MatMul", (MATRIX, np.ones((3, 4))), {}),
    "product with a scalar": ("MatMul", (MATRIX, np.array(2.0)), {}),
    "linear layer of wrong matrices": ("Gemm", (MATRIX, np.ones((5, 3))), {}),
    "linear layer of rank 3": ("Gemm", (("x", (2, 3, 4)), np.ones((4, 5))), {}),
    "linear layer with a wrong bias": ("Gemm", (MATRIX, np.ones((4, 5)), np.ones(4)), {}),
    "sum of shapes that do not go together": ("Add", (MATRIX, np.ones((3, 5))), {}),
    "product of shapes that do not go together": ("Mul", (MATRIX, np.ones(3)), {}),
    "comparison of shapes that do not go together": ("Less", (MATRIX, np.ones((2, 3, 5))), {}),
    "choice by numbers": ("Where", (MATRIX, np.ones((3, 4)), np.ones((3, 4))), {}),
    "norm with a scale of 3": ("BatchNormalization", (IMAGE, *[np.ones(3)] * 4), {}),
    "norm with a mean of 3": ("BatchNormalization", (IMAGE, np.ones(4), np.ones(4), np.ones(3), np.ones(4)), {}),
    "layer norm over an axis that is not there": ("LayerNormalization", (MATRIX, np.ones(4)), {"axis": 5}),
    "layer norm with a scale of 3": ("LayerNormalization", (MATRIX, np.ones(3)), {}),
    "instance norm with a scale of 3": ("InstanceNormalization", (IMAGE, np.ones(3), np.ones(3)), {}),
    "group norm in 3 groups": ("GroupNormalization", (IMAGE, np.ones(3), np.ones(3)), {"num_groups": 3}),
    "group norm in 0 groups": ("GroupNormalization", (IMAGE, np.ones(4), np.ones(4)), {"num_groups": 0}),
    "transpose by no permutation": ("Transpose", (MATRIX,), {"perm": [0, 0]}),
    "transpose by three axes": ("Transpose", (MATRIX,), {"perm": [0, 1, 2]}),
    "transpose by negative axes": ("Transpose", (MATRIX,), {"perm": [-1, 0]}),
    "concatenation along axis 2": ("Concat", (MATRIX, np.ones((3, 4))), {"axis": 2}),
    "concatenation of unlike sides": ("Concat", (MATRIX, np.ones((2, 4))), {"axis": 1}),
    "concatenation of unlike ranks": ("Concat", (MATRIX, np.ones(4)), {"axis": 0}),
    "softmax over axis 2": ("Softmax", (MATRIX,), {"axis": 2}),
    "softmax over axis 2**62": ("Softmax", (MATRIX,), {"axis": 2**62}),
    "reshape to another size": ("Reshape", (MATRIX, np.array([5, 5])), {}),
    "reshape to two unknown sides": ("Reshape", (MATRIX, np.array([-1, -1])), {}),
    "reshape to a side of -2": ("Reshape", (MATRIX, np.array([-2, 4])), {}),
    "reshape by a matrix": ("Reshape", (MATRIX, np.array([[3, 4]])), {}),
    "reshape by floats": ("Reshape", (MATRIX, np.array([3.0, 4.0])), {}),
    "reshape that copies a side that is not there": ("Reshape", (MATRIX, np.array([3, 4, 0])), {}),
    "expansion to another shape": ("Expand", (MATRIX, np.array([3, 5])), {}),
    "squeeze of a side of 4": ("Squeeze", (MATRIX, np.array([1])), {}),
    "unsqueeze to the same axis twice": ("Unsqueeze", (MATRIX, np.array([0, 0])), {}),
    "unsqueeze to axis 9": ("Unsqueeze", (MATRIX, np.array([9])), {}),
    "flattening at axis 3": ("Flatten", (MATRIX,), {"axis": 3}),
    "gather from axis 2": ("Gather", (MATRIX, np.array([0])), {"axis": 2}),
    "gather of position 9": ("Gather", (MATRIX, np.array([9])), {"axis": 0}),
    "gather by floats": ("Gather", (MATRIX, np.array([0.0])), {}),
    "slice by steps of 0": ("Slice", (MATRIX, np.array([0]), np.array([2]), np.array([0]), np.array([0])), {}),
    "slice of unlike lists": ("Slice", (MATRIX, np.array([0, 0]), np.array([2])), {}),
    "slice of axis 7": ("Slice", (MATRIX, np.array([0]), np.array([2]), np.array([7])), {}),
    "split into wrong parts": ("Split", (MATRIX, np.array([1, 1])), {"axis": 1}),
    "split into negative parts": ("Split", (MATRIX, np.array([5, -1])), {"axis": 1}),
    "repetition of too few axes": ("Tile", (MATRIX, np.array([2])), {}),
    "repetition -1 times": ("Tile", (MATRIX, np.array([2, -1])), {}),
    "padding of too few sides": ("Pad", (MATRIX, np.array([1, 1])), {}),
    "padding in an unknown way": ("Pad", (MATRIX, np.array([0] * 4)), {"mode": "some"}),
    "sum over axis 2": ("ReduceSum", (MATRIX, np.array([2])), {}),
    "largest 9 of 4": ("TopK", (MATRIX, np.array([9])), {}),
    "largest -1": ("TopK", (MATRIX, np.array([-1])), {}),
    "cast to type 99": ("Cast", (MATRIX,), {"to": 99}),
    "cast to type 0": ("Cast", (MATRIX,), {"to": 0}),
    "cast to type -1": ("Cast", (MATRIX,), {"to": -1}),
    "resize by scales of too few axes": ("Resize", (IMAGE, None, np.ones(2)), {}),
    "resize by negative scales": ("Resize", (IMAGE, None, np.array([1.0, 1.0, -1.0, 1.0])), {}),
    "resize by nothing": ("Resize", (IMAGE,), {}),
    "one hot of a depth of -1": ("OneHot", (("i", (3,)), np.array(-1), np.array([0.0, 1.0])), {}),
    "matrix of numbers by an equation that has no end": ("Einsum", (MATRIX,), {"equation": "ij->ik"}),
    "product by an equation for three": ("Einsum", (MATRIX, np.ones((4, 5))), {"equation": "ij,jk,kl->il"}),
    "depths that do not divide": ("DepthToSpace", (IMAGE,), {"blocksize": 3}),
    "blocks of size 0": ("SpaceToDepth", (IMAGE,), {"blocksize": 0}),
    "recurrent layer without a size": (
        "LSTM",
        (("x", (5, 1, 3)), np.ones((1, 8, 4)), np.ones((1, 8, 2))),
        {"hidden_size": 2},
    ),
    "recurrent layer of an unknown direction": (
        "GRU",
        (("x", (5, 1, 3)), np.ones((1, 6, 3)), np.ones((1, 6, 2))),
        {"hidden_size": 2, "direction": "up"},
    ),
    "attention of unlike heads": ("Attention", (("x", (1, 2, 3, 8)), np.ones((1, 2, 4, 6)), np.ones((1, 2, 4, 6))), {}),
    "attention of vectors": ("Attention", (("x", (8,)), np.ones(8), np.ones(8)), {}),
    "range of vectors": ("Range", (np.zeros(2), np.ones(2), np.ones(2)), {}),
    "range by steps of 0": ("Range", (np.array(0), np.array(5), np.array(0)), {}),
    "diagonal of a vector": ("EyeLike", (("x", (4,)),), {}),
    "determinant of no square": ("Det", (MATRIX,), {}),
    "triangle of a vector": ("Trilu", (("x", (4,)),), {}),
    "convolution by steps of 2**31": ("Conv", (IMAGE, KERNEL), {"strides": [2**31, 1]}),
    "pool padded by 2**62": ("AveragePool", (IMAGE,), {"kernel_shape": [2, 2], "pads": [2**62] * 4}),
    "pool longer than its image": ("MaxPool", (IMAGE,), {"kernel_shape": [9, 9]}),
    "local norm over -1 channels": ("LRN", (IMAGE,), {"size": -1}),
    "expansion to -4": ("Expand", (MATRIX, np.array([2, 3, -4])), {}),
    "expansion to more than there can be": ("Expand", (MATRIX, np.array([2**62, 3, 4])), {}),
    "repetition of more than there can be": ("Tile", (MATRIX, np.array([2**40, 2**40])), {}),
    "fill of -1": ("ConstantOfShape", (np.array([-1]),), {}),
    "slice of an axis twice": ("Slice", (MATRIX, np.array([0, 0]), np.array([1, 1]), np.array([0, 0])), {}),
    "positions of no coordinates": ("GatherND", (MATRIX, np.zeros((2, 0), np.int64)), {}),
    "positions of -1 batch dimensions": ("GatherND", (MATRIX, np.array([[0]])), {"batch_dims": -1}),
    "scatter to position 9": ("ScatterElements", (MATRIX, np.array([[9]]), np.ones((1, 1))), {}),
    "scatter of too little": ("ScatterND", (MATRIX, np.array([[0]]), np.ones((1, 3))), {}),
    "choice by too many conditions": ("Compress", (MATRIX, np.ones(13)), {}),
    "division of integers by 0": ("Mod", (("i", (3,)), np.array(0)), {}),
    "equation of figures": ("Einsum", (MATRIX,), {"equation": "1j->j"}),
    "equation of one result twice": ("Einsum", (MATRIX,), {"equation": "ij->ii"}),
    "samples of a number below 1": ("Multinomial", (MATRIX,), {"sample_size": 0}),
    "random numbers of size -3": ("RandomNormal", (), {"shape": [-3, 2]}),
    "window of -5": ("HannWindow", (np.array(-5),), {}),
    "resize by scales of 0": ("Resize", (IMAGE, None, np.array([1.0, 1.0, 0.0, 1.0])), {}),
    "two constants": ("Constant", (), {"value_float": 1.0, "value_int": 3}),
    "loss of other targets": ("SoftmaxCrossEntropyLoss", (MATRIX, np.array([0, 1])), {}),
    "loss of class 9": ("SoftmaxCrossEntropyLoss", (MATRIX, np.array([0, 1, 9])), {}),
    "boxes of three corners": ("NonMaxSuppression", (("x", (1, 6, 3)), np.ones((1, 1, 6))), {}),
    "regions of images that are not there": (
        "RoiAlign",
        (IMAGE, np.ones((1, 4)), np.array([7])),
        {},
    ),
    "grid of other images": ("GridSample", (IMAGE, np.ones((2, 3, 3, 2))), {}),
    "sequences longer than they are": ("ReverseSequence", (MATRIX, np.array([1, 1, 1, 9])), {}),
    "columns of another image": ("Col2Im", (("x", (1, 4, 5)), np.array([5, 5]), np.array([2, 2])), {}),
    "network of no steps": (
        "GRU",
        (("x", (0, 1, 3)), np.ones((1, 6, 3)), np.ones((1, 6, 2))),
        {"hidden_size": 2},
    ),
}
SINCE = {"Attention": 23}


def files() -> Iterator[Hostile]:
    yield from _arity()
    yield from _attributes()
    yield from _types()
    for name, (op, inputs, attributes) in CONTRADICTIONS.items():
        yield _contradiction(f"shapes: {name}", op, inputs, attributes)


def _arity() -> Iterator[Hostile]:
    for op in ONE:
        attributes = {"to": 1} if op == "Cast" else {}
        yield _node(f"arity: {op} of nothing", op, [], attributes)
        count = 4 if op == "ReduceSum" else 3
        yield _node(f"arity: {op} of {count}", op, ["x"] * count, attributes)
        yield _node(f"arity: {op} with its input left out", op, [""], attributes)
        yield _node(f"arity: {op} with three outputs", op, ["x"], attributes, ["y", "p", "q"])
    for op in TWO:
        yield _node(f"arity: {op} of one", op, ["x"], {})
        yield _node(f"arity: {op} of three", op, ["x", "x", "x"], {})
        yield _node(f"arity: {op} with its second input left out", op, ["x", ""], {})


def _attributes() -> Iterator[Hostile]:
    values: dict[str, Any] = {"int": 7, "float": 1.5, "text": "text", "ints": [7, 7], "floats": [1.5], "texts": ["a"]}
    for op, name, right in (
        ("Softmax", "axis", "int"),
        ("Elu", "alpha", "float"),
        ("Transpose", "perm", "ints"),
        ("DepthToSpace", "mode", "text"),
        ("LeakyRelu", "alpha", "float"),
        ("Flatten", "axis", "int"),
    ):
        for kind, value in values.items():
            if kind != right:
                attributes = {"blocksize": 2, name: value} if op == "DepthToSpace" else {name: value}
                yield _node(f"attributes: {op} with {name} of type {kind}", op, ["x"], attributes, ["y"], name)
    for op in ("Relu", "Neg", "Exp", "Shape", "MatMul"):
        yield _node(
            f"attributes: {op} with one that it has not", op, ["x"] * (1 + (op == "MatMul")), {"what": 1}, ["y"], "what"
        )
    for op, missing in (
        ("Cast", "to"),
        ("Concat", "axis"),
        ("DepthToSpace", "blocksize"),
        ("Einsum", "equation"),
        ("LRN", "size"),
    ):
        yield _node(f"attributes: {op} without {missing}", op, ["x"], {}, ["y"], missing)
    for op in ("Relu", "Elu"):
        twice = helper.make_node(op, ["x"], ["y"], name="odd")
        twice.attribute.extend([helper.make_attribute("alpha", 1.0)] * 2)
        yield Hostile(f"attributes: {op} with one twice", made([twice]).SerializeToString(), "odd.*alpha")


def _types() -> Iterator[Hostile]:
    for op in ("Add", "MatMul", "Where", "Concat", "Max", "Less"):
        for dtype in (np.int64, np.float64, np.bool_):
            inputs = ["c", "x", "w"] if op == "Where" else ["x", "w"]
            node = helper.make_node(op, inputs, ["y"], name="odd", **({"axis": 0} if op == "Concat" else {}))
            weights = [array("w", np.ones((4, 4)), dtype), array("c", [True], np.bool_)]
            model = made([node], [info("x", (4, 4))], initializers=weights)
            yield Hostile(f"types: {op} of float32 and {np.dtype(dtype)}", model.SerializeToString(), "'odd'")
    for op in ("Sin", "Sigmoid", "Softmax", "Not", "And", "BitShift", "LayerNormalization", "Conv"):
        kind = TensorProto.STRING
        inputs = ["x"] * (1 + (op in ("And", "BitShift", "LayerNormalization", "Conv")))
        node = helper.make_node(op, inputs, ["y"], name="odd", **({"direction": "LEFT"} if op == "BitShift" else {}))
        yield Hostile(f"types: {op} of strings", made([node], [info("x", (4, 4), kind)]).SerializeToString(), "'odd'")


def _node(
    name: str, op: str, inputs: list[str], attributes: dict[str, Any], outputs: list[str] | None = None, what: str = ""
) -> Hostile:
    node = helper.make_node(op, inputs, outputs or ["y"], name="odd", **attributes)
    return Hostile(name, made([node], [info("x", (4, 4))]).SerializeToString(), f"'odd'.*{what}")


def _contradiction(name: str, op: str, given: tuple[Any, ...], attributes: dict[str, Any]) -> Hostile:
    names: list[str] = []
    inputs, initializers = [], []
    for position, value in enumerate(given):
        names.append("" if value is None else f"i{position}")
        if isinstance(value, tuple):
            kind = TensorProto.INT64 if value[0] == "i" else TensorProto.FLOAT
            inputs.append(info(names[-1], value[1], kind))
        elif value is not None:
            initializers.append(array(names[-1], value, np.int64 if value.dtype.kind == "i" else np.float32))
    node = helper.make_node(op, names, ["y", "z"] if op == "TopK" else ["y"], name="odd", **attributes)
    model = made([node], inputs or [info("x")], initializers=initializers, opset=SINCE.get(op, 20))
    return Hostile(name, model.SerializeToString(), "odd")
