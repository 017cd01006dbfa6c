"""Operators that only ONNX Runtime still knows, against it."""

from __future__ import annotations

import numpy as np
import pytest
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from one_node import Row, lower_proto, model_of, table

X = np.random.default_rng(12).standard_normal((2, 3, 4, 5)).astype(np.float32)
ROWS = [
    Row(op, opset, (X,), attributes)
    for opset in (1, 7, 9)
    for op, attributes in (
        ("Affine", {}),
        ("Affine", {"alpha": 2.0, "beta": 0.5}),
        ("ParametricSoftplus", {"alpha": 2.0, "beta": 0.5}),
        ("ScaledTanh", {"alpha": 2.0, "beta": 0.5}),
        ("Scale", {}),
        ("Scale", {"scale": 2.0}),
        ("ImageScaler", {"bias": [1.0, 2.0, 3.0]}),
        ("ImageScaler", {"bias": [1.0, 2.0, 3.0], "scale": 0.5}),
        ("Crop", {"border": [1, 0, 2, 1]}),
        ("Crop", {"border": [1, 1, 0, 0], "scale": [2, 3]}),
        ("ThresholdedRelu", {"alpha": 0.5}),
    )
] + [
    Row("DynamicSlice", 1, (X, np.array([0, 1]), np.array([1, -1]), np.array([1, 2])), {}, baked)
    for baked in ((1, 2, 3), (3,))
]


@pytest.mark.parametrize(**table(ROWS))
def test_against_the_runtime(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic)


@pytest.mark.parametrize("row", [Row("Affine", 10, (X,)), Row("Crop", 7, (X,), {"border": [1, 2]})], ids=str)
def test_what_was_never_there_is_refused(row: Row) -> None:
    with pytest.raises(UnsupportedError):
        lower_proto(model_of(row, symbolic=False))
