"""Constants and tensors made from sizes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx_proto import DataType, SparseTensor, Tensor

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, array, constant, weight
from codegen_torch.facts import Fact, FactError
from codegen_torch.lower.registry import Context, Ints, NotApplicable, op
from codegen_torch.lower.strings import strings
from codegen_torch.minifloats import decoded
from codegen_torch.ops.cast import dtype_of
from codegen_torch.ops.unsigned import WIDE
from codegen_torch.symbols.base import FOLD_LIMIT, SYMBOLIC_LIMIT
from codegen_torch.symbols.namespaces import host, runtime, torch
from codegen_torch.tensors import TensorRef


@op("Constant", since=1)
def constant_(
    *,
    value: Tensor | None = None,
    sparse_value: SparseTensor | None = None,
    value_float: float | None = None,
    value_floats: tuple[float, ...] | None = None,
    value_int: int | None = None,
    value_ints: tuple[int, ...] | None = None,
    value_string: str | None = None,
    value_strings: tuple[str, ...] | None = None,
    context: Context,
) -> Expr:
    given = (value, sparse_value, value_float, value_floats, value_int, value_ints, value_string, value_strings)
    if sum(each is not None for each in given) > 1:
        raise FactError("of more than one value")
    if value is not None:
        return _stored(value, trained=context.trained)
    if sparse_value is not None:
        return array(_dense(sparse_value), dtype_of(sparse_value.dtype))
    for number, dtype in (
        (value_float, DType.FLOAT32),
        (value_floats, DType.FLOAT32),
        (value_int, DType.INT64),
        (value_ints, DType.INT64),
    ):
        if number is not None:
            return array(number, dtype)
    for text in (value_string, value_strings):
        if text is not None:
            return strings(text)
    raise NotApplicable("it has no value")


def _stored(tensor: Tensor, *, trained: bool) -> Expr:
    dtype_of(tensor.dtype)
    ref = TensorRef.of_onnx(tensor)
    if ref.dtype is DType.STRING:
        return strings(tensor.numpy())
    if trained:
        return weight(ref)
    known = ref.size <= FOLD_LIMIT and ref.dtype.in_numpy
    return constant(ref, tensor.numpy() if known else None)


def _dense(sparse: SparseTensor) -> np.ndarray[Any, Any]:
    count = math.prod(sparse.shape)
    if count > FOLD_LIMIT or sparse.dtype is DataType.STRING:
        raise NotApplicable("a sparse tensor of this size or type is not supported")
    values = TensorRef.of_onnx(sparse.values).numpy()
    dense = np.zeros(count, values.dtype)
    places = sparse.indices.numpy()
    if places.ndim == 2:
        places = np.ravel_multi_index(tuple(places.T), sparse.shape)
    dense[places] = values
    return dense.reshape(sparse.shape)


MOST_BYTES = (1 << 63) - 1
"""More than that no tensor can have."""
MOST_BYTES_OF_A_WEIGHT = 1 << 32
"""A weight that the graph makes itself is written to the weights file: a few bytes must not ask for any number."""


@op("ConstantOfShape", since=9)
def constant_of_shape(shape: Ints, *, value: Tensor | None = None, context: Context) -> Expr:
    return _filled(shape, value, context)


@op("ConstantOfShape", since=9)
def constant_of_any_rank(shape: Expr, *, value: Tensor | None = None, context: Context) -> Expr:
    return _filled(host.tolist(shape), value, context)


def _filled(shape: Any, value: Tensor | None, context: Context) -> Expr:
    dtype = DType.FLOAT32 if value is None else dtype_of(value.dtype)
    if dtype is DType.STRING:
        raise NotApplicable("strings are not supported")
    element = np.zeros((), np.float32) if value is None else TensorRef.of_onnx(value).numpy().reshape(-1)[0]
    if not isinstance(shape, Expr) and all(isinstance(size, int) for size in shape):
        ref = TensorRef.filled(shape, dtype, element)
        if min(shape, default=0) < 0 or ref.nbytes > MOST_BYTES:
            raise FactError(f"a tensor of shape {list(shape)}")
        if ref.nbytes > (MOST_BYTES_OF_A_WEIGHT if context.trained else MOST_BYTES):
            raise NotApplicable(f"a tensor of shape {list(shape)}, all of one number, is not supported")
        if context.trained:
            return weight(ref)
        known = ref.numpy() if ref.size <= SYMBOLIC_LIMIT and dtype.in_numpy else None
        filled = constant(ref, known)
        fill = element.item() if dtype.in_numpy else None
        filled.fact = Fact(dtype, ref.shape, known, fill)
        return filled
    if not dtype.in_numpy:
        element = decoded(element, dtype)
    number = element.item()
    if number in (0, 1) and dtype is not DType.BOOL and math.copysign(1, number) > 0 and not isinstance(shape, Expr):
        return (torch.ones if number else torch.zeros)(*shape, dtype=dtype)  # type: ignore[no-any-return]
    return torch.full(shape, number, dtype=dtype)  # type: ignore[no-any-return]


@op("Range", since=11, until=26)
def range_(start: Expr, limit: Expr, delta: Expr) -> Expr:
    """``start``, ``start + delta``, … before ``limit``; nothing where it lies on the other side."""
    bounds = [bound.fact.value for bound in (start, limit, delta)]
    if any(bound is None for bound in bounds):
        return runtime.arange(start, limit, delta)  # type: ignore[no-any-return]
    first, last, step = (bound.item() for bound in bounds if bound is not None)
    if isinstance(step, int | float) and step == 0:
        raise NotApplicable("the numbers are 0 apart")
    if start.dtype.is_int:
        if isinstance(step, int) and all(isinstance(bound, int) for bound in (first, last)):
            last = first + step * len(range(first, last, step))
        return torch.arange(first, last, step, dtype=start.dtype)  # type: ignore[no-any-return]
    count = max(math.ceil((last - first) / step), 0)
    if count > FOLD_LIMIT:
        return runtime.arange(start, limit, delta)  # type: ignore[no-any-return]
    # Half precision is computed in float32.
    number = np.dtype(np.float64 if start.dtype is DType.FLOAT64 else np.float32)
    return array(number.type(first) + np.arange(count).astype(number) * number.type(step), start.dtype)


@op("Range", since=27)
def range_in_float32(start: Expr, limit: Expr, delta: Expr, *, stash_type: int = 1) -> Expr:
    if stash_type != DataType.FLOAT and start.dtype in (DType.FLOAT16, DType.BFLOAT16):
        raise NotApplicable("half precision is computed in float32 alone")
    return range_(start, limit, delta)  # type: ignore[no-any-return]


_MATRIX = 2


@op("EyeLike", since=9)
def eye_like(x: Expr, *, dtype: int | None = None, k: int = 0) -> Expr:
    if x.rank != _MATRIX:
        raise NotApplicable(f"{x.fact} is no matrix")
    rows, columns = x.shape
    kind = x.dtype if dtype is None else dtype_of(dtype)
    if k == 0 and (kind.is_float or kind.is_int) and kind not in WIDE:
        return torch.eye(rows, columns, dtype=kind)  # type: ignore[no-any-return]
    ones = torch.ones(rows, columns, dtype=kind)
    return ones.triu(k).tril(k)  # type: ignore[no-any-return]
