"""From a serialized model to plain objects."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from google.protobuf.message import DecodeError

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, LimitError, OnnxError, UnsupportedTypeError, quoted
from onnx_proto.external import Folders
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
from onnx_proto.read_devices import device_configuration, node_device_configuration
from onnx_proto.read_tensor import TensorReader, checked_shape
from onnx_proto.read_types import read_type
from onnx_proto.source import FileSource, MemorySource
from onnx_proto.tensor import SparseTensor, Tensor
from onnx_proto.types import Type
from onnx_proto.wire import MAX_GRAPH_DEPTH, Light, skim

_Proto = TypeVar("_Proto")
_Object = TypeVar("_Object")

# Of nodes and attributes there are many, each with few of its fields: asking a message once for those that it has
# (`ListFields`, by descriptor) takes half the time of asking for each.
_NODE: Final = pb.NodeProto.DESCRIPTOR.fields_by_name
_OP_TYPE, _NAME, _DOMAIN, _OVERLOAD, _DOC_STRING, _METADATA, _INPUT, _OUTPUT, _ATTRIBUTE, _DEVICES = (
    _NODE[name]
    for name in (
        *("op_type", "name", "domain", "overload", "doc_string", "metadata_props"),
        *("input", "output", "attribute", "device_configurations"),
    )
)
_OF_ATTRIBUTE: Final = pb.AttributeProto.DESCRIPTOR.fields_by_name
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


def load(path: str | os.PathLike[str]) -> Model:
    """Reads an ONNX file.

    Tensors of 4 KiB and more stay in the file until they are asked for; it must not change meanwhile. External data is
    looked for beneath the file's folder, when it is asked for.

    Args:
        path: The model file.

    Raises:
        OnnxError: The file is damaged, contradicts itself, or uses what this package does not know.
        OSError: The file cannot be opened.
    """
    path = Path(path)
    try:
        with FileSource(path) as source:
            return _read(source, Folders.of_model(path), path)
    except OnnxError as error:
        raise error.in_file(str(path)) from error.__cause__


def loads(data: bytes | bytearray | memoryview, base_dir: str | os.PathLike[str] | None = None) -> Model:
    """Reads a serialized model from memory.

    Args:
        data: The serialized model; tensors of 4 KiB and more are views of it.
        base_dir: The folder beneath which external data lies; without it, external data cannot be read.

    Raises:
        OnnxError: As in `load`.
    """
    folders = None if base_dir is None else Folders.of_directory(Path(base_dir))
    return _read(MemorySource(bytes(data)), folders, None)


def _read(source: MemorySource | FileSource, folders: Folders | None, path: Path | None) -> Model:
    if source.size == 0:
        raise FormatError("the file is empty")
    light = skim(source)
    proto = _parse(source, light)
    reader = _Reader(TensorReader(source, light, folders))
    with _collector_paused():
        return reader.model(proto, path)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Keeps the garbage collector from searching, again and again, many objects that are all in use."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _parse(source: MemorySource | FileSource, light: Light) -> pb.ModelProto:
    try:
        proto = pb.ModelProto.FromString(light.data)
    except DecodeError as error:
        skim(source, threshold=0)  # walks everything, and knows more precisely what is wrong
        raise FormatError(f"not a serialized ONNX model ({error})") from error
    if not proto.HasField("graph") or proto.ir_version < 1:
        missing = "an ir_version" if proto.HasField("graph") else "a graph"
        raise FormatError(f"not an ONNX model: it has no field for {missing}")
    return proto


class _Reader:
    """Converts messages to objects; recursion is bounded by the depth of messages that protobuf parses."""

    def __init__(self, tensors: TensorReader) -> None:
        self._tensor = tensors.tensor
        self._depth = 0
        self._read_value: dict[AttributeType, Callable[[Any], AttributeValue]] = {
            AttributeType.FLOAT: float,
            AttributeType.INT: int,
            AttributeType.STRING: _text,
            AttributeType.TENSOR: self._tensor,
            AttributeType.GRAPH: self._graph,
            AttributeType.SPARSE_TENSOR: self._sparse_tensor,
            AttributeType.TYPE_PROTO: _stated_type,
            AttributeType.FLOATS: _numbers,
            AttributeType.INTS: _numbers,
            AttributeType.STRINGS: lambda values: tuple(map(_text, values)),
            AttributeType.TENSORS: lambda protos: _each("tensors", protos, self._tensor),
            AttributeType.GRAPHS: lambda protos: _each("graphs", protos, self._graph),
            AttributeType.SPARSE_TENSORS: lambda protos: _each("sparse_tensors", protos, self._sparse_tensor),
            AttributeType.TYPE_PROTOS: lambda protos: _each("type_protos", protos, _stated_type),
        }

    def model(self, proto: pb.ModelProto, path: Path | None) -> Model:
        return Model(
            ir_version=proto.ir_version,
            opset_imports=_operator_sets(proto.opset_import),
            graph=_one("graph", proto.graph, self._graph),
            producer_name=proto.producer_name,
            producer_version=proto.producer_version,
            domain=proto.domain,
            model_version=proto.model_version,
            doc_string=proto.doc_string,
            functions=_each("functions", proto.functions, self._function),
            metadata=_mapping(proto.metadata_props),
            training_infos=_each("training_info", proto.training_info, self._training_info),
            device_configurations=_each("configuration", proto.configuration, device_configuration),
            path=path,
        )

    def _graph(self, proto: pb.GraphProto) -> Graph:
        self._depth += 1
        if self._depth > MAX_GRAPH_DEPTH:
            raise LimitError(f"graphs are nested more than {MAX_GRAPH_DEPTH} deep")
        graph = Graph(
            name=proto.name,
            nodes=_each("node", proto.node, self._node),
            inputs=_each("input", proto.input, _value_info),
            outputs=_each("output", proto.output, _value_info),
            value_infos=_each("value_info", proto.value_info, _value_info),
            initializers=_each("initializer", proto.initializer, self._tensor),
            sparse_initializers=_each("sparse_initializer", proto.sparse_initializer, self._sparse_tensor),
            quantization_annotations=tuple(
                TensorAnnotation(entry.tensor_name, _mapping(entry.quant_parameter_tensor_names))
                for entry in proto.quantization_annotation
            ),
            doc_string=proto.doc_string,
            metadata=_mapping(proto.metadata_props),
        )
        self._depth -= 1
        initializers: tuple[Tensor | SparseTensor, ...] = (*graph.initializers, *graph.sparse_initializers)
        _check_unique("initializer", [tensor.name for tensor in initializers])
        return graph

    def _node(self, proto: pb.NodeProto) -> Node:
        given: dict[Any, Any] = dict(proto.ListFields())
        return Node(
            op_type=given.get(_OP_TYPE, ""),
            domain=_domain(given[_DOMAIN]) if _DOMAIN in given else "",
            overload=given.get(_OVERLOAD, ""),
            name=given.get(_NAME, ""),
            inputs=tuple(given[_INPUT][:]) if _INPUT in given else (),
            outputs=tuple(given[_OUTPUT][:]) if _OUTPUT in given else (),
            attributes=self._attributes("attribute", given[_ATTRIBUTE]) if _ATTRIBUTE in given else {},
            doc_string=given.get(_DOC_STRING, ""),
            metadata=_mapping(given[_METADATA]) if _METADATA in given else {},
            device_configurations=(
                _each("device_configurations", given[_DEVICES], node_device_configuration) if _DEVICES in given else ()
            ),
        )

    def _attributes(self, field: str, protos: Iterable[pb.AttributeProto]) -> dict[str, Attribute]:
        attributes: dict[str, Attribute] = {}
        for proto in protos:
            name = proto.name
            try:
                if name in attributes:
                    raise FormatError("the attribute is given twice")
                attributes[name] = self._attribute(name, proto)
            except OnnxError as error:
                raise error.within(f"{field}[{quoted(name)}]") from error.__cause__
        return attributes

    def _attribute(self, name: str, proto: pb.AttributeProto) -> Attribute:
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

    def _sparse_tensor(self, proto: pb.SparseTensorProto) -> SparseTensor:
        sparse = SparseTensor(
            values=_one("values", proto.values, self._tensor),
            indices=_one("indices", proto.indices, self._tensor),
            shape=checked_shape(tuple(proto.dims)),
        )
        if sparse.indices.is_loaded:
            sparse.linear_indices()
        return sparse

    def _function(self, proto: pb.FunctionProto) -> Function:
        return Function(
            name=proto.name,
            domain=_domain(proto.domain),
            overload=proto.overload,
            inputs=tuple(proto.input),
            outputs=tuple(proto.output),
            attributes=tuple(proto.attribute),
            attribute_defaults=self._attributes("attribute_proto", proto.attribute_proto),
            nodes=_each("node", proto.node, self._node),
            opset_imports=_operator_sets(proto.opset_import),
            value_infos=_each("value_info", proto.value_info, _value_info),
            doc_string=proto.doc_string,
            metadata=_mapping(proto.metadata_props),
        )

    def _training_info(self, proto: pb.TrainingInfoProto) -> TrainingInfo:
        has_initialization, has_algorithm = proto.HasField("initialization"), proto.HasField("algorithm")
        return TrainingInfo(
            initialization=_one("initialization", proto.initialization, self._graph) if has_initialization else None,
            algorithm=_one("algorithm", proto.algorithm, self._graph) if has_algorithm else None,
            initialization_bindings=_mapping(proto.initialization_binding),
            update_bindings=_mapping(proto.update_binding),
        )


def _one(field: str, proto: _Proto, convert: Callable[[_Proto], _Object]) -> _Object:
    """Converts the message in a field, naming the field in errors."""
    try:
        return convert(proto)
    except OnnxError as error:
        raise error.within(field) from error.__cause__


def _each(field: str, protos: Iterable[Any], convert: Callable[[Any], _Object]) -> tuple[_Object, ...]:
    """Converts the messages in a repeated field, naming the field, the index and the name in errors."""
    objects: list[_Object] = []
    proto: Any = None
    try:
        for proto in protos:
            objects.append(convert(proto))
    except OnnxError as error:
        name = getattr(proto, "name", "") or getattr(proto, "op_type", "")
        step = f"{field}[{len(objects)}]"
        raise error.within(f"{step} {quoted(name)}" if name else step) from error.__cause__
    return tuple(objects)


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


def _value_info(proto: pb.ValueInfoProto) -> ValueInfo:
    stated = _one("type", proto.type, read_type) if proto.HasField("type") else None
    return ValueInfo(proto.name, stated, proto.doc_string, _mapping(proto.metadata_props))


def _stated_type(proto: pb.TypeProto) -> Type:
    stated = read_type(proto)
    if stated is None:
        raise FormatError("the type is empty")
    return stated


def _operator_sets(protos: Iterable[pb.OperatorSetIdProto]) -> tuple[OperatorSet, ...]:
    return tuple(OperatorSet(_domain(proto.domain), proto.version) for proto in protos)


def _domain(domain: str) -> str:
    return "" if domain == "ai.onnx" else domain


def _mapping(entries: Iterable[pb.StringStringEntryProto]) -> dict[str, str]:
    """A dictionary; of entries with the same key the last one counts."""
    return {entry.key: entry.value for entry in entries} if entries else {}


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")


def _numbers(values: Any) -> tuple[Any, ...]:
    return tuple(values[:])  # a slice is one call, iterating is one for each number


def _check_unique(field: str, names: list[str]) -> None:
    """Names of initializers identify them; an empty name identifies nothing."""
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise FormatError(f"two {field}s are called {quoted(name)}")
        seen.add(name)
