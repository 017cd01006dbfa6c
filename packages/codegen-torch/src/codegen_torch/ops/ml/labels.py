"""Mapping labels to labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from onnx_proto import Tensor

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import NotApplicable, Strings, op
from codegen_torch.lower.strings import strings
from codegen_torch.ops.ml.common import DOMAIN, table
from codegen_torch.symbols.namespaces import index, runtime


def places_among(x: Expr, keys: Sequence[Any]) -> Expr:
    """The position of each element among the keys, -1 for what is none of them."""
    order = sorted(range(len(keys)), key=lambda place: _rank(keys[place]))
    places = _sorted_places(x, [keys[place] for place in order])
    if order == list(range(len(keys))):
        return places
    return index.take(table([*order, -1], "order", DType.INT64), places, 0)  # type: ignore[no-any-return]


def _sorted_places(x: Expr, keys: Sequence[Any]) -> Expr:
    if x.dtype is DType.STRING:
        return runtime.find_strings(x, strings(keys, "keys"))  # type: ignore[no-any-return]
    return runtime.find_numbers(x, table(keys, "keys", x.dtype))  # type: ignore[no-any-return]


def _rank(key: Any) -> Any:
    """Where a key is sorted to: NaN comes last."""
    return (1, 0) if isinstance(key, float) and math.isnan(key) else (0, key)


def mapped(x: Expr, keys: Sequence[Any], values: Sequence[Any], default: Any, dtype: DType) -> Expr:
    """The value that belongs to each key.

    Args:
        x: The keys to look up.
        keys: The keys, none of them twice.
        values: Their values.
        default: The value of what is no key.
        dtype: The type of the values.
    """
    if len(keys) != len(values):
        raise NotApplicable(f"{len(keys)} keys for {len(values)} values")
    if not keys:
        raise NotApplicable("there are no keys")
    order = sorted(range(len(keys)), key=lambda place: _rank(keys[place]))
    places = _sorted_places(x, [keys[place] for place in order])
    found = [*(values[place] for place in order), default]  # which -1, counted from the end, picks
    if dtype is DType.STRING:
        return runtime.take_strings(places, strings(found, "values"))  # type: ignore[no-any-return]
    return index.take(table(found, "values", dtype), places, 0)  # type: ignore[no-any-return]


@op("CategoryMapper", since=1, domain=DOMAIN)
def category_mapper(
    x: Expr | Strings,
    *,
    cats_int64s: tuple[int, ...] = (),
    cats_strings: tuple[str, ...] = (),
    default_int64: int = -1,
    default_string: str = "_Unused",
) -> Expr:
    """Strings become integers, and integers strings."""
    if len(cats_int64s) != len(cats_strings):
        raise NotApplicable(f"{len(cats_int64s)} integers for {len(cats_strings)} strings")
    if x.dtype is DType.STRING:
        return mapped(x, *_unique(cats_strings, cats_int64s, last=True), default_int64, DType.INT64)
    return mapped(x, *_unique(cats_int64s, cats_strings, last=True), default_string, DType.STRING)


@op("LabelEncoder", since=1, until=1, domain=DOMAIN)
def label_encoder_of_classes(
    x: Expr | Strings,
    *,
    classes_strings: tuple[str, ...] = (),
    default_int64: int = -1,
    default_string: str = "_Unused",
) -> Expr:
    """At version 1: the position of a string among the classes, and the class at a position."""
    places = tuple(range(len(classes_strings)))
    if x.dtype is DType.STRING:
        return mapped(x, *_unique(classes_strings, places, last=True), default_int64, DType.INT64)
    return mapped(x, places, classes_strings, default_string, DType.STRING)


@op("LabelEncoder", since=2, until=3, domain=DOMAIN)
def label_encoder(
    x: Expr | Strings,
    *,
    default_float: float = -0.0,
    default_int64: int = -1,
    default_string: str = "_Unused",
    keys_floats: tuple[float, ...] = (),
    keys_int64s: tuple[int, ...] = (),
    keys_strings: tuple[str, ...] = (),
    values_floats: tuple[float, ...] = (),
    values_int64s: tuple[int, ...] = (),
    values_strings: tuple[str, ...] = (),
) -> Expr:
    """Of equal keys the first holds, as in ONNX Runtime; NaN is a key like others, as the specification has it."""
    keys = _one_of(keys_floats, keys_int64s, keys_strings)
    values, default, dtype = _values(
        (values_floats, default_float), (values_int64s, default_int64), (values_strings, default_string)
    )
    return mapped(x, *_unique(keys, values, last=False), default, dtype)


@op("LabelEncoder", since=4, domain=DOMAIN)
def label_encoder_of_tensors(
    x: Expr | Strings,
    *,
    default_float: float = -0.0,
    default_int64: int = -1,
    default_string: str = "_Unused",
    default_tensor: Tensor | None = None,
    keys_floats: tuple[float, ...] = (),
    keys_int64s: tuple[int, ...] = (),
    keys_strings: tuple[str, ...] = (),
    keys_tensor: Tensor | None = None,
    values_floats: tuple[float, ...] = (),
    values_int64s: tuple[int, ...] = (),
    values_strings: tuple[str, ...] = (),
    values_tensor: Tensor | None = None,
) -> Expr:
    """Since version 4 the last of equal keys holds, and NaN is a key like others."""
    keys = _one_of(keys_floats, keys_int64s, keys_strings, _elements(keys_tensor))
    if values_tensor is None:
        values, default, dtype = _values(
            (values_floats, default_float), (values_int64s, default_int64), (values_strings, default_string)
        )
    else:
        values, dtype = _elements(values_tensor), DType.of(values_tensor.numpy().dtype)
        default = default_string if dtype is DType.STRING else default_float if dtype.is_float else default_int64
    if default_tensor is not None:
        (default,) = _elements(default_tensor)
    return mapped(x, *_unique(keys, values, last=True), default, dtype)


def _elements(tensor: Tensor | None) -> tuple[Any, ...]:
    return () if tensor is None else tuple(tensor.numpy().reshape(-1).tolist())


def _one_of(*choices: tuple[Any, ...]) -> tuple[Any, ...]:
    given = [choice for choice in choices if choice]
    if len(given) != 1:
        raise NotApplicable("keys or values are missing or of several types")
    return given[0]


def _values(*choices: tuple[tuple[Any, ...], Any]) -> tuple[tuple[Any, ...], Any, DType]:
    values = _one_of(*(choice for choice, _ in choices))
    default = next(default for choice, default in choices if choice)
    return values, default, {float: DType.FLOAT32, int: DType.INT64, str: DType.STRING}[type(values[0])]


def _unique(keys: Sequence[Any], values: Sequence[Any], *, last: bool) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Keys and values without those of a key that is there before or, with ``last``, again."""
    if len(keys) != len(values):
        raise NotApplicable(f"{len(keys)} keys for {len(values)} values")
    found: dict[Any, Any] = {}
    for key, value in zip(keys, values, strict=True):
        known = "nan" if key != key else key  # noqa: PLR0124
        if last or known not in found:
            found[known] = (key, value)
    kept, results = zip(*found.values(), strict=True) if found else ((), ())
    return tuple(kept), tuple(results)
