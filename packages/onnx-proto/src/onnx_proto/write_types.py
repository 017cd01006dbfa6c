"""From the types of `onnx_proto.types` to ``TypeProto``."""

from collections.abc import Sequence

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError
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


def write_type(stated: Type) -> pb.TypeProto:
    """Writes a type; recursion is as deep as the type is nested.

    Raises:
        FormatError: Dimensions and their denotations differ in number.
    """
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
                proto.sequence_type.elem_type.CopyFrom(write_type(stated.elem_type))
        case MapType():
            proto.map_type.key_type = stated.key_type
            if stated.value_type is not None:
                proto.map_type.value_type.CopyFrom(write_type(stated.value_type))
        case OptionalType():
            proto.optional_type.SetInParent()
            if stated.elem_type is not None:
                proto.optional_type.elem_type.CopyFrom(write_type(stated.elem_type))
        case OpaqueType():
            proto.opaque_type.SetInParent()
            proto.opaque_type.domain = stated.domain
            proto.opaque_type.name = stated.name
    return proto


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
