"""What the operators of ai.onnx.ml share: named tables, transforms of scores, labels of classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, constant, weight
from codegen_torch.lower.registry import NotApplicable
from codegen_torch.lower.strings import strings
from codegen_torch.symbols.namespaces import F, index, runtime, torch
from codegen_torch.tensors import TensorRef

DOMAIN = "ai.onnx.ml"


def table(values: Any, name: str, dtype: DType) -> Expr:
    """A constant made of an attribute.

    Args:
        values: The numbers; floats of the file are float32, whatever they become here.
        name: What the tensor is called.
        dtype: The element type.
    """
    array = np.asarray(values)
    if dtype is DType.FLOAT64 and array.dtype == np.float64 and not isinstance(values, np.ndarray):
        array = array.astype(np.float32)
    ref = TensorRef.of_array(array.astype(dtype.numpy), dtype)
    ref.name = name
    return constant(ref, ref.numpy())


def trained(values: Any, shape: Sequence[int], name: str, dtype: DType = DType.FLOAT32) -> Expr:
    """A parameter made of an attribute."""
    array = np.asarray(values, np.float32).astype(dtype.numpy)
    if array.size != math.prod(shape):
        raise NotApplicable(f"{array.size} {name} do not make a tensor of {list(shape)}")
    ref = TensorRef.of_array(array.reshape(tuple(shape)), dtype)
    ref.name = name
    return weight(ref)


def rows(x: Expr) -> Expr:
    """The input as [rows, features]; a vector is one row."""
    return x.unsqueeze(0) if x.rank == 1 else x


def as_float(x: Expr) -> Expr:
    """The input in the type to compute in: integers as float32."""
    return x if x.dtype.is_float else x.to(DType.FLOAT32)


def as_float32(x: Expr) -> Expr:
    """A result that is float32 whatever was computed in."""
    return x if x.dtype is DType.FLOAT32 else x.to(DType.FLOAT32)


def transformed(scores: Expr, post_transform: str) -> Expr:
    """Scores [rows, columns] after the transform that the attribute names."""
    if post_transform == "NONE":
        return scores
    if post_transform == "LOGISTIC":
        return torch.sigmoid(scores)  # type: ignore[no-any-return]
    if post_transform == "SOFTMAX":
        return F.softmax(scores, dim=-1)  # type: ignore[no-any-return]
    if post_transform == "SOFTMAX_ZERO":
        return runtime.softmax_zero(scores)  # type: ignore[no-any-return]
    if post_transform == "PROBIT":
        return runtime.probit(scores)  # type: ignore[no-any-return]
    raise NotApplicable(f"post_transform {post_transform!r} is not known")


def labels_at(places: Expr, labels: Sequence[Any]) -> Expr:
    """The label at each place: integers or strings."""
    if labels and isinstance(labels[0], str):
        return runtime.take_strings(places, strings(labels, "classes"))  # type: ignore[no-any-return]
    if list(labels) == list(range(len(labels))):
        return places
    return index.take(table(labels, "classes", DType.INT64), places, 0)  # type: ignore[no-any-return]


def labels_of(ints: Sequence[int], texts: Sequence[str]) -> tuple[Any, ...]:
    """The labels of a classifier, of which only one kind may be given."""
    if ints and texts:
        raise NotApplicable("the labels are integers and strings")
    return tuple(ints) or tuple(texts)
