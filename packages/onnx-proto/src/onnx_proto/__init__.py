"""Reads and writes ONNX files as plain typed objects.

`load` and `loads` read, `save` and `dumps` write, `verify_external_data` checks the files beside a model;
`onnx_proto.build` makes models by hand.
"""

from onnx_proto.devices import (
    DeviceConfiguration,
    NodeDeviceConfiguration,
    ShardedDim,
    ShardingSpec,
    SimpleShardedDim,
)
from onnx_proto.dtypes import DataType
from onnx_proto.errors import ExternalDataError, FormatError, LimitError, OnnxError, UnsupportedTypeError
from onnx_proto.external import ExternalData
from onnx_proto.model import (
    Attribute,
    AttributeType,
    AttributeValue,
    Function,
    Graph,
    Model,
    Node,
    OperatorSet,
    TensorAnnotation,
    TrainingInfo,
    ValueInfo,
)
from onnx_proto.read import load, loads
from onnx_proto.tensor import SparseTensor, Tensor
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
from onnx_proto.verify import verify_external_data
from onnx_proto.write import dumps, save

__version__ = "0.1.0"

__all__ = [
    "Attribute",
    "AttributeType",
    "AttributeValue",
    "DataType",
    "DeviceConfiguration",
    "Dim",
    "ExternalData",
    "ExternalDataError",
    "FormatError",
    "Function",
    "Graph",
    "LimitError",
    "MapType",
    "Model",
    "Node",
    "NodeDeviceConfiguration",
    "OnnxError",
    "OpaqueType",
    "OperatorSet",
    "OptionalType",
    "SequenceType",
    "Shape",
    "ShardedDim",
    "ShardingSpec",
    "SimpleShardedDim",
    "SparseTensor",
    "SparseTensorType",
    "Tensor",
    "TensorAnnotation",
    "TensorType",
    "TrainingInfo",
    "Type",
    "UnsupportedTypeError",
    "ValueInfo",
    "dumps",
    "load",
    "loads",
    "save",
    "verify_external_data",
]
