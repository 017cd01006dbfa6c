"""From the types of `onnx_proto.types` to ``TypeProto``."""

from collections.abc import Sequence
from typing import Final

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, LimitError
from onnx_proto.types import (
    Dim,
    MapType,
    OpaqueType,
    OptionalType,
    SequenceType,
    SparseTensorType,
    TensorType,
    Type,
)

MAX_TYPE_DEPTH: Final = 40
"""Types within types. Protobuf stops at 100 messages within messages, two for each type."""


def write_type(stated: Type, depth: int = 1) -> pb.TypeProto:
    """Writes a type; recursion is bounded by `MAX_TYPE_DEPTH`.

    Args:
        stated: The type.
        depth: How many types deep it is.

    Raises:
        FormatError: Dimensions and their denotations differ in number.
        LimitError: Types are nested too deeply.
    """
    _check_depth(depth)
    proto = pb.TypeProto(denotation=stated.denotation)
    match stated:
        case TensorType():
            proto.tensor_type.elem_type = stated.elem_type
            if stated.shape is not None:
                proto.tensor_type.shape.CopyFrom(_shape(stated.shape, stated.dim_denotations))
        case SparseTensorType():
            proto.sparse_tensor_type.elem_type = stated.elem_type
            if stated.shape is not None:
                proto.sparse_tensor_type.shape.CopyFrom(_shape(stated.shape, stated.dim_denotations))
        case SequenceType():
            proto.sequence_type.SetInParent()
            if stated.elem_type is not None:
                proto.sequence_type.elem_type.CopyFrom(write_type(stated.elem_type, depth + 1))
        case MapType():
            proto.map_type.key_type = stated.key_type
            if stated.value_type is not None:
                proto.map_type.value_type.CopyFrom(write_type(stated.value_type, depth + 1))
        case OptionalType():
            proto.optional_type.SetInParent()
            if stated.elem_type is not None:
                proto.optional_type.elem_type.CopyFrom(write_type(stated.elem_type, depth + 1))
        case OpaqueType():
            proto.opaque_type.SetInParent()
            proto.opaque_type.domain = stated.domain
            proto.opaque_type.name = stated.name
    return proto


def _check_depth(depth: int) -> None:
    if depth > MAX_TYPE_DEPTH:
        raise LimitError(f"types are nested more than {MAX_TYPE_DEPTH} deep")


def _shape(shape: Sequence[Dim], denotations: Sequence[str]) -> pb.TensorShapeProto:
    if denotations and len(denotations) != len(shape):
        raise FormatError(f"{len(shape)} dimensions have {len(denotations)} denotations")
    return pb.TensorShapeProto(
        dim=[_dim(dim, denotation) for dim, denotation in zip(shape, denotations or [""] * len(shape), strict=True)]
    )


def _dim(dim: Dim, denotation: str) -> pb.TensorShapeProto.Dimension:
    if dim is None:
        return pb.TensorShapeProto.Dimension(denotation=denotation)
    if isinstance(dim, str):
        return pb.TensorShapeProto.Dimension(dim_param=dim, denotation=denotation)
    return pb.TensorShapeProto.Dimension(dim_value=dim, denotation=denotation)
