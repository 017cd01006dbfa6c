"""From ``TypeProto`` to the types of `onnx_proto.types`."""

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.read_tensor import data_type
from onnx_proto.types import (
    Dim,
    MapType,
    OpaqueType,
    OptionalType,
    SequenceType,
    Shape,
    SparseTensorType,
    TensorType,
    Type,
)


def read_type(proto: pb.TypeProto) -> Type | None:
    """Reads a type; None where the message states none. Recursion is bounded by protobuf's own limit.

    Raises:
        UnsupportedTypeError: An element type is unknown.
    """
    denotation = proto.denotation
    match proto.WhichOneof("value"):
        case "tensor_type":
            tensor = proto.tensor_type
            return TensorType(data_type(tensor.elem_type), _shape(tensor), denotation, _dim_denotations(tensor))
        case "sparse_tensor_type":
            sparse = proto.sparse_tensor_type
            return SparseTensorType(data_type(sparse.elem_type), _shape(sparse), denotation, _dim_denotations(sparse))
        case "sequence_type":
            return SequenceType(read_type(proto.sequence_type.elem_type), denotation)
        case "map_type":
            return MapType(data_type(proto.map_type.key_type), read_type(proto.map_type.value_type), denotation)
        case "optional_type":
            return OptionalType(read_type(proto.optional_type.elem_type), denotation)
        case "opaque_type":
            return OpaqueType(proto.opaque_type.domain, proto.opaque_type.name, denotation)
    return None


def _shape(proto: pb.TypeProto.Tensor | pb.TypeProto.SparseTensor) -> Shape | None:
    return tuple(map(_dim, proto.shape.dim)) if proto.HasField("shape") else None


def _dim(proto: pb.TensorShapeProto.Dimension) -> Dim:
    if proto.HasField("dim_value"):
        return proto.dim_value
    return proto.dim_param or None


def _dim_denotations(proto: pb.TypeProto.Tensor | pb.TypeProto.SparseTensor) -> tuple[str, ...]:
    denotations = tuple(dim.denotation for dim in proto.shape.dim)
    return denotations if any(denotations) else ()
