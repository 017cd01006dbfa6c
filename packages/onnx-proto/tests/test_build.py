"""Models made by hand say what was meant, and what ONNX cannot hold is refused."""

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

import onnx_proto
from onnx_proto import (
    Attribute,
    AttributeType,
    DataType,
    FormatError,
    OnnxError,
    OptionalType,
    Tensor,
    TensorType,
    UnsupportedTypeError,
)
from onnx_proto.build import attribute, function, graph, model, node, ref, sparse_tensor, tensor, value
from onnx_proto.compare import difference


def test_model_passes_the_official_checker(tmp_path: Path) -> None:
    weight = np.ones((8, 3, 3, 3), np.float32)
    branch = graph([node("Identity", ["y"], ["z"])], [], [value("z", "float32", ["batch", 8, 10, 10])])
    made = model(
        graph(
            [
                node("Conv", ["x", "w"], ["y"], strides=[1, 1], name="conv"),
                node("If", ["flag"], ["out"], then_branch=branch, else_branch=branch),
                node("Twice", ["out"], ["twice"], domain="local", factor=2.0),
            ],
            [value("x", "float32", ["batch", 3, 12, 12]), value("flag", DataType.BOOL, [])],
            [value("twice", "float32", ["batch", 8, 10, 10])],
            [tensor("w", weight)],
        ),
        functions=[
            function(
                "Twice",
                ["a"],
                ["b"],
                [
                    node("Constant", [], ["f"], value_float=ref("factor", AttributeType.FLOAT)),
                    node("Mul", ["a", "f"], ["b"]),
                ],
                domain="local",
                attributes=["factor"],
            )
        ],
        opset_imports={"": 20, "local": 1},
    )

    onnx_proto.save(made, tmp_path / "model.onnx")

    onnx.checker.check_model(onnx.load(tmp_path / "model.onnx"), full_check=True)
    again = onnx_proto.load(tmp_path / "model.onnx")
    assert difference(made, again) is None
    assert again.functions[0].nodes[0].attributes["value_float"].ref_attr_name == "factor"


def test_saved_file_has_the_permissions_of_a_new_file(tmp_path: Path) -> None:
    onnx_proto.save(model(graph([], [], [])), tmp_path / "model.onnx")
    (tmp_path / "plain").touch()

    assert (tmp_path / "model.onnx").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        (3, "INT", 3),
        (True, "INT", 1),
        (np.int32(3), "INT", 3),
        (0.1, "FLOAT", float(np.float32(0.1))),
        (float("inf"), "FLOAT", float("inf")),
        ("same", "STRING", "same"),
        (b"\xff", "STRING", "\udcff"),
        ([1, 2], "INTS", (1, 2)),
        ((1, 0.5), "FLOATS", (1.0, 0.5)),
        (["a", "b"], "STRINGS", ("a", "b")),
        (TensorType(DataType.FLOAT, (1,)), "TYPE_PROTO", TensorType(DataType.FLOAT, (1,))),
        (Attribute("", AttributeType.INTS, ()), "INTS", ()),
    ],
)
def test_attribute_takes_its_type_from_the_value(given: object, kind: str, expected: object) -> None:
    made = attribute("a", given)

    assert (made.name, made.type.name, made.value) == ("a", kind, expected)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ([], UnsupportedTypeError),
        ({"a": 1}, UnsupportedTypeError),
        ([1, "a"], UnsupportedTypeError),
        (1 << 63, FormatError),
        (1e300, FormatError),
        (1j, UnsupportedTypeError),
    ],
)
def test_attribute_that_onnx_cannot_hold(given: object, error: type[OnnxError]) -> None:
    with pytest.raises(error):
        attribute("a", given)


def test_none_leaves_an_attribute_out() -> None:
    assert node("Conv", [], [], strides=None).attributes == {}


def test_array_becomes_a_tensor_attribute() -> None:
    made = attribute("value", np.array([1, 2], np.int64)).value

    assert isinstance(made, Tensor)
    assert made.numpy().tolist() == [1, 2]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([1.5, 2.0], None, "FLOAT"),
        ([1, 2], None, "INT64"),
        (True, None, "BOOL"),
        (np.array([1.5]), None, "DOUBLE"),
        (np.array([1], np.int32), None, "INT32"),
        ([1, 2], "float16", "FLOAT16"),
        ([1, 2], DataType.UINT8, "UINT8"),
        ([1, -2], "int4", "INT4"),
        (np.array([1, 2], ml_dtypes.bfloat16), None, "BFLOAT16"),
        (np.array([1, 2], np.uint16), "bfloat16", "BFLOAT16"),
        (np.array([1, 63], np.uint8), "float6_e2m3fn", "FLOAT6E2M3"),
        (["a", "b"], None, "STRING"),
        (np.array([[1, 2], [3, 4]]).T, None, "INT64"),
        (np.arange(3, dtype=">i4"), None, "INT32"),
    ],
)
def test_tensor_takes_its_type_from_the_values(values: object, dtype: DataType | str | None, expected: str) -> None:
    made = tensor("t", values, dtype)  # type: ignore[arg-type]

    assert made.dtype.name == expected
    array = np.asarray(values)
    assert made.shape == array.shape
    if array.dtype == ml_dtypes.bfloat16:
        array = array.view(np.uint16)
    assert made.numpy().tolist() == array.tolist()


@pytest.mark.parametrize(
    ("values", "dtype", "error"),
    [
        ([8], "int4", FormatError),
        ([4], "uint2", FormatError),
        ([1.0], "bfloat16", UnsupportedTypeError),
        (np.array([64], np.uint8), "float6_e2m3fn", FormatError),
        ([1.0], "float7", UnsupportedTypeError),
        (np.array(["2020-01-01"], "datetime64[D]"), None, UnsupportedTypeError),
    ],
)
def test_tensor_that_onnx_cannot_hold(values: object, dtype: str | None, error: type[OnnxError]) -> None:
    with pytest.raises(error):
        tensor("t", values, dtype)  # type: ignore[arg-type]


def test_values_state_types() -> None:
    assert value("x", "float32", ["n", 3, None]).type == TensorType(DataType.FLOAT, ("n", 3, None))
    assert value("x", "float32").type == TensorType(DataType.FLOAT, None)
    assert value("x").type is None
    assert value("x", OptionalType(None)).type == OptionalType(None)


def test_sparse_initializer_is_filed_apart() -> None:
    made = graph([], [], [], [tensor("d", [1.0]), sparse_tensor("s", [1.0], [2], [5])])

    assert [entry.name for entry in made.initializers] == ["d"]
    assert [entry.name for entry in made.sparse_initializers] == ["s"]


@pytest.mark.parametrize(
    ("broken", "place"),
    [
        (node("Op", [], [], attributes={"a": Attribute("a", AttributeType.INT, "text")}), 'attribute[0] "a"'),
        (node("Op", [], [], attributes={"a": Attribute("a", AttributeType.FLOAT, 1e300)}), 'attribute[0] "a"'),
        (node("Op", [], [], attributes={"a": Attribute("a", AttributeType.TENSORS, 3)}), 'attribute[0] "a"'),
        (onnx_proto.Node("Op", inputs=("\ud800",)), 'node[0] "Op"'),
    ],
)
def test_object_that_the_format_cannot_hold_is_refused(broken: onnx_proto.Node, place: str) -> None:
    with pytest.raises(FormatError) as caught:
        onnx_proto.dumps(model(graph([broken], [], [])))

    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second", "place"),
    [
        (attribute("a", 0.0), attribute("a", -0.0), "Attribute.value: "),
        (attribute("a", 1), attribute("a", 1.0), "Attribute.type: "),
        (attribute("a", [1, 2]), attribute("a", [1, 3]), "Attribute.value[1]: 2 against 3"),
        (tensor("t", [1.0]), tensor("t", [2.0]), "the elements of tensor 't' differ"),
        (tensor("t", [1, 2]), tensor("t", [[1, 2]]), "differ"),
        (tensor("t", ["a"]), tensor("t", ["b"]), "differ"),
        (node("A", ["x"], []), node("A", ["x", "y"], []), "Node.inputs: 1 entries against 2"),
        (node("A", [], [], x=1), node("A", [], [], y=1), "Node.attributes: keys"),
    ],
)
def test_difference_names_the_place(first: object, second: object, place: str) -> None:
    found = difference(first, second)

    assert found is not None
    assert place in found
    assert difference(first, first) is None


def test_nan_is_no_difference() -> None:
    assert difference(attribute("a", float("nan")), attribute("a", float("nan"))) is None
