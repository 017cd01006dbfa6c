"""Operators that ONNX tried and dropped, against ONNX Runtime, which kept them."""

from __future__ import annotations

import numpy as np
import pytest
from by_runtime import check_by_runtime
from codegen_torch.errors import UnsupportedError
from one_node import Array, Row, check, lower_proto, model_of, table

IMAGE = np.random.default_rng(19).standard_normal((2, 3, 5, 6)).astype(np.float32)
ROWS = [
    Row(op, opset, (IMAGE,), attributes)
    for opset in (1, 7, 9)
    for op, attributes in (
        ("Affine", {"alpha": 2.0, "beta": 1.0}),
        ("Affine", {"alpha": 1.0, "beta": 0.0}),
        ("Scale", {"scale": 2.0}),
        ("ImageScaler", {"scale": 2.0, "bias": [1.0, 2.0, 3.0]}),
        ("ImageScaler", {"bias": [1.0, 2.0, 3.0]}),
        ("ParametricSoftplus", {"alpha": 2.0, "beta": 1.5}),
        ("ScaledTanh", {"alpha": 2.0, "beta": 1.5}),
        ("Crop", {"border": [1, 2, 0, 1]}),
        ("Crop", {"border": [0, 0, 0, 0]}),
        ("Crop", {"border": [1, 2, 0, 1], "scale": [2, 3]}),
    )
]


def cut(x: Array, *_: Array) -> Array:
    return x[:, 1:3, :, 2:4]


SLICES = [
    Row("DynamicSlice", opset, (IMAGE, *map(np.array, ([1, 2], [3, 4], [1, 3]))), {}, baked, cut, open_lists=lists)
    for opset in (1, 9)
    for baked in ((1, 2, 3), (3,), ())
    for lists in (False, True)
]


@pytest.mark.parametrize(**table(ROWS))
def test_against_the_runtime(row: Row, symbolic: bool) -> None:
    check_by_runtime(row, symbolic=symbolic)


@pytest.mark.parametrize(**table(SLICES))
def test_slices(row: Row, symbolic: bool) -> None:
    """ONNX Runtime has dropped this one, too."""
    check(row, symbolic=symbolic)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (Row("Crop", 1, (IMAGE[0],), {"border": [0, 0, 0, 0]}), "borders"),
        (Row("Crop", 1, (IMAGE,), {"border": [0, -1, 0, 0]}), "borders"),
        (Row("Affine", 10, (IMAGE,), {"alpha": 2.0}), "only opsets 1 to 9 are supported"),
    ],
    ids=["rank", "negative", "opset"],
)
def test_what_it_never_did_is_refused(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
