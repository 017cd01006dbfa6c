"""Compares models by content."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import zip_longest
from typing import Any

from onnx_proto.tensor import Strings, Tensor

_ELSEWHERE = ("path", "external", "_payload")  # where something is, not what it is


def difference(first: object, second: object) -> str | None:
    """The first place where two models, or parts of models, differ; None if they are equal.

    Everything counts, also names, documentation and the order of mappings; except where things are: the model's path,
    and whether a tensor's elements lie in the file or beside it. Floats are equal if their bits are, or both are NaN;
    elements of tensors are compared as bytes.

    Raises:
        OnnxError: The elements of a tensor cannot be read.
    """
    pending: list[tuple[str, Any, Any]] = [(type(first).__name__, first, second)]
    while pending:
        place, one, other = pending.pop()
        if one is other:
            continue
        if type(one) is not type(other):
            return f"{place}: {type(one).__name__} against {type(other).__name__}"
        if isinstance(one, tuple | Mapping) and len(one) != len(other):
            return f"{place}: {len(one)} entries against {len(other)}"
        if isinstance(one, Mapping) and list(one) != list(other):
            return f"{place}: keys {list(one)} against {list(other)}"
        if isinstance(one, Tensor) and not _same_elements(one, other):
            return f"{place}: the elements of tensor {one.name!r} differ"
        parts = list(_parts(place, one, other))
        if not parts and not _same_value(one, other):
            return f"{place}: {one!r} against {other!r}"
        pending += reversed(parts)
    return None


def _parts(place: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if is_dataclass(one):
        for field in fields(one):
            if field.name not in _ELSEWHERE:
                yield f"{place}.{field.name}", getattr(one, field.name), getattr(other, field.name)
    elif isinstance(one, tuple):
        for index, (inner, other_inner) in enumerate(zip(one, other, strict=True)):
            yield f"{place}[{index}]", inner, other_inner
    elif isinstance(one, Mapping):
        for key in one:
            yield f"{place}[{key!r}]", one[key], other[key]


def _same_value(one: Any, other: Any) -> bool:
    if isinstance(one, float):
        one, other = one.hex(), other.hex()  # tells 0.0 from -0.0, and finds NaN equal to NaN
    return bool(one == other)


def _same_elements(one: Tensor, other: Tensor) -> bool:
    if (one.dtype, one.shape, one.nbytes) != (other.dtype, other.shape, other.nbytes):
        return False
    if isinstance(one._payload, Strings):
        return one._payload == other._payload
    return all(piece == other_piece for piece, other_piece in zip_longest(one.chunks(), other.chunks()))
