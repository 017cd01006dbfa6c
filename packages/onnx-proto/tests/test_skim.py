"""Payloads are lifted out of the file, and nothing else changes."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import onnx_proto
from onnx_proto import DataType, FormatError, LimitError, Model, SequenceType, Tensor, TensorType, Type, ValueInfo
from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.build import graph, model, node, tensor
from onnx_proto.payload import InFile
from onnx_proto.skim import MAX_GRAPH_DEPTH, skim
from onnx_proto.source import MemorySource
from onnx_proto.testing import models

WEIGHT = np.arange(5000, dtype=np.float32)


def tensors_within(proto: Message) -> Iterator[pb.TensorProto]:
    if isinstance(proto, pb.TensorProto):
        yield proto
    for field, value in proto.ListFields():
        if field.message_type is not None:
            for inner in [value] if isinstance(value, Message) else value:
                yield from tensors_within(inner)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(models(), st.sampled_from([0, 1, 16, 200, 4096]))
def test_light_form_with_payloads_put_back_is_the_model(original: Model, threshold: int) -> None:
    data = onnx_proto.dumps(original)

    light = skim(MemorySource(data), threshold)

    proto = pb.ModelProto.FromString(light.data)
    for found in tensors_within(proto):
        if found.HasField("onnxgen_lifted_payload"):
            lifted = light.references.resolve(found.onnxgen_lifted_payload)
            assert lifted is not None
            found.ClearField("onnxgen_lifted_payload")
            found.raw_data = data[lifted.offset : lifted.offset + lifted.length]
    assert proto == pb.ModelProto.FromString(data)


@pytest.mark.parametrize("field", ["raw_data", "float_data"])
def test_large_payload_stays_in_the_file(tmp_path: Path, field: str) -> None:
    proto = pb.TensorProto(name="w", dims=[5000], data_type=pb.TensorProto.FLOAT)
    if field == "raw_data":
        proto.raw_data = WEIGHT.tobytes()
    else:
        proto.float_data.extend(WEIGHT)
    path = tmp_path / "model.onnx"
    path.write_bytes(
        pb.ModelProto(ir_version=8, graph=pb.GraphProto(initializer=[proto], name="main")).SerializeToString()
    )

    loaded = onnx_proto.load(path)

    (weight,) = loaded.graph.initializers
    assert isinstance(weight._payload, InFile)
    np.testing.assert_array_equal(weight.numpy(), WEIGHT)
    assert b"".join(weight.chunks(999)) == WEIGHT.tobytes()
    assert weight.pieces([8, 4], 4) == WEIGHT.tobytes()[8:12] + WEIGHT.tobytes()[4:8]
    assert loaded.graph.name == "main"


def test_tensor_in_memory_is_a_view_of_the_bytes() -> None:
    data = onnx_proto.dumps(model(graph([], [], [], [tensor("w", WEIGHT)])))

    array = onnx_proto.loads(data).graph.initializers[0].numpy()

    start = np.frombuffer(data, np.uint8).ctypes.data
    if (start + data.index(WEIGHT.tobytes())) % 4 == 0:
        assert start <= array.ctypes.data < start + len(data)
    assert array.flags.aligned
    assert not array.flags.writeable


def test_payload_in_several_pieces_is_left_to_protobuf() -> None:
    half = pb.TensorProto(float_data=WEIGHT[:2500]).SerializeToString()
    rest = pb.TensorProto(name="w", dims=[5000], data_type=1, float_data=WEIGHT[2500:]).SerializeToString()
    proto = pb.ModelProto(ir_version=8, graph=pb.GraphProto(initializer=[pb.TensorProto.FromString(half + rest)]))
    whole = proto.graph.initializer[0].SerializeToString()
    pieces = half + rest
    assert len(pieces) != len(whole)
    data = b"\x08\x08" + delimited(7, delimited(5, pieces))

    (weight,) = onnx_proto.loads(data).graph.initializers

    np.testing.assert_array_equal(weight.numpy(), WEIGHT)


def delimited(number: int, value: bytes) -> bytes:
    length, encoded = len(value), bytearray()
    while length >= 0x80:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([number << 3 | 2]) + encoded + bytes([length]) + value


def test_reference_that_the_file_brought_along_is_refused() -> None:
    forged = pb.TensorProto(name="w", dims=[4], data_type=1, onnxgen_lifted_payload=bytes(24))
    proto = pb.ModelProto(ir_version=8, graph=pb.GraphProto(initializer=[forged]))

    with pytest.raises(FormatError, match=r'graph\.initializer\[0\] "w": field 50613 is not ONNX\'s'):
        onnx_proto.loads(proto.SerializeToString())


def test_file_that_changed_after_loading_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx_proto.save(model(graph([], [], [], [tensor("w", WEIGHT)])), path)
    loaded = onnx_proto.load(path)
    onnx_proto.save(model(graph([], [], [], [tensor("w", WEIGHT[::-1])])), path)

    with pytest.raises(FormatError, match=r'model\.onnx: tensor "w": the file has changed since it was loaded'):
        loaded.graph.initializers[0].numpy()


def test_file_that_is_cut_while_it_is_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx_proto.save(model(graph([], [], [], [tensor("w", WEIGHT)])), path)
    chunks = onnx_proto.load(path).graph.initializers[0].chunks(64)
    next(chunks)
    os.truncate(path, path.stat().st_size // 2)

    with pytest.raises(FormatError, match=r'model\.onnx: tensor "w": the file ends \d+ bytes early, at byte \d+'):
        list(chunks)


def test_reading_without_positioned_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.preadv", raising=False)
    path = tmp_path / "model.onnx"
    onnx_proto.save(model(graph([], [], [], [tensor("w", WEIGHT)])), path)

    np.testing.assert_array_equal(onnx_proto.load(path).graph.initializers[0].numpy(), WEIGHT)


def nested(depth: int, weight: Tensor | None = None) -> Model:
    inner = graph([], [], [], [weight] if weight else [])
    for _ in range(depth - 1):
        inner = graph([node("If", ["c"], ["y"], then_branch=inner)], [], [])
    return model(inner)


@pytest.mark.parametrize("weight", [None, tensor("w", WEIGHT)], ids=["small", "large"])
def test_graphs_nest_as_deep_as_the_limit(weight: Tensor | None) -> None:
    loaded = onnx_proto.loads(onnx_proto.dumps(nested(MAX_GRAPH_DEPTH, weight)))

    inner = loaded.graph
    depth = 1
    while inner.nodes:
        inner = inner.nodes[0].attributes["then_branch"].value  # type: ignore[assignment]
        depth += 1
    assert depth == MAX_GRAPH_DEPTH
    assert [entry.name for entry in inner.initializers] == (["w"] if weight else [])


@pytest.mark.parametrize("depth", [MAX_GRAPH_DEPTH + 1, 34, 200])
def test_graphs_beyond_the_limit_are_refused(depth: int) -> None:
    with pytest.raises(LimitError, match="nested more than 30 deep"):
        onnx_proto.dumps(nested(depth))

    data = b""
    for _ in range(depth):
        data = delimited(1, delimited(5, delimited(6, data)))
    with pytest.raises(LimitError, match="nested more than 30 deep"):
        onnx_proto.loads(b"\x08\x08" + delimited(7, data)).graph.nodes  # noqa: B018


@pytest.mark.parametrize("depth", [60, 2000])
def test_types_beyond_the_limit_are_refused(depth: int) -> None:
    stated: Type = TensorType(DataType.FLOAT)
    data = b""
    for _ in range(depth):
        stated = SequenceType(stated)
        data = delimited(4, delimited(1, data))

    with pytest.raises(LimitError, match="types are nested more than 40 deep"):
        onnx_proto.dumps(model(graph([], [ValueInfo("x", stated)], [])))
    with pytest.raises(LimitError, match="nested more than the 100 deep"):
        onnx_proto.loads(b"\x08\x08" + delimited(7, delimited(11, delimited(2, data))))
