"""Running ONNX files by ONNX Runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch.utils.dlpack
from codegen_torch.dtypes import DType
from onnx_proto import DataType, SequenceType, TensorType, Type
from onnxruntime import OrtValue

from onnxgen.verification.engines import RefusedError
from onnxgen.verification.samples import Given
from onnxgen.verification.values import Numbers, Value

_TYPE_NAMES = {"float": "float32", "double": "float64", "float8e8m0": "float8_e8m0fnu"}


class OnnxRuntime:
    """ONNX Runtime on the CPU. Its own form of tensors is ``OrtValue``, which has every type; strings are arrays."""

    title = f"onnxruntime {onnxruntime.__version__}"

    def load(self, path: Path) -> _Session:
        """Loads a model, and optimizes nothing."""
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.log_severity_level = 4
        options.add_session_config_entry("session.disable_prepacking", "1")  # which would hold weights twice
        return _Session(onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]))

    def given(self, value: Given) -> Any:
        """An input as an OrtValue."""
        if value.dtype is DataType.STRING:
            return value.array
        array = np.asarray(value.array, order="C")
        if DType.of_onnx(value.dtype).in_numpy:  # type: ignore[union-attr]
            return OrtValue.ortvalue_from_numpy(array)
        return OrtValue.ortvalue_from_numpy_with_onnx_type(array, int(value.dtype))

    def value(self, value: Any) -> Value:
        """A result as numbers."""
        if isinstance(value, OrtValue):
            return _numbers(value) if value.is_tensor() else None  # others come as Python objects
        if isinstance(value, np.ndarray):
            return Numbers(value, DType.of(value.dtype))
        return [self.value(item) for item in value] if isinstance(value, list) else _plain(value)

    def type_of(self, value: Any) -> Type | None:
        """The type of a value, as ONNX Runtime spells it."""
        if isinstance(value, OrtValue):
            found = re.fullmatch(r"(seq\()?tensor\((\w+)\)\)?", value.data_type())
            if found:
                tensor = TensorType(_data_type(found[2]))
                return SequenceType(tensor) if found[1] else tensor
        raise RefusedError("a value that is neither a tensor nor a sequence is needed from before")


class _Session:
    def __init__(self, session: onnxruntime.InferenceSession) -> None:
        self._session = session
        self._plain = any(not re.match(r"tensor\((?!string)", each.type) for each in session.get_outputs())

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """Computes values; as Python objects where one is a string, a sequence or a map."""
        texts = any(isinstance(value, np.ndarray) for value in feeds.values())
        if not texts and not self._plain:
            return list(self._session.run_with_ort_values(list(names), dict(feeds)))
        arrays = {name: value.numpy() if isinstance(value, OrtValue) else value for name, value in feeds.items()}
        return list(self._session.run(list(names), arrays))


def _numbers(value: OrtValue) -> Numbers:
    dtype = DType.of_onnx(_data_type(value.data_type().removeprefix("tensor(").removesuffix(")")))
    assert dtype is not None
    if dtype.in_numpy and dtype.held is dtype:
        return Numbers(value.numpy(), dtype)
    if dtype.held is not dtype:
        raise RefusedError(f"ONNX Runtime does not give values of type {dtype.value}: use --against reference")
    # What numpy lacks comes by DLPack.
    return Numbers(torch.utils.dlpack.from_dlpack(value).float().numpy(), dtype)


def _data_type(name: str) -> DataType:
    return DataType.of(_TYPE_NAMES.get(name, re.sub(r"^(float[468])(e\w+)", r"\1_\2", name)))


def _plain(value: Any) -> Value:
    return (
        value
        if value is None or isinstance(value, dict)
        else Numbers(np.asarray(value), DType.of(np.asarray(value).dtype))
    )


ENGINE = OnnxRuntime()
