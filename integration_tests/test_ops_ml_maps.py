"""Maps of ai.onnx.ml, as inputs and outputs of converted models, against ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from codegen_torch.errors import UnsupportedError
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper

FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING
NAMES, PLACES = {"string_vocabulary": ["c", "b", "a"]}, {"int64_vocabulary": [3, 1]}


def map_type(key: int, element: int) -> onnx.TypeProto:
    return helper.make_map_type_proto(key, helper.make_tensor_type_proto(element, []))


def model_of(op: str, given: onnx.TypeProto, result: onnx.TypeProto, attributes: dict[str, Any]) -> onnx.ModelProto:
    node = helper.make_node(op, ["x"], ["y"], domain="ai.onnx.ml", **attributes)
    x, y = (helper.make_value_info(name, stated) for name, stated in (("x", given), ("y", result)))
    graph = helper.make_graph([node], "maps", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx.ml", 1)], ir_version=9)


def converted(model: onnx.ModelProto, folder: Path) -> torch.nn.Module:
    (folder / "maps.onnx").write_bytes(model.SerializeToString())
    convert(folder / "maps.onnx", folder / "out")
    return import_model(folder / "out").load_model()


@pytest.mark.parametrize(
    ("op", "x", "types", "attributes"),
    [
        *(
            ("CastMap", {3: 0.1, 1: 2.7, 0: -1.5}, (INT64, FLOAT, kind), {"cast_to": to})
            for to, kind in (("TO_FLOAT", FLOAT), ("TO_INT64", INT64), ("TO_STRING", STRING))
        ),
        ("CastMap", {3: 0.1, 7: 2.7}, (INT64, FLOAT, FLOAT), {"map_form": "SPARSE", "max_map": 5}),
        ("DictVectorizer", {"a": 0.1, "c": 5.0, "z": 1.0}, (STRING, FLOAT, FLOAT), NAMES),
        ("DictVectorizer", {1: 0.5}, (INT64, FLOAT, FLOAT), PLACES),
    ],
    ids=str,
)
def test_maps_to_tensors(op: str, x: Any, types: tuple[int, int, int], attributes: Any, tmp_path: Path) -> None:
    key, element, result = types
    model = model_of(op, map_type(key, element), helper.make_tensor_type_proto(result, None), attributes)
    (wanted,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    found = converted(model, tmp_path)(x)
    assert np.asarray(found).tolist() == wanted.tolist()
    assert result == STRING or found.numpy().dtype == wanted.dtype


@pytest.mark.parametrize(
    ("op", "x", "types", "attributes", "wanted"),
    [
        ("CastMap", {3: "0.1", 1: "2.7"}, (INT64, STRING, INT64), {"cast_to": "TO_INT64"}, [[2, 0]]),
        ("CastMap", {3: "x", 1: "y"}, (INT64, STRING, STRING), {"cast_to": "TO_STRING"}, [["y", "x"]]),
        ("DictVectorizer", {1: "x"}, (INT64, STRING, STRING), PLACES, [["", "x"]]),
        ("DictVectorizer", {"a": 2, "c": 5}, (STRING, INT64, INT64), NAMES, [[5, 0, 2]]),
        ("DictVectorizer", {"a": 0.1}, (STRING, DOUBLE, DOUBLE), NAMES, [[0, 0, 0.1]]),
    ],
    ids=str,
)
def test_maps_that_onnx_runtime_takes_none_of_from_python(
    op: str, x: Any, types: tuple[int, int, int], attributes: Any, wanted: Any, tmp_path: Path
) -> None:
    key, element, result = types
    model = model_of(op, map_type(key, element), helper.make_tensor_type_proto(result, None), attributes)
    assert np.asarray(converted(model, tmp_path)(x)).tolist() == wanted


@pytest.mark.parametrize("x", [np.float32([[0.1, 0.9], [0.4, 0.6]]), np.float32([0.1, 0.9])], ids=["rows", "row"])
@pytest.mark.parametrize("labels", [{"classlabels_strings": ["a", "b"]}, {"classlabels_int64s": [5, 3]}], ids=str)
def test_tensors_to_maps(labels: dict[str, Any], x: np.ndarray, tmp_path: Path) -> None:
    result = helper.make_sequence_type_proto(map_type(STRING if "classlabels_strings" in labels else INT64, FLOAT))
    sizes = ["n"] if x.ndim == 1 else ["n", 2]
    model = model_of("ZipMap", helper.make_tensor_type_proto(FLOAT, sizes), result, labels)
    (wanted,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    assert converted(model, tmp_path)(torch.from_numpy(x)) == wanted


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"cast_to": "TO_BOOL"}, "TO_BOOL"),
        ({"cast_to": "TO_STRING", "map_form": "SPARSE"}, "sparse map"),
    ],
    ids=str,
)
def test_refusals(attributes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    model = model_of("CastMap", map_type(INT64, FLOAT), helper.make_tensor_type_proto(STRING, None), attributes)
    with pytest.raises(UnsupportedError, match=reason):
        converted(model, tmp_path)
