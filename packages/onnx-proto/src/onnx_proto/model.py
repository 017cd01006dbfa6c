"""An ONNX model as plain objects, in ONNX's own words.

Every class mirrors one message of the format and decides nothing: ``auto_pad`` stays ``auto_pad``, defaults stay
unwritten, names stay as they are; only the domain ``ai.onnx`` is always written ``""``. Objects are immutable;
`dataclasses.replace` makes changed copies. Mappings keep the file's order.

Models, graphs, functions, nodes, attributes and tensors compare by identity, which makes them cheap keys;
`onnx_proto.compare.difference` compares by content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TypeAlias

from onnx_proto.devices import DeviceConfiguration, NodeDeviceConfiguration
from onnx_proto.lazy import Lazy
from onnx_proto.tensor import SparseTensor, Tensor
from onnx_proto.types import Type


@dataclass(frozen=True, slots=True)
class OperatorSet:
    """The version of an operator domain that the model uses."""

    domain: str
    version: int


@dataclass(frozen=True, slots=True, eq=False)
class ValueInfo:
    """The name of a value and, where the file states one, its type: a claim, not a fact."""

    name: str
    type: Type | None = None
    doc_string: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class AttributeType(IntEnum):
    """What kind of value an attribute holds, numbered as in ``AttributeProto.AttributeType``."""

    FLOAT = 1
    INT = 2
    STRING = 3
    TENSOR = 4
    GRAPH = 5
    FLOATS = 6
    INTS = 7
    STRINGS = 8
    TENSORS = 9
    GRAPHS = 10
    SPARSE_TENSOR = 11
    SPARSE_TENSORS = 12
    TYPE_PROTO = 13
    TYPE_PROTOS = 14


AttributeValue: TypeAlias = (
    "int | float | str | Tensor | SparseTensor | Graph | Type"
    " | tuple[int, ...] | tuple[float, ...] | tuple[str, ...]"
    " | tuple[Tensor, ...] | tuple[SparseTensor, ...] | tuple[Graph, ...] | tuple[Type, ...]"
)


@dataclass(frozen=True, slots=True, eq=False)
class Attribute:
    """A named, constant property of a node. In a loaded model, one object may be the attribute of many nodes.

    Attributes:
        name: Its name.
        type: The kind of `value`.
        value: A Python value; lists are tuples. Strings are bytes in the file: they are decoded as UTF-8, and bytes
            that are not UTF-8 become lone surrogates (``surrogateescape``), so
            ``value.encode(errors="surrogateescape")`` gives them back. Floats are exactly the file's float32
            values. None if `ref_attr_name` is given.
        ref_attr_name: Inside a function: the function's attribute that gives the value; "" elsewhere.
        doc_string: Documentation.
    """

    name: str
    type: AttributeType
    value: "AttributeValue | None"
    ref_attr_name: str = ""
    doc_string: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A call of an operator.

    Attributes:
        op_type: The operator's name.
        domain: The operator's domain; "" for ONNX's own.
        overload: Which overload of a model-local function is called.
        name: The node's own name; may be empty or repeated.
        inputs: Names of values; "" stands for an omitted optional input.
        outputs: Names of values; "" stands for an output nobody asked for.
        attributes: Those that the file states, by name.
        doc_string: Documentation.
        metadata: Named properties of the exporter's own.
        device_configurations: How the node is distributed over devices.
    """

    op_type: str
    domain: str = ""
    overload: str = ""
    name: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    doc_string: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    device_configurations: tuple[NodeDeviceConfiguration, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class TensorAnnotation:
    """Which tensors hold the quantization parameters (``SCALE_TENSOR``, ``ZERO_POINT_TENSOR``) of a value."""

    tensor_name: str
    quant_parameter_tensor_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Graph(Lazy):
    """A list of nodes in topological order, with named inputs and outputs.

    Attributes:
        name: Its name.
        nodes: The nodes.
        inputs: Inputs; before IR version 4, every initializer is listed here too.
        outputs: Outputs.
        value_infos: Stated types of inner values.
        initializers: Constants, or defaults of the inputs of the same name.
        sparse_initializers: The same in coordinate form.
        quantization_annotations: Quantization parameters.
        doc_string: Documentation.
        metadata: Named properties of the exporter's own.
    """

    name: str
    nodes: tuple[Node, ...] = ()
    inputs: tuple[ValueInfo, ...] = ()
    outputs: tuple[ValueInfo, ...] = ()
    value_infos: tuple[ValueInfo, ...] = ()
    initializers: tuple[Tensor, ...] = ()
    sparse_initializers: tuple[SparseTensor, ...] = ()
    quantization_annotations: tuple[TensorAnnotation, ...] = ()
    doc_string: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Function:
    """An operator that the model defines by nodes, named by domain, name and overload.

    Attributes:
        name: The operator's name.
        domain: The operator's domain.
        overload: Tells functions of the same domain and name apart.
        inputs: Names of the parameters.
        outputs: Names of the results.
        attributes: Names of the attributes that have no default.
        attribute_defaults: The other attributes.
        nodes: The body.
        opset_imports: Operator sets that the body uses.
        value_infos: Stated types of parameters, results and inner values.
        doc_string: Documentation.
        metadata: Named properties of the exporter's own.
    """

    name: str
    domain: str = ""
    overload: str = ""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    attribute_defaults: Mapping[str, Attribute] = field(default_factory=dict)
    nodes: tuple[Node, ...] = ()
    opset_imports: tuple[OperatorSet, ...] = ()
    value_infos: tuple[ValueInfo, ...] = ()
    doc_string: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class TrainingInfo:
    """How to initialise the model for training, and one step of it.

    Attributes:
        initialization: Computes starting values, once.
        algorithm: One training step.
        initialization_bindings: Initializer's name to the output of `initialization` that it starts from.
        update_bindings: Initializer's name to the output of `algorithm` that replaces it after a step.
    """

    initialization: Graph | None = None
    algorithm: Graph | None = None
    initialization_bindings: Mapping[str, str] = field(default_factory=dict)
    update_bindings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Model(Lazy):
    """A whole ONNX file.

    Attributes:
        ir_version: Version of the file format.
        opset_imports: Operator sets that the graph uses.
        graph: What the model computes.
        producer_name: The tool that wrote the file.
        producer_version: That tool's version.
        domain: The model's own name space, in reverse-DNS form.
        model_version: The model's own version.
        doc_string: Documentation.
        functions: Model-local operators.
        metadata: Named properties.
        training_infos: How to train the model.
        device_configurations: Sets of devices the model can be distributed over.
        path: The file the model was read from; None for a model from memory.
    """

    ir_version: int
    opset_imports: tuple[OperatorSet, ...]
    graph: Graph
    producer_name: str = ""
    producer_version: str = ""
    domain: str = ""
    model_version: int = 0
    doc_string: str = ""
    functions: tuple[Function, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    training_infos: tuple[TrainingInfo, ...] = ()
    device_configurations: tuple[DeviceConfiguration, ...] = ()
    path: Path | None = None
