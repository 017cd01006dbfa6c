"""Running ONNX files by ONNX's own reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from codegen_torch.dtypes import DType
from onnx.reference import ReferenceEvaluator
from onnx_proto import Type

from onnxgen.verification.samples import Given
from onnxgen.verification.values import Numbers, Value


class Reference:
    """ONNX's reference. Its own form of tensors is numpy's arrays, with the types of ml_dtypes."""

    title = f"the reference of onnx {onnx.__version__}"

    def load(self, path: Path) -> _Session:
        """Loads a model."""
        return _Session(ReferenceEvaluator(onnx.load(path)))

    def given(self, value: Given) -> Any:
        """An input as an array."""
        dtype = DType.of_onnx(value.dtype)
        assert dtype is not None
        return value.array if dtype.in_numpy or dtype is DType.STRING else value.array.view(value.dtype.ml_dtype())

    def value(self, value: Any) -> Value:
        """A result as numbers."""
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if value is None or isinstance(value, dict):
            return value
        array = np.asarray(value)
        dtype = DType.STRING if array.dtype.kind in "OUST" else DType.of(array.dtype)
        if dtype is DType.STRING:
            return Numbers(array.astype(object), dtype)
        if dtype.in_numpy:
            return Numbers(array.astype(dtype.numpy, copy=False), dtype)
        return Numbers(array.astype(np.float32), dtype)

    def type_of(self, value: Any) -> Type | None:
        """Nothing: the reference does not ask for types."""
        return None


class _Session:
    def __init__(self, evaluator: ReferenceEvaluator) -> None:
        self._evaluator = evaluator

    def run(self, names: Sequence[str], feeds: Mapping[str, Any]) -> list[Any]:
        """Computes values."""
        return list(self._evaluator.run(list(names), dict(feeds)))


ENGINE = Reference()
