"""The types of values, as ``TypeProto`` states them."""

from dataclasses import dataclass
from typing import TypeAlias

from onnx_proto.dtypes import DataType

Dim: TypeAlias = int | str | None
"""One dimension: its size, the name of a symbol, or None where the file says nothing."""

Shape: TypeAlias = tuple[Dim, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    """A dense tensor.

    Attributes:
        elem_type: Type of the elements.
        shape: One entry per dimension; None if not even the rank is known.
        denotation: What the value means (``IMAGE``), in the words of ONNX's type denotations.
        dim_denotations: What each dimension means (``DATA_BATCH``), one per dimension; empty if none does.
    """

    elem_type: DataType
    shape: Shape | None = None
    denotation: str = ""
    dim_denotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SparseTensorType:
    """A sparse tensor; attributes as in `TensorType`."""

    elem_type: DataType
    shape: Shape | None = None
    denotation: str = ""
    dim_denotations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceType:
    """A list of values of one type."""

    elem_type: "Type | None"
    denotation: str = ""


@dataclass(frozen=True, slots=True)
class MapType:
    """A dictionary; keys are strings or integers."""

    key_type: DataType
    value_type: "Type | None"
    denotation: str = ""


@dataclass(frozen=True, slots=True)
class OptionalType:
    """A value that may be absent."""

    elem_type: "Type | None"
    denotation: str = ""


@dataclass(frozen=True, slots=True)
class OpaqueType:
    """A type that ONNX only knows by name."""

    domain: str
    name: str
    denotation: str = ""


Type: TypeAlias = TensorType | SparseTensorType | SequenceType | MapType | OptionalType | OpaqueType
