"""Fields are found on the wire where protobuf finds them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onnx_proto import FormatError
from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.wire import fields, header


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=300)), st.text(max_size=300), st.lists(st.binary(max_size=20), max_size=3))
def test_fields_are_those_that_protobuf_wrote(inputs: list[str], name: str, attributes: list[bytes]) -> None:
    node = pb.NodeProto(input=inputs, name=name, attribute=[pb.AttributeProto(s=value) for value in attributes])

    found = list(fields(node.SerializeToString()))

    assert [value.decode() for number, value in found if number == 1] == inputs
    assert [value.decode() for number, value in found if number == 3] == [name] * bool(name)
    assert [pb.AttributeProto.FromString(value).s for number, value in found if number == 5] == attributes


def test_numbers_are_passed_over() -> None:
    tensor = pb.TensorProto(dims=[1, 300], data_type=1, name="w", float_data=[1.0], onnxgen_lifted_payload=b"far")
    unknown = b"\x31" + bytes(8) + b"\x35" + bytes(4)

    assert list(fields(unknown + tensor.SerializeToString() + unknown)) == [
        (4, b"\x00\x00\x80\x3f"),
        (8, b"w"),
        (50613, b"far"),
    ]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"\x0a", "a message of 1 bytes ends in the middle of a field"),
        (b"\x0a\x02a", "a message of 3 bytes ends in the middle of a field"),
        (b"\x0a\x80", "ends in the middle"),
        (b"\x08\x80", "ends in the middle"),
        (b"\x09" + bytes(7), "ends in the middle"),
        (b"\x0d" + bytes(3), "ends in the middle"),
        (b"\x0b\x00", "no field of ONNX has wire type 3"),
        (b"\xff" * 11, "more than ten bytes"),
    ],
)
def test_broken_fields_are_refused(message: bytes, text: str) -> None:
    whole = header(3, 1) + b"n"

    with pytest.raises(FormatError, match=text):
        list(fields(message))
    assert next(fields(whole + message)) == (3, b"n")
