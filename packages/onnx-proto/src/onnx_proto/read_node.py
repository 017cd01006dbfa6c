"""From ``NodeProto`` and ``AttributeProto`` to `Node` and `Attribute`."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from sys import intern
from typing import Any, Final

from google.protobuf.message import DecodeError

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, OnnxError, UnsupportedTypeError, quoted
from onnx_proto.model import Attribute, AttributeType, AttributeValue, Graph, Node
from onnx_proto.read_devices import read_device_configurations
from onnx_proto.read_parts import Parts, located
from onnx_proto.read_tensor import TensorReader
from onnx_proto.read_types import read_type
from onnx_proto.types import Type
from onnx_proto.wire import fields

# Field numbers of ``NodeProto``.
_INPUT, _OUTPUT, _NAME, _OP_TYPE, _ATTRIBUTE, _DOC_STRING, _DOMAIN, _OVERLOAD, _METADATA, _DEVICES = range(1, 11)

_OF_ATTRIBUTE: Final = pb.ShallowAttributeProto.DESCRIPTOR.fields_by_name
_TYPE, _REF, _ATTRIBUTE_DOC = (_OF_ATTRIBUTE[name] for name in ("type", "ref_attr_name", "doc_string"))
# The field that holds the value of each type of attribute.
_VALUE_FIELDS: Final = {
    _OF_ATTRIBUTE[name]: kind
    for name, kind in (
        ("f", AttributeType.FLOAT),
        ("i", AttributeType.INT),
        ("s", AttributeType.STRING),
        ("t", AttributeType.TENSOR),
        ("g", AttributeType.GRAPH),
        ("floats", AttributeType.FLOATS),
        ("ints", AttributeType.INTS),
        ("strings", AttributeType.STRINGS),
        ("tensors", AttributeType.TENSORS),
        ("graphs", AttributeType.GRAPHS),
        ("tp", AttributeType.TYPE_PROTO),
        ("type_protos", AttributeType.TYPE_PROTOS),
        ("sparse_tensor", AttributeType.SPARSE_TENSOR),
        ("sparse_tensors", AttributeType.SPARSE_TENSORS),
    )
}
# Types whose values are nothing but numbers and strings.
_PLAIN: Final = frozenset(
    {
        *(AttributeType.FLOAT, AttributeType.INT, AttributeType.STRING),
        *(AttributeType.FLOATS, AttributeType.INTS, AttributeType.STRINGS),
    }
)
_MOST_SHARED: Final = 10_000  # attributes that are remembered at a time
_LONGEST_SHARED: Final = 100  # bytes of one
_ATTRIBUTE_TYPES: Final = {kind.value: kind for kind in AttributeType}
# Values that a file may leave out, because protobuf does not write zeros and empty lists.
_UNWRITTEN: Final[dict[AttributeType, AttributeValue]] = {
    AttributeType.FLOAT: 0.0,
    AttributeType.INT: 0,
    AttributeType.STRING: "",
    AttributeType.FLOATS: (),
    AttributeType.INTS: (),
    AttributeType.STRINGS: (),
    AttributeType.TENSORS: (),
    AttributeType.GRAPHS: (),
    AttributeType.TYPE_PROTOS: (),
    AttributeType.SPARSE_TENSORS: (),
}


class NodeReader:
    """Reads nodes, and graphs in their attributes by the function it is given."""

    def __init__(
        self, tensors: TensorReader, parts: Parts, read_graph: Callable[[pb.ShallowGraphProto], Graph]
    ) -> None:
        tensor, sparse_tensor, each = tensors.tensor, tensors.sparse_tensor, parts.each
        self._parts = parts
        self._shared: dict[bytes, Attribute] = {}
        self._read_value: dict[AttributeType, Callable[[Any], AttributeValue]] = {
            AttributeType.FLOAT: float,
            AttributeType.INT: int,
            AttributeType.STRING: _text,
            AttributeType.TENSOR: tensor,
            AttributeType.GRAPH: read_graph,
            AttributeType.SPARSE_TENSOR: sparse_tensor,
            AttributeType.TYPE_PROTO: _stated_type,
            AttributeType.FLOATS: _numbers,
            AttributeType.INTS: _numbers,
            AttributeType.STRINGS: lambda values: tuple(map(_text, values)),
            AttributeType.TENSORS: lambda data: each("tensors", pb.TensorProto, data, tensor),
            AttributeType.GRAPHS: lambda data: each("graphs", pb.ShallowGraphProto, data, read_graph),
            AttributeType.SPARSE_TENSORS: lambda data: each(
                "sparse_tensors", pb.SparseTensorProto, data, sparse_tensor
            ),
            AttributeType.TYPE_PROTOS: lambda data: each("type_protos", pb.TypeProto, data, _stated_type),
        }

    def nodes(self, serialized: Sequence[bytes]) -> tuple[Node, ...]:
        """Reads the nodes in a repeated field ``node``.

        Raises:
            OnnxError: One contradicts itself, or holds something of a kind this package does not know.
        """
        self._parts.count(len(serialized))
        nodes: list[Node] = []
        data = b""
        try:
            for data in serialized:
                nodes.append(self._node(data))
        except OnnxError as error:
            name = _name_of_node(data)
            step = f"node[{len(nodes)}]"
            raise error.within(f"{step} {quoted(name)}" if name else step) from error.__cause__
        return tuple(nodes)

    def _node(self, data: bytes) -> Node:  # noqa: C901 (a branch for each field)
        """Reads a node off the wire: all its fields are strings or messages, and protobuf takes longer to say so."""
        inputs: list[str] = []
        outputs: list[str] = []
        attributes: list[bytes] = []
        metadata: list[bytes] = []
        devices: list[bytes] = []
        name = op_type = domain = overload = doc_string = ""
        try:
            for number, value in fields(data):
                if number == _INPUT:
                    inputs.append(value.decode())
                elif number == _OUTPUT:
                    outputs.append(value.decode())
                elif number == _ATTRIBUTE:
                    attributes.append(value)
                elif number == _NAME:
                    name = value.decode()
                elif number == _OP_TYPE:
                    op_type = intern(value.decode())
                elif number == _DOMAIN:
                    domain = domain_name(value.decode())
                elif number == _METADATA:
                    metadata.append(value)
                elif number == _DOC_STRING:
                    doc_string = value.decode()
                elif number == _OVERLOAD:
                    overload = value.decode()
                elif number == _DEVICES:
                    devices.append(value)
        except UnicodeDecodeError as error:
            raise FormatError(f"a string is not UTF-8: {error.reason}") from error
        return Node(
            op_type,
            domain,
            overload,
            name,
            tuple(inputs),
            tuple(outputs),
            self.attributes("attribute", attributes) if attributes else {},
            doc_string,
            self._parts.mapping("metadata_props", metadata) if metadata else {},
            read_device_configurations(self._parts, devices) if devices else (),
        )

    def attributes(self, field: str, serialized: Sequence[bytes]) -> dict[str, Attribute]:
        """Reads the attributes in a repeated field, by name.

        Raises:
            OnnxError: As in `nodes`; or two have the same name.
        """
        self._parts.count(len(serialized))
        attributes: dict[str, Attribute] = {}
        for data in serialized:
            attribute = self._shared.get(data) or self._attribute(field, data)
            if attribute.name in attributes:
                raise FormatError("the attribute is given twice", f"{field}[{quoted(attribute.name)}]")
            attributes[attribute.name] = attribute
        return attributes

    def _attribute(self, field: str, data: bytes) -> Attribute:
        name = ""
        try:
            proto = pb.ShallowAttributeProto.FromString(data)
            name = intern(proto.name)
            attribute = self._converted(name, proto)
        except (OnnxError, DecodeError) as error:
            raise located(error, pb.ShallowAttributeProto, data, f"{field}[{quoted(name)}]") from error.__cause__
        # Many nodes have the same few attributes, down to their bytes: one object can stand for all of them.
        if attribute.type in _PLAIN and len(data) <= _LONGEST_SHARED and len(self._shared) < _MOST_SHARED:
            self._shared[data] = attribute
        return attribute

    def _converted(self, name: str, proto: pb.ShallowAttributeProto) -> Attribute:
        given: dict[Any, Any] = dict(proto.ListFields())
        values = [(_VALUE_FIELDS[field], value) for field, value in given.items() if field in _VALUE_FIELDS]
        kind = _attribute_type(given.get(_TYPE, 0), [kind for kind, _ in values])
        reference, doc_string = given.get(_REF, ""), given.get(_ATTRIBUTE_DOC, "")
        if reference:
            if values:
                raise FormatError(f"both refers to attribute {quoted(reference)} and has a value")
            return Attribute(name, kind, None, reference, doc_string)
        if values:
            value = self._read_value[kind](values[0][1])
        elif kind in _UNWRITTEN:
            value = _UNWRITTEN[kind]
        else:
            raise FormatError(f"an attribute of type {kind.name} has no value")
        return Attribute(name, kind, value, "", doc_string)


def _name_of_node(data: bytes) -> str:
    """What to call a node in an error, if its bytes tell."""
    found: dict[int, bytes] = {}
    with suppress(FormatError):
        found.update(fields(data))
    return (found.get(_NAME) or found.get(_OP_TYPE, b"")).decode(errors="replace")


def domain_name(domain: str) -> str:
    """The name of an operator domain; ONNX's own has two."""
    return "" if domain == "ai.onnx" else intern(domain)


def _attribute_type(number: int, given: list[AttributeType]) -> AttributeType:
    """The type of an attribute, from its statement and from the types of the values that it has."""
    if number == 0:  # the oldest files state no type
        if len(given) != 1:
            raise FormatError(f"states no type, and has {len(given)} values")
        return given[0]
    stated = _ATTRIBUTE_TYPES.get(number)
    if stated is None:
        raise UnsupportedTypeError(f"attribute type {number} is none that ONNX defines")
    for kind in given:
        if kind is not stated:
            raise FormatError(f"states type {stated.name}, and has a value of type {kind.name}")
    return stated


def _stated_type(proto: pb.TypeProto) -> Type:
    stated = read_type(proto)
    if stated is None:
        raise FormatError("the type is empty")
    return stated


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _numbers(values: Any) -> tuple[Any, ...]:
    return tuple(values[:])  # a slice is one call, iterating is one for each number
