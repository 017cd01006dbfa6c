"""The onnx package and ours read the same files to the same values, and accept each other's bytes."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

import onnx_proto
from onnx_proto import Attribute, AttributeType, DataType, Graph, Model, Node, SparseTensor, Tensor
from onnx_proto.build import graph, model, tensor
from onnx_proto.compare import difference
from onnx_proto.testing import models
from onnx_proto.types import MapType, OptionalType, SequenceType, SparseTensorType, TensorType

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
LIGHT = sorted(DATA.glob("light/*.onnx"))
OTHERS = sorted(path for path in DATA.rglob("*.onnx") if "light" not in path.parts)


def test_there_are_models_to_compare() -> None:
    """With the 1 884 that the package generates, they are the 2 033 models of onnx 1.23's backend suite."""
    assert len(LIGHT) >= 9
    assert len(OTHERS) >= 140


@pytest.mark.parametrize("path", LIGHT + OTHERS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_models_read_equal(path: Path) -> None:
    theirs = onnx.load(path)

    ours = onnx_proto.load(path)

    assert ours.path == path
    assert_same_model(ours, theirs)


@pytest.mark.parametrize("path", LIGHT + OTHERS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_what_we_write_onnx_reads_equal(path: Path) -> None:
    ours = onnx_proto.load(path)

    data = onnx_proto.dumps(ours)

    theirs = onnx.load_from_string(data)
    onnx.checker.check_model(theirs)
    assert_same_model(ours, theirs)
    again = onnx_proto.loads(data)
    assert difference(ours, again) is None
    assert onnx_proto.dumps(again) == data


def test_the_generated_suite_reads_and_writes_equal() -> None:
    with warnings.catch_warnings(action="ignore"):  # the cases compute their expected values as they are made
        cases = [(case.name, case.model) for case in load_model_tests(kind="node") if case.model is not None]

    for name, original in cases:
        with reported_as(name):
            ours = onnx_proto.loads(original.SerializeToString())
            assert_same_model(ours, original)

            data = onnx_proto.dumps(ours)

            again = onnx_proto.loads(data)
            assert difference(ours, again) is None
            assert onnx_proto.dumps(again) == data
            theirs = onnx.load_from_string(data)
            assert_same_model(ours, theirs)
            onnx.checker.check_model(theirs)
    assert len(cases) >= 1884


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(models())
def test_any_model_passes_through_onnx_unchanged(ours: Model) -> None:
    theirs = onnx.load_from_string(onnx_proto.dumps(ours))
    theirs.DiscardUnknownFields()  # what onnx did not understand shall be missed

    again = onnx_proto.loads(theirs.SerializeToString())

    assert difference(ours, again) is None


@contextmanager
def reported_as(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(f"in case {name}")
        raise


def assert_same_model(ours: Model, theirs: onnx.ModelProto) -> None:
    assert (ours.ir_version, ours.producer_name) == (theirs.ir_version, theirs.producer_name)
    assert [(opset.domain, opset.version) for opset in ours.opset_imports] == [
        (domain_of(opset), opset.version) for opset in theirs.opset_import
    ]
    assert_same_graph(ours.graph, theirs.graph)
    assert len(ours.functions) == len(theirs.functions)
    for our_function, their_function in zip(ours.functions, theirs.functions, strict=True):
        assert (our_function.name, our_function.domain) == (their_function.name, domain_of(their_function))
        assert our_function.attributes == tuple(their_function.attribute)
        assert_same_nodes(our_function.nodes, their_function.node)


def domain_of(theirs: Any) -> str:
    return "" if theirs.domain == "ai.onnx" else theirs.domain


def assert_same_graph(ours: Graph, theirs: onnx.GraphProto) -> None:
    assert ours.name == theirs.name
    for field, our_infos in (("input", ours.inputs), ("output", ours.outputs), ("value_info", ours.value_infos)):
        assert [info.name for info in our_infos] == [info.name for info in getattr(theirs, field)]
        for our_info, their_info in zip(our_infos, getattr(theirs, field), strict=True):
            if their_info.HasField("type"):
                assert_same_type(our_info.type, their_info.type)
    assert_same_nodes(ours.nodes, theirs.node)
    assert len(ours.initializers) == len(theirs.initializer)
    for our_tensor, their_tensor in zip(ours.initializers, theirs.initializer, strict=True):
        assert_same_tensor(our_tensor, their_tensor)


def assert_same_type(ours: Any, theirs: onnx.TypeProto) -> None:
    kind = theirs.WhichOneof("value")
    assert ours.denotation == theirs.denotation
    match ours:
        case TensorType() | SparseTensorType():
            assert kind == ("tensor_type" if isinstance(ours, TensorType) else "sparse_tensor_type")
            stated = getattr(theirs, kind)
            assert ours.elem_type == stated.elem_type
            assert (ours.shape is None) is not stated.HasField("shape")
            assert (ours.shape or ()) == tuple(
                dim.dim_value if dim.HasField("dim_value") else dim.dim_param or None for dim in stated.shape.dim
            )
        case SequenceType() | OptionalType():
            assert kind == ("sequence_type" if isinstance(ours, SequenceType) else "optional_type")
            assert_same_type(ours.elem_type, getattr(theirs, kind).elem_type)
        case MapType():
            assert ours.key_type == theirs.map_type.key_type
            assert_same_type(ours.value_type, theirs.map_type.value_type)
        case _:
            pytest.fail(f"{ours} against {theirs}")


def assert_same_nodes(ours: tuple[Node, ...], theirs: Sequence[onnx.NodeProto]) -> None:
    assert len(ours) == len(theirs)
    for our_node, their_node in zip(ours, theirs, strict=True):
        assert_same_node(our_node, their_node)


def assert_same_node(ours: Node, theirs: onnx.NodeProto) -> None:
    assert (ours.op_type, ours.name, ours.domain) == (theirs.op_type, theirs.name, domain_of(theirs))
    assert (ours.inputs, ours.outputs) == (tuple(theirs.input), tuple(theirs.output))
    assert list(ours.attributes) == [attribute.name for attribute in theirs.attribute]
    for attribute in theirs.attribute:
        assert_same_attribute(ours.attributes[attribute.name], attribute)


def assert_same_attribute(ours: Attribute, theirs: onnx.AttributeProto) -> None:
    assert (ours.type.value, ours.ref_attr_name) == (theirs.type, theirs.ref_attr_name)
    if theirs.ref_attr_name:
        assert ours.value is None
        return
    expected = helper.get_attribute_value(theirs)
    if ours.type is AttributeType.TENSOR:
        assert isinstance(ours.value, Tensor)
        assert_same_tensor(ours.value, expected)
    elif ours.type is AttributeType.GRAPH:
        assert isinstance(ours.value, Graph)
        assert_same_graph(ours.value, expected)
    elif ours.type is AttributeType.STRING:
        assert ours.value == expected.decode()
    elif ours.type is AttributeType.STRINGS:
        assert ours.value == tuple(text.decode() for text in expected)
    elif ours.type is AttributeType.TYPE_PROTO:
        assert_same_type(ours.value, expected)
    elif ours.type is AttributeType.SPARSE_TENSOR:
        assert isinstance(ours.value, SparseTensor)
        assert ours.value.shape == tuple(expected.dims)
        assert_same_tensor(ours.value.values, expected.values)
        assert_same_tensor(ours.value.indices, expected.indices)
    elif isinstance(ours.value, tuple):
        assert ours.value == tuple(expected)
    else:
        assert ours.value == expected


def assert_same_tensor(ours: Tensor, theirs: onnx.TensorProto) -> None:
    assert ours.name == theirs.name
    assert_same_elements(ours, numpy_helper.to_array(theirs))
    if ours.dtype is not DataType.STRING:
        assert ours.nbytes == len(b"".join(ours.chunks(1000)))


def assert_same_elements(ours: Tensor, expected: "np.ndarray[Any, Any]") -> None:
    array = ours.numpy()
    assert array.shape == ours.shape == expected.shape
    assert array.dtype == ours.dtype.numpy_dtype
    assert not array.flags.writeable
    if expected.dtype.name in ("int4", "uint4", "int2", "uint2"):
        expected = expected.astype(array.dtype)
    elif array.dtype != expected.dtype:
        expected = expected.view(array.dtype)
    np.testing.assert_array_equal(array, expected)


FLOATS = [0.0, -0.0, 1.0, -1.5, 0.5, 3.0, 2.0, 6.0, -4.0]
ELEMENTS: dict[str, list[Any]] = {
    "FLOAT": [*FLOATS, float("inf"), 1e-40],
    "DOUBLE": [*FLOATS, 1e300],
    "FLOAT16": FLOATS,
    "BFLOAT16": FLOATS,
    "FLOAT8E4M3FN": FLOATS,
    "FLOAT8E4M3FNUZ": FLOATS,
    "FLOAT8E5M2": FLOATS,
    "FLOAT8E5M2FNUZ": FLOATS,
    "FLOAT8E8M0": [1.0, 2.0, 0.5, 2.0**100],
    "FLOAT6E2M3": FLOATS,
    "FLOAT6E3M2": FLOATS,
    "FLOAT4E2M1": FLOATS,
    "COMPLEX64": [1 + 2j, -3.5j],
    "COMPLEX128": [1 + 2j, 1e300j],
    "BOOL": [True, False, True],
    "INT8": [-128, 127, 0],
    "UINT8": [0, 255],
    "INT16": [-32768, 32767],
    "UINT16": [0, 65535],
    "INT32": [-(2**31), 2**31 - 1],
    "UINT32": [0, 2**32 - 1],
    "INT64": [-(2**63), 2**63 - 1],
    "UINT64": [2**63, 2**64 - 1],
    "INT4": [-8, 7, -1, 0, 3],
    "UINT4": [0, 15, 8],
    "INT2": [-2, 1, -1, 0, 1],
    "UINT2": [0, 3, 1, 2, 3, 3, 1],
}


def test_every_type_is_in_the_table() -> None:
    assert {*ELEMENTS, "UNDEFINED", "STRING"} == set(DataType.__members__)
    assert {name: dtype.value for name, dtype in DataType.__members__.items()} == dict(
        onnx.TensorProto.DataType.items()
    )


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
@pytest.mark.parametrize("name", ELEMENTS)
def test_elements_of_every_type_read_equal(name: str, raw: bool) -> None:
    dtype = DataType[name]
    values = np.array(ELEMENTS[name]).astype(helper.tensor_dtype_to_np_dtype(dtype.value))
    theirs = numpy_helper.from_array(values, "w") if raw else typed(dtype, values)
    assert theirs.HasField("raw_data") is raw

    (ours,) = read_initializers(theirs)

    assert (ours.dtype, ours.size) == (dtype, values.size)
    assert_same_elements(ours, values)
    assert_same_elements(ours, numpy_helper.to_array(theirs))


@pytest.mark.parametrize("name", ELEMENTS)
def test_tensors_we_make_onnx_reads_equal(name: str) -> None:
    values = np.array(ELEMENTS[name]).astype(helper.tensor_dtype_to_np_dtype(DataType[name].value))

    made = tensor("w", values)

    data = onnx_proto.dumps(model(graph([], [], [], [made])))
    (theirs,) = onnx.load_from_string(data).graph.initializer
    again = numpy_helper.to_array(theirs)
    assert again.dtype == values.dtype
    assert again.tobytes() == values.tobytes()


def typed(dtype: DataType, values: "np.ndarray[Any, Any]") -> onnx.TensorProto:
    if dtype.bits in (2, 4):  # onnx's own helper writes one element a number here, its specification says a byte
        proto = onnx.TensorProto(name="w", data_type=dtype.value, dims=values.shape)
        proto.int32_data.extend(numpy_helper.from_array(values).raw_data)
        return proto
    return helper.make_tensor("w", dtype.value, values.shape, values)


def read_initializers(*theirs: onnx.TensorProto) -> tuple[Tensor, ...]:
    proto = helper.make_model(helper.make_graph([], "g", [], [], initializer=theirs))
    return onnx_proto.loads(proto.SerializeToString()).graph.initializers


def test_labels_are_the_names_of_numpy_and_ml_dtypes() -> None:
    for name in ELEMENTS:
        label = DataType[name].label
        dtype = np.dtype(getattr(ml_dtypes, label)) if hasattr(ml_dtypes, label) else np.dtype(label)
        assert DataType.of(dtype) is DataType.of(label) is DataType.of(name) is DataType[name]


def test_strings_read_equal() -> None:
    theirs = onnx.TensorProto(data_type=onnx.TensorProto.STRING, dims=[2, 1], string_data=["æøå".encode(), b""])

    (ours,) = read_initializers(theirs)

    assert ours.numpy().tolist() == [["æøå"], [""]]
    assert ours.nbytes == 6


def test_strings_that_are_not_utf8_survive() -> None:
    theirs = onnx.TensorProto(data_type=onnx.TensorProto.STRING, dims=[1], string_data=[b"\xff\xfe"])

    (ours,) = read_initializers(theirs)

    assert ours.numpy()[0].encode(errors="surrogateescape") == b"\xff\xfe"
