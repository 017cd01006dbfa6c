"""Preparing features: scaling, normalizing, imputing, picking and joining columns."""

from __future__ import annotations

import numpy as np

from codegen_torch.dims import same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import NotApplicable, Strings, op
from codegen_torch.ops.ml.common import DOMAIN, as_float, as_float32, rows, table
from codegen_torch.ops.ml.labels import places_among
from codegen_torch.symbols.namespaces import F, index, runtime, torch


@op("ArrayFeatureExtractor", since=1, domain=DOMAIN)
def array_feature_extractor(x: Expr, y: Expr) -> Expr:
    """Columns of the last dimension; a vector is one row."""
    return index.take(rows(x), y.reshape(-1), -1)  # type: ignore[no-any-return]


@op("Binarizer", since=1, domain=DOMAIN)
def binarizer(x: Expr, *, threshold: float = 0.0) -> Expr:
    above = torch.gt(x, table(threshold, "threshold", x.dtype) if x.dtype.is_float else threshold)
    return above.to(x.dtype)  # type: ignore[no-any-return]


@op("Scaler", since=1, domain=DOMAIN)
def scaler(x: Expr, *, offset: tuple[float, ...] = (), scale: tuple[float, ...] = ()) -> Expr:
    x = as_float(x)
    if offset:
        x = x - _per_feature(x, offset, "offset")
    if scale:
        x = x * _per_feature(x, scale, "scale")
    return as_float32(x)


def _per_feature(x: Expr, values: tuple[float, ...], name: str) -> Expr:
    if len(values) > 1 and x.dims and same(x.dims[-1], len(values)) is False:
        raise NotApplicable(f"{len(values)} values of {name!r} for {x.fact}")
    return table(values if len(values) > 1 else values[0], name, x.dtype)


@op("Normalizer", since=1, domain=DOMAIN)
def normalizer(x: Expr, *, norm: str = "MAX") -> Expr:
    """Rows divided by their largest element, by the sum of magnitudes or by their length; what is 0 divides nothing.

    The largest element is that with its sign, as the specification's formula and ONNX Runtime have it.
    """
    x = as_float(x)
    if norm == "MAX":
        size = x.amax(-1, keepdim=True)
    elif norm == "L1":
        size = torch.abs(x).sum(-1, keepdim=True)
    elif norm == "L2":
        size = torch.sqrt((x * x).sum(-1, keepdim=True))
    else:
        raise NotApplicable(f"norm {norm!r} is not known")
    return as_float32(x / torch.where(torch.eq(size, 0.0), 1.0, size))


@op("Imputer", since=1, domain=DOMAIN)
def imputer(
    x: Expr,
    *,
    imputed_value_floats: tuple[float, ...] = (),
    imputed_value_int64s: tuple[int, ...] = (),
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Expr:
    floats = x.dtype.is_float
    values: tuple[float, ...] = imputed_value_floats if floats else imputed_value_int64s
    if not values or (imputed_value_floats and imputed_value_int64s):
        raise NotApplicable(f"no or two kinds of imputed values for {x.fact}")
    missing = _is_missing(x, replaced_value_float if floats else replaced_value_int64)
    return torch.where(missing, _per_feature(x, values, "imputed"), x)  # type: ignore[no-any-return]


def _is_missing(x: Expr, replaced: float) -> Expr:
    if np.isnan(replaced):
        return torch.isnan(x)  # type: ignore[no-any-return]
    return torch.eq(x, table(replaced, "replaced", x.dtype))  # type: ignore[no-any-return]


@op("FeatureVectorizer", since=1, domain=DOMAIN)
def feature_vectorizer(*xs: Expr, inputdimensions: tuple[int, ...] = ()) -> Expr:
    """The columns of all inputs, each cut or filled up with zeros to its number of columns."""
    if inputdimensions and len(inputdimensions) != len(xs):
        raise NotApplicable(f"{len(inputdimensions)} dimensions for {len(xs)} inputs")
    columns = [as_float32(rows(x)) for x in xs]
    if inputdimensions:
        columns = [_fitted(x, count) for x, count in zip(columns, inputdimensions, strict=True)]
    return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)


def _fitted(x: Expr, count: int) -> Expr:
    if x.dims is None:
        raise UnknownRank(x)
    if same(x.dims[-1], count):
        return x
    size = x.shape[-1]
    return F.pad(x, (0, count - size))  # type: ignore[no-any-return]


@op("OneHotEncoder", since=1, domain=DOMAIN)
def one_hot_encoder(
    x: Expr | Strings,
    *,
    cats_int64s: tuple[int, ...] = (),
    cats_strings: tuple[str, ...] = (),
    zeros: int = 1,
) -> Expr:
    """What is none of the categories is all zeros or, where ``zeros`` is 0, an error when the model runs."""
    categories: tuple[object, ...] = cats_strings if x.dtype is DType.STRING else cats_int64s
    if not categories or len(set(categories)) < len(categories):
        raise NotApplicable("categories are missing, of another type than the input, or twice the same")
    if x.dtype not in (DType.STRING, DType.INT64):
        x = x.to(DType.INT64)
    places = places_among(x, list(categories))
    return runtime.one_hot(places, len(categories), known=not zeros)  # type: ignore[no-any-return]
