"""Maps: to tensors, and from them."""

from __future__ import annotations

from codegen_torch.dims import same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.facts import MapOf
from codegen_torch.lower.registry import Map, NotApplicable, op
from codegen_torch.ops.ml.common import DOMAIN, labels_of, rows
from codegen_torch.symbols.namespaces import runtime

_CASTS = {"TO_FLOAT": DType.FLOAT32, "TO_INT64": DType.INT64, "TO_STRING": DType.STRING}


@op("CastMap", since=1, domain=DOMAIN)
def cast_map(x: Map, *, cast_to: str = "TO_FLOAT", map_form: str = "DENSE", max_map: int = 1) -> Expr:
    """The values in the order of their keys; in the sparse form at the places that the keys say."""
    if cast_to not in _CASTS or map_form not in ("DENSE", "SPARSE"):
        raise NotApplicable(f"cast_to {cast_to!r} or map_form {map_form!r} is not known")
    dtype = _CASTS[cast_to]
    if map_form == "SPARSE" and dtype is DType.STRING:
        raise NotApplicable("ONNX does not say what string stands where a sparse map has no key")
    return _row(runtime.ordered_values(x, None if map_form == "DENSE" else max_map), dtype)


@op("DictVectorizer", since=1, domain=DOMAIN)
def dict_vectorizer(x: Map, *, int64_vocabulary: tuple[int, ...] = (), string_vocabulary: tuple[str, ...] = ()) -> Expr:
    """The values of the keys in the vocabulary, in its order; zeros or empty strings for those that are not there."""
    assert isinstance(x.fact, MapOf)
    keys = string_vocabulary if x.fact.key is DType.STRING else int64_vocabulary
    if not keys or (int64_vocabulary and string_vocabulary):
        raise NotApplicable("the vocabulary is missing or of another type than the keys")
    dtype = x.fact.element.dtype
    return _row(runtime.looked_up(x, tuple(keys), "" if dtype is DType.STRING else 0), dtype)


def _row(values: Expr, dtype: DType) -> Expr:
    if dtype is DType.STRING:
        return runtime.row_of_strings(values)  # type: ignore[no-any-return]
    return runtime.row_of_numbers(values, dtype=dtype)  # type: ignore[no-any-return]


@op("ZipMap", since=1, domain=DOMAIN)
def zip_map(x: Expr, *, classlabels_int64s: tuple[int, ...] = (), classlabels_strings: tuple[str, ...] = ()) -> Expr:
    """A map from labels to numbers for every row."""
    labels = labels_of(classlabels_int64s, classlabels_strings)
    x = rows(x)
    if not labels or (x.dims and same(x.dims[-1], len(labels)) is False):
        raise NotApplicable(f"{len(labels)} labels for {x.fact}")
    return runtime.zip_map(x, labels)  # type: ignore[no-any-return]
