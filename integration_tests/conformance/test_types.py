"""The suite's operators on the element types that torch stores but has few kernels for.

The suite has most of its cases in float32. Here the inputs of each, made small whole numbers, are of every such type
that ONNX allows the operator on, and the reference implementation tells what must come out.
"""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
import torch
from arrays import narrowed, to_numpy, to_torch
from codegen_torch.dtypes import DType
from codegen_torch.pipeline import convert
from converted import import_model
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from suite import Case, cases

TYPES = ("UINT16", "UINT32", "UINT64", "FLOAT8E4M3FN", "FLOAT8E8M0", "FLOAT4E2M1", "INT4", "UINT2", "COMPLEX64")
PER_OPERATOR = 2

# Where there is no answer to compare with, or torch has none.
LEFT_OUT = {
    "GridSample": "ONNX does not say how an integer is rounded that lies between two others",
    "Shrink": "nor how one is shifted by a fraction",
    "Resize": "nor how one is rounded that was interpolated",
    "QLinearMatMul": "the reference computes float8 as integers",
    "Dropout": "the reference draws random numbers, and is no inference otherwise",
    ("Scan", "COMPLEX64"): "the bodies add, which ONNX does not do to complex numbers",
    ("ScatterElements", "COMPLEX64"): "complex numbers have no order, whatever their type is allowed for",
    ("ScatterND", "COMPLEX64"): "complex numbers have no order, whatever their type is allowed for",
    ("Unique", "COMPLEX64"): "torch sorts no complex numbers",
    ("Pad", "COMPLEX64"): "torch pads with no complex number",
    ("Col2Im", "UINT64"): "torch adds neither uint64 nor int64 up here",
}


class Typed(NamedTuple):
    """A case in another type.

    Attributes:
        model: The model.
        inputs: The inputs.
        wanted: What must come out.
        outputs: The type of each output that has the type of the first input; None for others.
    """

    model: onnx.ModelProto
    inputs: list[np.ndarray]
    wanted: list[Any]
    outputs: list[str | None]


def parameter(formal: Any, position: int) -> str:
    """The name of the type of an input or output."""
    return formal[min(position, len(formal) - 1)].type_str


@functools.cache
def combinations() -> dict[str, tuple[Case, str]]:
    """The cases of one node, so many per operator, with each of the types it may have."""
    return dict(_combinations())


def _combinations() -> Iterator[tuple[str, tuple[Case, str]]]:
    seen: Counter[str] = Counter()
    for name, case in cases().items():
        nodes = case.model.graph.node
        if case.kind != "node" or len(nodes) != 1 or nodes[0].domain not in ("", "ai.onnx"):
            continue
        node, schema = nodes[0], _schema(case)
        inputs = case.data[0][0]
        named = list(filter(None, node.input))
        if not named or named != [value.name for value in case.model.graph.input] or node.op_type in LEFT_OUT:
            continue
        if not all(isinstance(array, np.ndarray) for array in inputs) or schema is None:
            continue
        allowed = {each.type_param_str: each.allowed_type_strs for each in schema.type_constraints}
        own = allowed.get(parameter(schema.inputs, 0), ())
        seen[node.op_type] += 1
        if seen[node.op_type] > PER_OPERATOR or node.op_type.startswith(("Cast", "BitCast", "Quantize", "Dequantize")):
            continue
        for dtype in TYPES:
            if f"tensor({dtype.lower()})" in own and (node.op_type, dtype) not in LEFT_OUT:
                yield f"{name} {dtype}", (case, dtype)


def _schema(case: Case) -> onnx.defs.OpSchema | None:
    [opset] = [opset.version for opset in case.model.opset_import if opset.domain in ("", "ai.onnx")]
    node = case.model.graph.node[0]
    return onnx.defs.get_schema(node.op_type, opset) if onnx.defs.has(node.op_type) else None


def typed(case: Case, dtype: str) -> Typed | None:
    """A case in another type, or None where the reference has no answer."""
    schema, node = _schema(case), case.model.graph.node[0]
    own = parameter(schema.inputs, 0)
    positions = [position for position, name in enumerate(node.input) if name]
    arrays = [
        _whole(array, dtype) if parameter(schema.inputs, position) == own else array
        for array, position in zip(case.data[0][0], positions, strict=True)
    ]
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    for value, array in zip(model.graph.input, arrays, strict=True):
        value.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
    for value in model.graph.output:
        value.type.tensor_type.elem_type = TensorProto.UNDEFINED
    names = [value.name for value in model.graph.input]
    try:
        wanted = ReferenceEvaluator(model).run(None, dict(zip(names, arrays, strict=True)))
    except Exception:  # noqa: BLE001  # it has its own trouble with some of the types
        return None
    kept = [position for position, name in enumerate(node.output) if name]
    outputs = [dtype if parameter(schema.outputs, position) == own else None for position in kept]
    return Typed(model, arrays, wanted, outputs)


def _whole(array: np.ndarray, dtype: str) -> np.ndarray:
    """Whole numbers from 0, or 1 where the type has no 0, to 2, which every type has."""
    lowest = 1 if dtype == "FLOAT8E8M0" else 0
    whole = np.clip(np.abs(array.astype(np.float32)), lowest, 2).round().astype(np.int64)
    return whole.astype(helper.tensor_dtype_to_np_dtype(TensorProto.DataType.Value(dtype)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("case", "dtype"), combinations().values(), ids=combinations())
def test_case(case: Case, dtype: str, tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        made = typed(case, dtype)
    if made is None:
        pytest.skip("the reference has no answer")
    path = tmp_path / "case.onnx"
    path.write_bytes(made.model.SerializeToString())
    convert(path, tmp_path / "out")
    model = import_model(tmp_path / "out").load_model()
    with torch.no_grad():
        found = model(*map(to_torch, made.inputs))
    outputs = found if isinstance(found, tuple) else (found,)
    for value, want, own in zip(outputs, made.wanted, made.outputs, strict=True):
        if not isinstance(want, np.ndarray):
            continue
        if own is not None:
            assert str(value.dtype) == str(DType[own])
        array = narrowed(to_numpy(value), want.dtype)
        assert array.shape == want.shape
        np.testing.assert_allclose(array.astype(np.complex128), want.astype(np.complex128), rtol=1e-5, atol=1e-6)


def test_there_are_many() -> None:
    assert len(combinations()) > 300
