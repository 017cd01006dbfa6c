"""Numbers, strings and constant tensors as Python source."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from codegen_torch.dtypes import DType
from codegen_torch.emit.layout import Bracket, Doc
from codegen_torch.expr import Expr
from codegen_torch.facts import Array
from codegen_torch.modules.region import tensor_of
from codegen_torch.numbers import shortest_float32

# torch.arange does not make the larger unsigned types.
_RANGED = frozenset({DType.INT8, DType.INT16, DType.INT32, DType.INT64, DType.UINT8})
LITERAL_LIMIT = 16
"""Tensors of at most this many elements are written out, if that is one line."""
_LINE = 72


def buffer_source(constant: Expr) -> str | None:
    """Python source of a constant tensor, or None if it must come from the weights file."""
    value = constant.fact.value
    dtype = constant.dtype
    if dtype is DType.STRING:
        return str(strings_doc(constant))
    if value is None and constant.fact.fill is not None and constant.fact.is_static:
        value = np.broadcast_to(np.asarray(constant.fact.fill, dtype.numpy), tensor_of(constant).shape)
    if value is None or not dtype.in_numpy or value.dtype == object:
        return None
    suffix = _suffix(dtype)
    shape = ", ".join(map(str, value.shape))
    if not value.size:
        return f"torch.empty({shape}, dtype={dtype})"
    if value.ndim and (constant.fact.value is None or (value == value.flat[0]).all()):
        return _uniform(value, shape, dtype)
    if dtype in _RANGED and value.size > 2 and (arange := _arange(value, suffix)):
        return arange
    if value.ndim >= 2 and (triangle := _triangle(value, dtype)):
        return triangle
    if value.size > LITERAL_LIMIT:
        return None
    source = f"torch.tensor({_nested(_shortest(value) if dtype is DType.FLOAT32 else value.tolist())}{suffix})"
    return source if len(source) <= _LINE else None


def strings_doc(constant: Expr) -> Doc:
    """Python source of a tensor of strings; those that are long were packed when they were read."""
    value = tensor_of(constant).numpy()
    if not value.size:
        return f"np.empty({value.shape}, dtype=object)"
    return Bracket("np.array(", (_strings(value.tolist()), "dtype=object"), ")")


def _strings(value: Any) -> Doc:
    if isinstance(value, list):
        return Bracket("[", tuple(map(_strings, value)), "]")
    return string_source(value)


def _suffix(dtype: DType) -> str:
    return "" if dtype in (DType.INT64, DType.BOOL, DType.FLOAT32) else f", dtype={dtype}"


def _uniform(value: Array, shape: str, dtype: DType) -> str:
    number = _shortest(value.flat[:1])[0] if dtype is DType.FLOAT32 else value.flat[0].item()
    suffix = "" if dtype is DType.FLOAT32 else f", dtype={dtype}"
    if number in (0, 1) and not math.copysign(1.0, number) < 0:
        return f"torch.{'ones' if number else 'zeros'}({shape}{suffix})"
    sizes = f"({shape},)" if value.ndim == 1 else f"({shape})"
    return f"torch.full({sizes}, {number_source(number)}{suffix})"


def _arange(value: Array, suffix: str) -> str | None:
    flat = value.reshape(-1).astype(object)
    start, step = flat[0], flat[1] - flat[0]
    if not step or any(element != start + step * index for index, element in enumerate(flat)):
        return None
    stop = start + step * len(flat)
    bounds = f"{stop}" if (start, step) == (0, 1) else f"{start}, {stop}" if step == 1 else f"{start}, {stop}, {step}"
    reshape = "" if value.ndim == 1 else f".reshape({', '.join(map(str, value.shape))})"
    return f"torch.arange({bounds}{suffix}){reshape}"


def _triangle(value: Array, dtype: DType) -> str | None:
    """A lower triangle of ones, which is what causal masks are."""
    if dtype is not DType.BOOL or value.shape[-1] < 3:
        return None
    if not (value == np.tril(np.ones(value.shape, dtype=bool))).all():
        return None
    return f"torch.ones({', '.join(map(str, value.shape))}, dtype=torch.bool).tril()"


def number_source(number: bool | int | float) -> str:
    """Python source of a number, infinities and NaN included."""
    if isinstance(number, float) and not math.isfinite(number):
        if math.isnan(number):
            return "torch.nan"
        return "torch.inf" if number > 0 else "-torch.inf"
    return repr(number).replace("e+", "e")  # as ruff writes it


def string_source(text: str) -> str:
    """Python source of a string: ``repr``, but in double quotes unless that takes more escapes, as ruff has it."""
    escaped = repr('"' + text)[2:-1]  # the quote at the front makes repr choose single quotes
    if text.count('"') > text.count("'"):
        return f"'{escaped}'"
    return '"' + escaped.replace("\\'", "'").replace('"', '\\"') + '"'


def _shortest(value: Array) -> Any:
    """The elements as nested lists of the shortest decimals that are the same float32."""
    return np.vectorize(shortest_float32, otypes=[object])(value).tolist()


def _nested(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_nested(item) for item in value)}]"
    return number_source(value)  # type: ignore[arg-type]
