"""Each malformed model gives its own error, which names the place and the reason."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import onnx_proto
from onnx_proto import FormatError, LimitError, OnnxError, UnsupportedTypeError
from onnx_proto._generated import onnxgen_onnx_pb2 as pb
from onnx_proto.build import attribute, graph, model, node, tensor, value
from onnx_proto.lazy import complete

Change = Callable[[pb.ModelProto], object]


def valid() -> pb.ModelProto:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    made = model(
        graph(
            [node("Conv", ["x", "w"], ["y"], name="Conv_3", pads=[1, 1], group=1, mode="same", alpha=0.5)],
            [value("x", "float32", ["batch", 3])],
            [value("y")],
            [tensor("w", weight), tensor("i", [1, 2, 3])],
        )
    )
    return pb.ModelProto.FromString(onnx_proto.dumps(made))


def read(data: bytes) -> onnx_proto.Model:
    """A model of which nothing is left to be read later."""
    loaded = onnx_proto.loads(data)
    complete(loaded)
    complete(loaded.graph)
    return loaded


def weight(**fields: object) -> Change:
    def change(proto: pb.ModelProto) -> None:
        entry = proto.graph.initializer[0]
        if {"float_data", "int32_data", "int64_data", "uint64_data", "string_data"} & fields.keys():
            entry.ClearField("raw_data")
        entry.MergeFrom(pb.TensorProto(**fields))  # type: ignore[arg-type]

    return change


def typed(data_type: int, dims: list[int], **fields: object) -> Change:
    def change(proto: pb.ModelProto) -> None:
        entry = pb.TensorProto(name="w", data_type=data_type, dims=dims, **fields)  # type: ignore[arg-type]
        proto.graph.initializer[0].CopyFrom(entry)

    return change


def pads(proto: pb.ModelProto) -> pb.AttributeProto:
    return proto.graph.node[0].attribute[0]


T = pb.TensorProto
MALFORMED: dict[str, tuple[Change, type[OnnxError], str]] = {
    "no graph": (lambda m: m.ClearField("graph"), FormatError, "no field for a graph"),
    "no ir_version": (lambda m: m.ClearField("ir_version"), FormatError, "no field for an ir_version"),
    "negative dimension": (
        typed(T.FLOAT, [-2, 3], float_data=[1.0] * 6),
        FormatError,
        r'graph.initializer[0] "w": shape [-2, 3] has a negative dimension',
    ),
    "too few bytes": (
        typed(T.FLOAT, [2, 3], raw_data=bytes(23)),
        FormatError,
        r'graph.initializer[0] "w": raw_data has 23 bytes, 6 elements of FLOAT need 24',
    ),
    "too many bytes": (typed(T.FLOAT, [2, 3], raw_data=bytes(25)), FormatError, "raw_data has 25 bytes"),
    "too few numbers": (
        typed(T.FLOAT, [2, 3], float_data=[1.0] * 5),
        FormatError,
        "float_data has 5 entries, 6 elements need 6",
    ),
    "half a complex number": (
        typed(T.COMPLEX64, [1], float_data=[1.0]),
        FormatError,
        "has 1 entries, 1 elements need 2",
    ),
    "too many nibbles": (typed(T.INT4, [3], int32_data=[1, 2, 3]), FormatError, "has 3 entries, 3 elements need 2"),
    "too few strings": (typed(T.STRING, [2], string_data=[b"a"]), FormatError, "string_data has 1 entries"),
    "no elements": (typed(T.FLOAT, [2, 3]), FormatError, "no elements are given for shape [2, 3]"),
    "raw and typed": (
        typed(T.FLOAT, [1], raw_data=bytes(4), float_data=[1.0]),
        FormatError,
        "elements are given twice, by float_data and raw_data",
    ),
    "two typed": (
        typed(T.FLOAT, [1], float_data=[1.0], int32_data=[1]),
        FormatError,
        "elements are given twice, by float_data and int32_data",
    ),
    "wrong typed field": (
        typed(T.FLOAT, [1], int64_data=[1]),
        FormatError,
        "elements of FLOAT are given by int64_data, not float_data",
    ),
    "raw strings": (typed(T.STRING, [1], raw_data=b"a"), FormatError, "given by raw_data, not string_data"),
    "int8 out of range": (typed(T.INT8, [1], int32_data=[300]), FormatError, "does not fit the 8 bits of INT8"),
    "float6 out of range": (typed(T.FLOAT6E2M3, [1], int32_data=[64]), FormatError, "does not fit the 6 bits"),
    "uint32 out of range": (typed(T.UINT32, [1], uint64_data=[1 << 32]), FormatError, "does not fit UINT32"),
    "no data type": (typed(T.UNDEFINED, [1], raw_data=b"a"), FormatError, "the tensor has no data type"),
    "unknown data type": (
        typed(99, [1], raw_data=b"a"),
        UnsupportedTypeError,
        r'graph.initializer[0] "w": data type 99 is none that ONNX defines',
    ),
    "unknown data location": (weight(data_location=7), UnsupportedTypeError, "data location 7"),
    "segment": (weight(segment=T.Segment(begin=0, end=3)), UnsupportedTypeError, "segment"),
    "size beyond 64 bits": (typed(T.FLOAT, [1 << 62, 1 << 62], raw_data=bytes(4)), FormatError, "raw_data has 4 bytes"),
    "same name twice": (
        lambda m: m.graph.initializer.add().CopyFrom(m.graph.initializer[0]),
        FormatError,
        'graph: two initializers are called "w"',
    ),
    "same name dense and sparse": (
        lambda m: m.graph.sparse_initializer.add(
            values=T(name="w", dims=[0], data_type=1), indices=T(dims=[0], data_type=7), dims=[3]
        ),
        FormatError,
        'two initializers are called "w"',
    ),
    "negative sparse dimension": (
        lambda m: m.graph.sparse_initializer.add(
            values=T(name="s", dims=[0], data_type=1), indices=T(dims=[0], data_type=7), dims=[-3]
        ),
        FormatError,
        "graph.sparse_initializer[0]: shape [-3] has a negative dimension",
    ),
    "sparse without values": (
        lambda m: m.graph.sparse_initializer.add(dims=[3]),
        FormatError,
        "graph.sparse_initializer[0].values: the tensor has no data type",
    ),
    "attribute twice": (
        lambda m: m.graph.node[0].attribute.add().CopyFrom(pads(m)),
        FormatError,
        r'graph.node[0] "Conv_3".attribute["pads"]: the attribute is given twice',
    ),
    "attribute of another type": (
        lambda m: pads(m).MergeFrom(pb.AttributeProto(type="FLOATS")),
        FormatError,
        r'graph.node[0] "Conv_3".attribute["pads"]: states type FLOATS, and has a value of type INTS',
    ),
    "attribute of two types": (lambda m: setattr(pads(m), "i", 3), FormatError, "has a value of type INT"),
    "attribute of unknown type": (lambda m: setattr(pads(m), "type", 77), UnsupportedTypeError, "attribute type 77"),
    "attribute without type or value": (
        lambda m: pads(m).CopyFrom(pb.AttributeProto(name="pads")),
        FormatError,
        "states no type, and has 0 values",
    ),
    "reference with value": (
        lambda m: setattr(pads(m), "ref_attr_name", "p"),
        FormatError,
        'both refers to attribute "p" and has a value',
    ),
    "tensor attribute without tensor": (
        lambda m: pads(m).CopyFrom(pb.AttributeProto(name="pads", type="TENSOR")),
        FormatError,
        "an attribute of type TENSOR has no value",
    ),
    "bad tensor in an attribute": (
        lambda m: pads(m).CopyFrom(pb.AttributeProto(name="pads", type="TENSORS", tensors=[T(data_type=1, dims=[3])])),
        FormatError,
        r'graph.node[0] "Conv_3".attribute["pads"].tensors[0]: no elements',
    ),
    "unknown element type of an input": (
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", 99),
        UnsupportedTypeError,
        r'graph.input[0] "x".type: data type 99',
    ),
    "empty type in an attribute": (
        lambda m: pads(m).CopyFrom(pb.AttributeProto(name="pads", type="TYPE_PROTO", tp=pb.TypeProto())),
        FormatError,
        "the type is empty",
    ),
    "bad node in a function": (
        lambda m: m.functions.add(name="f", node=[pb.NodeProto(op_type="Op", attribute=[pb.AttributeProto(name="a")])]),
        FormatError,
        r'functions[0] "f".node[0] "Op".attribute["a"]: states no type',
    ),
}


def test_the_model_that_the_table_damages_is_valid() -> None:
    onnx_proto.loads(valid().SerializeToString())


@pytest.mark.parametrize(("change", "error", "text"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_model(change: Change, error: type[OnnxError], text: str) -> None:
    proto = valid()
    change(proto)

    with pytest.raises(OnnxError) as caught:
        read(proto.SerializeToString())

    assert type(caught.value) is error
    assert text in str(caught.value)


def test_error_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\x08")

    with pytest.raises(FormatError) as caught:
        onnx_proto.load(path)

    assert str(caught.value).startswith(f"{path}: ")


def test_error_in_a_list_that_is_read_later_names_the_same(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    proto = valid()
    pads(proto).type = 77  # type: ignore[assignment]
    path.write_bytes(proto.SerializeToString())
    loaded = onnx_proto.load(path)

    for _ in range(2):  # every time that somebody asks
        with pytest.raises(UnsupportedTypeError) as caught:
            loaded.graph.nodes  # noqa: B018
        assert str(caught.value).startswith(f'{path}: graph.node[0] "Conv_3".attribute["pads"]: attribute type 77')


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "the file is empty"),
        (b"\x00" * 100, "not a serialized ModelProto"),
        (b"<!DOCTYPE html><html></html>", "no field of ONNX has wire type 4"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "wire type"),
        (b"PK\x03\x04" + bytes(50), "byte"),
        (b"\xff" * 40, "more than ten bytes"),
        (b"\x08\x08\x12\x02\xff\xff", "not a serialized ModelProto"),
    ],
    ids=["empty", "zeros", "html", "lfs pointer", "zip", "ones", "producer name not UTF-8"],
)
def test_not_a_model(data: bytes, text: str) -> None:
    with pytest.raises(FormatError, match=text):
        onnx_proto.loads(data)


def test_truncated_at_every_byte() -> None:
    data = valid().SerializeToString()
    whole = read(data)

    for length in range(len(data)):
        try:
            loaded = read(data[:length])
        except FormatError:
            continue
        # Cut exactly between two fields of the model, what remains is a shorter model.
        assert len(loaded.opset_imports) < len(whole.opset_imports)


def test_only_regular_files_are_models(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="not a regular file"):
        onnx_proto.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        onnx_proto.load(tmp_path / "missing.onnx")


def test_boolean_other_than_zero_and_one_is_refused_when_read() -> None:
    proto = valid()
    typed(T.BOOL, [2], raw_data=b"\x01\x02")(proto)
    loaded = onnx_proto.loads(proto.SerializeToString())

    with pytest.raises(FormatError, match='tensor "w": a boolean is neither 0 nor 1'):
        loaded.graph.initializers[0].numpy()


def test_more_dimensions_than_numpy_has() -> None:
    proto = valid()
    typed(T.FLOAT, [1] * 70, raw_data=bytes(4))(proto)
    loaded = onnx_proto.loads(proto.SerializeToString())

    with pytest.raises(LimitError, match="numpy cannot hold"):
        loaded.graph.initializers[0].numpy()


@pytest.mark.parametrize("dims", [[0, 1 << 62], [0, 1 << 62, 1 << 62], [(1 << 63) - 1, 0]])
@pytest.mark.parametrize("dtype", [T.FLOAT, T.STRING])
def test_nothing_in_a_huge_shape(dims: list[int], dtype: int) -> None:
    proto = valid()
    typed(dtype, dims)(proto)
    (loaded, *_) = onnx_proto.loads(proto.SerializeToString()).graph.initializers

    assert (loaded.size, loaded.nbytes) == (0, 0)
    with pytest.raises(LimitError, match="numpy cannot hold"):
        loaded.numpy()


def test_names_in_errors_are_one_bounded_line() -> None:
    proto = valid()
    proto.graph.node[0].name = "evil\n\x1b[31m" + "x" * 1000
    pads(proto).type = 77  # type: ignore[assignment]

    with pytest.raises(UnsupportedTypeError) as caught:
        read(proto.SerializeToString())

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 250


def test_attribute_without_stated_type_is_known_by_its_field() -> None:
    proto = valid()
    pads(proto).ClearField("type")

    loaded = onnx_proto.loads(proto.SerializeToString())

    pads_read = loaded.graph.nodes[0].attributes["pads"]
    assert (pads_read.type, pads_read.value) == (attribute("pads", [1, 1]).type, (1, 1))


@pytest.mark.parametrize(
    ("kind", "expected"), [("INT", 0), ("FLOAT", 0.0), ("STRING", ""), ("INTS", ()), ("GRAPHS", ())]
)
def test_zero_that_was_not_written_is_read(kind: str, expected: object) -> None:
    proto = valid()
    pads(proto).CopyFrom(pb.AttributeProto(name="pads", type=kind))

    assert onnx_proto.loads(proto.SerializeToString()).graph.nodes[0].attributes["pads"].value == expected


def test_ai_onnx_is_the_default_domain() -> None:
    proto = valid()
    proto.graph.node[0].domain = proto.opset_import[0].domain = "ai.onnx"

    loaded = onnx_proto.loads(proto.SerializeToString())

    assert loaded.graph.nodes[0].domain == loaded.opset_imports[0].domain == ""
