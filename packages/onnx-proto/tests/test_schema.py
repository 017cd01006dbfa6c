"""Our schema says what the official one says, and lives beside it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping

import onnx
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from onnx_proto import AttributeType, DataType
from onnx_proto._generated import onnxgen_onnx_pb2 as pb

OURS_ALONE = {("TensorProto", "onnxgen_lifted_payload")}
FieldFacts = tuple[int, str, int, bool, str]


def test_every_field_is_the_official_one() -> None:
    ours = dict(fields(pb.DESCRIPTOR.message_types_by_name, "onnxgen.onnx."))
    theirs = dict(fields(onnx.onnx_ml_pb2.DESCRIPTOR.message_types_by_name, "onnx."))

    official = {name: facts for name, facts in ours.items() if name not in OURS_ALONE and "Shallow" not in name[0]}
    assert official == theirs


@pytest.mark.parametrize("name", [name for name in pb.DESCRIPTOR.message_types_by_name if name.startswith("Shallow")])
def test_shallow_messages_have_bytes_for_lists_of_messages_and_else_the_same(name: str) -> None:
    whole = pb.DESCRIPTOR.message_types_by_name[name.removeprefix("Shallow")]
    shallow = dict(fields({name: pb.DESCRIPTOR.message_types_by_name[name]}, "onnxgen.onnx."))

    expected = {}
    for (_, field), (number, type_name, kind, repeated, oneof) in fields({name: whole}, "onnxgen.onnx."):
        if kind == FieldDescriptor.TYPE_MESSAGE and repeated:
            type_name, kind = "", FieldDescriptor.TYPE_BYTES
        elif kind == FieldDescriptor.TYPE_ENUM:
            type_name, kind = "", FieldDescriptor.TYPE_INT32
        elif f"Shallow{type_name}" in pb.DESCRIPTOR.message_types_by_name:
            type_name = f"Shallow{type_name}"
        expected[(name, field)] = (number, type_name, kind, repeated, oneof)
    assert shallow == expected


def fields(messages: Mapping[str, Descriptor], package: str) -> Iterator[tuple[tuple[str, str], FieldFacts]]:
    for name, message in messages.items():
        proto = descriptor_pb2.DescriptorProto()
        message.CopyToProto(proto)
        for field, stated in zip(message.fields, proto.field, strict=True):
            type_name = stated.type_name.removeprefix(f".{package}")
            repeated = stated.label == stated.LABEL_REPEATED
            oneof = field.containing_oneof.name if field.containing_oneof and not stated.proto3_optional else ""
            yield (name, field.name), (stated.number, type_name, stated.type, repeated, oneof)
        yield from (
            ((f"{name}.{inner}", field), facts)
            for (inner, field), facts in fields(message.nested_types_by_name, package)
        )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (pb.TensorProto.DataType.items(), onnx.TensorProto.DataType.items()),
        (pb.AttributeProto.AttributeType.items(), onnx.AttributeProto.AttributeType.items()),
        ([(dtype.name, dtype.value) for dtype in DataType], onnx.TensorProto.DataType.items()),
        (
            [("UNDEFINED", 0), *((kind.name, kind.value) for kind in AttributeType)],
            onnx.AttributeProto.AttributeType.items(),
        ),
    ],
    ids=["data types", "attribute types", "DataType", "AttributeType"],
)
def test_every_number_is_the_official_one(ours: list[tuple[str, int]], theirs: list[tuple[str, int]]) -> None:
    assert dict(ours) == dict(theirs)


@pytest.mark.parametrize("order", ["onnx, onnx_proto", "onnx_proto, onnx"])
def test_both_packages_live_in_one_process(order: str) -> None:
    code = f"""
import {order}
from onnx_proto.build import graph, model
theirs = onnx.load_from_string(onnx_proto.dumps(model(graph([], ["x"], []))))
assert onnx_proto.loads(theirs.SerializeToString()).graph.inputs[0].name == "x"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_brings_numpy_and_protobuf_alone() -> None:
    code = """
import sys
import onnx_proto
heavy = {"onnx", "torch", "ml_dtypes", "hypothesis", "google.protobuf.json_format"}
sys.exit(f"imported {sorted(heavy & sys.modules.keys())}" if heavy & sys.modules.keys() else 0)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
