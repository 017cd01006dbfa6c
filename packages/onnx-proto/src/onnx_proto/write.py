"""From plain objects to a serialized model: the same objects give the same bytes."""

import os
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from google.protobuf.message import EncodeError

from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.errors import FormatError, LimitError, OnnxError, quoted
from onnx_proto.model import (
    Attribute,
    AttributeType,
    Function,
    Graph,
    Model,
    Node,
    OperatorSet,
    TensorAnnotation,
    TrainingInfo,
    ValueInfo,
)
from onnx_proto.skim import MAX_GRAPH_DEPTH
from onnx_proto.tensor import SparseTensor, Strings, Tensor
from onnx_proto.write_data import ExternalWriter, check_file_name, replacing
from onnx_proto.write_devices import device_configuration, node_device_configuration
from onnx_proto.write_types import write_type

_Object = TypeVar("_Object")
_Proto = TypeVar("_Proto")

_LARGEST = (1 << 31) - 1


def save(
    model: Model,
    path: str | os.PathLike[str],
    *,
    external_data: str | None = None,
    size_threshold: int = 1024,
) -> None:
    """Writes a model to one file, or to one and a file of external data beside it; each appears whole or not at all.

    External data that the model was loaded with is read and written anew, into the file or files named here.

    Args:
        model: The model.
        path: The model file.
        external_data: Name of a file, in the folder of `path`, for the elements of large initializers. They are
            copied piece by piece, so such a model may be larger than memory, and than the 2 GiB of one file.
        size_threshold: Bytes from which an initializer counts as large.

    Raises:
        ValueError: `external_data` is not the bare name of another file.
        OnnxError: As in `dumps`.
        OSError: A file cannot be written.
    """
    path = Path(path)
    if external_data is None:
        with replacing(path) as file:
            file.write(dumps(model))
        return
    check_file_name(external_data, path)
    with replacing(path) as file, replacing(path.parent / external_data) as data:  # the data is there first
        file.write(_serialized(model, ExternalWriter(data, external_data, size_threshold)))


def dumps(model: Model) -> bytes:
    """Serializes a model; external data is read and included.

    Raises:
        FormatError: An object holds what its field in the file cannot.
        LimitError: The result would exceed the 2 GiB of a protobuf message, or graphs are nested too deeply.
        OnnxError: A tensor's elements cannot be read.
    """
    return _serialized(model, None)


def _serialized(model: Model, external: ExternalWriter | None) -> bytes:
    try:
        return _Writer(external).model(model).SerializeToString(deterministic=True)
    except EncodeError as error:
        raise LimitError(f"the model cannot be one protobuf message: {error}") from error


class _Writer:
    """Converts objects to messages; recursion is bounded by `MAX_GRAPH_DEPTH`."""

    def __init__(self, external: ExternalWriter | None) -> None:
        self._external = external
        self._depth = 0
        self._payload_bytes = 0
        self._write_value: dict[AttributeType, tuple[str, Callable[[Any], Any]]] = {
            AttributeType.FLOAT: ("f", _float32),
            AttributeType.INT: ("i", int),
            AttributeType.STRING: ("s", _encoded),
            AttributeType.TENSOR: ("t", self._tensor),
            AttributeType.GRAPH: ("g", self._graph),
            AttributeType.SPARSE_TENSOR: ("sparse_tensor", self._sparse_tensor),
            AttributeType.TYPE_PROTO: ("tp", write_type),
            AttributeType.FLOATS: ("floats", lambda numbers: map(_float32, numbers)),
            AttributeType.INTS: ("ints", tuple),
            AttributeType.STRINGS: ("strings", lambda texts: map(_encoded, texts)),
            AttributeType.TENSORS: ("tensors", lambda tensors: _each("tensors", tensors, self._tensor)),
            AttributeType.GRAPHS: ("graphs", lambda graphs: _each("graphs", graphs, self._graph)),
            AttributeType.SPARSE_TENSORS: (
                "sparse_tensors",
                lambda tensors: _each("sparse_tensors", tensors, self._sparse_tensor),
            ),
            AttributeType.TYPE_PROTOS: ("type_protos", lambda types: _each("type_protos", types, write_type)),
        }

    def model(self, model: Model) -> pb.ModelProto:
        return pb.ModelProto(
            ir_version=model.ir_version,
            producer_name=model.producer_name,
            producer_version=model.producer_version,
            domain=model.domain,
            model_version=model.model_version,
            doc_string=model.doc_string,
            graph=_one("graph", model.graph, self._graph),
            opset_import=_each("opset_import", model.opset_imports, _operator_set),
            metadata_props=_entries(model.metadata),
            training_info=_each("training_info", model.training_infos, self._training_info),
            functions=_each("functions", model.functions, self._function),
            configuration=_each("configuration", model.device_configurations, device_configuration),
        )

    def _graph(self, graph: Graph) -> pb.GraphProto:
        self._depth += 1
        if self._depth > MAX_GRAPH_DEPTH:
            raise LimitError(f"graphs are nested more than {MAX_GRAPH_DEPTH} deep")
        proto = pb.GraphProto(
            name=graph.name,
            doc_string=graph.doc_string,
            node=_each("node", graph.nodes, self._node),
            input=_each("input", graph.inputs, _value_info),
            output=_each("output", graph.outputs, _value_info),
            value_info=_each("value_info", graph.value_infos, _value_info),
            initializer=_each("initializer", graph.initializers, self._initializer),
            sparse_initializer=_each("sparse_initializer", graph.sparse_initializers, self._sparse_tensor),
            quantization_annotation=_each("quantization_annotation", graph.quantization_annotations, _annotation),
            metadata_props=_entries(graph.metadata),
        )
        self._depth -= 1
        return proto

    def _node(self, node: Node) -> pb.NodeProto:
        return pb.NodeProto(
            op_type=node.op_type,
            domain=node.domain,
            overload=node.overload,
            name=node.name,
            input=node.inputs,
            output=node.outputs,
            attribute=self._attributes(node.attributes),
            doc_string=node.doc_string,
            metadata_props=_entries(node.metadata),
            device_configurations=_each("device_configurations", node.device_configurations, node_device_configuration),
        )

    def _attributes(self, attributes: Mapping[str, Attribute]) -> list[pb.AttributeProto]:
        for key, attribute in attributes.items():
            if key != attribute.name:
                raise FormatError(f"attribute {quoted(attribute.name)} is filed under {quoted(key)}")
        return _each("attribute", attributes.values(), self._attribute)

    def _attribute(self, attribute: Attribute) -> pb.AttributeProto:
        fields: dict[str, Any] = {
            "name": attribute.name,
            "type": attribute.type.name,
            "ref_attr_name": attribute.ref_attr_name,
            "doc_string": attribute.doc_string,
        }
        if not attribute.ref_attr_name:
            field, convert = self._write_value[attribute.type]
            fields[field] = convert(attribute.value)
        return pb.AttributeProto(**fields)

    def _initializer(self, tensor: Tensor) -> pb.TensorProto:
        if self._external is None or not self._external.takes(tensor):
            return self._tensor(tensor)
        proto = _without_elements(tensor)
        proto.data_location = pb.TensorProto.EXTERNAL
        proto.external_data.extend(_entries(self._external.write(tensor)))
        return proto

    def _tensor(self, tensor: Tensor) -> pb.TensorProto:
        self._payload_bytes += tensor.nbytes
        if self._payload_bytes > _LARGEST:
            raise LimitError("the tensors exceed the 2 GiB that one protobuf message can hold; save them externally")
        proto = _without_elements(tensor)
        if isinstance(tensor._payload, Strings):
            proto.string_data.extend(tensor._payload.values)
        else:
            proto.raw_data = b"".join(tensor.chunks())
        return proto

    def _sparse_tensor(self, sparse: SparseTensor) -> pb.SparseTensorProto:
        return pb.SparseTensorProto(
            values=self._tensor(sparse.values),
            indices=self._tensor(sparse.indices),
            dims=sparse.shape,
        )

    def _function(self, function: Function) -> pb.FunctionProto:
        return pb.FunctionProto(
            name=function.name,
            domain=function.domain,
            overload=function.overload,
            input=function.inputs,
            output=function.outputs,
            attribute=function.attributes,
            attribute_proto=self._attributes(function.attribute_defaults),
            node=_each("node", function.nodes, self._node),
            opset_import=_each("opset_import", function.opset_imports, _operator_set),
            value_info=_each("value_info", function.value_infos, _value_info),
            doc_string=function.doc_string,
            metadata_props=_entries(function.metadata),
        )

    def _training_info(self, info: TrainingInfo) -> pb.TrainingInfoProto:
        return pb.TrainingInfoProto(
            initialization=_one("initialization", info.initialization, self._graph) if info.initialization else None,
            algorithm=_one("algorithm", info.algorithm, self._graph) if info.algorithm else None,
            initialization_binding=_entries(info.initialization_bindings),
            update_binding=_entries(info.update_bindings),
        )


# What protobuf and the conversions here raise for a value that does not fit its field.
_MISFITS: Final = (TypeError, ValueError, AttributeError, OverflowError)


def _one(field: str, item: _Object, convert: Callable[[_Object], _Proto]) -> _Proto:
    """Converts the object for a field, naming the field in errors."""
    try:
        return convert(item)
    except OnnxError as error:
        raise error.within(field) from error.__cause__
    except _MISFITS as error:
        raise FormatError(f"cannot be written: {error}", field) from error


def _each(field: str, items: Iterable[_Object], convert: Callable[[_Object], _Proto]) -> list[_Proto]:
    """Converts the objects for a repeated field, naming the field, the index and the name in errors."""
    protos: list[_Proto] = []
    for index, item in enumerate(items):
        name = getattr(item, "name", "") or getattr(item, "op_type", "")
        protos.append(_one(f"{field}[{index}] {quoted(str(name))}" if name else f"{field}[{index}]", item, convert))
    return protos


def _without_elements(tensor: Tensor) -> pb.TensorProto:
    return pb.TensorProto(
        dims=tensor.shape,
        data_type=tensor.dtype,
        name=tensor.name,
        doc_string=tensor.doc_string,
        metadata_props=_entries(tensor.metadata),
    )


def _value_info(info: ValueInfo) -> pb.ValueInfoProto:
    return pb.ValueInfoProto(
        name=info.name,
        type=None if info.type is None else write_type(info.type),
        doc_string=info.doc_string,
        metadata_props=_entries(info.metadata),
    )


def _annotation(annotation: TensorAnnotation) -> pb.TensorAnnotation:
    return pb.TensorAnnotation(
        tensor_name=annotation.tensor_name,
        quant_parameter_tensor_names=_entries(annotation.quant_parameter_tensor_names),
    )


def _operator_set(opset: OperatorSet) -> pb.OperatorSetIdProto:
    return pb.OperatorSetIdProto(domain=opset.domain, version=opset.version)


def _entries(mapping: Mapping[str, str]) -> list[pb.StringStringEntryProto]:
    return [pb.StringStringEntryProto(key=key, value=value) for key, value in mapping.items()]


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def _float32(value: float) -> float:
    """The same number, if float32 has it at all: protobuf would write infinity."""
    struct.pack("<f", value)
    return value
