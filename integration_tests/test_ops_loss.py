"""Losses against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Array, Row, check, lower_proto, model_of, symbols_of, table

pytestmark = pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")  # means of nothing
rng = np.random.default_rng(6)


def floats(*shape: int) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def labels(*shape: int, dtype: type = np.int64) -> Array:
    return rng.integers(0, 5, shape).astype(dtype)


WEIGHT = rng.random(5, np.float32)


def log_softmax(x: Array) -> Array:
    shifted = x - x.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


LOSSES = [
    Row(op, opset, (scores, target, *weight), {"reduction": reduction, **ignored}, baked, outputs=outputs)
    for op, opset, outputs in (
        ("NegativeLogLikelihoodLoss", 12, 1),
        ("NegativeLogLikelihoodLoss", 22, 1),
        ("SoftmaxCrossEntropyLoss", 12, 1),
        ("SoftmaxCrossEntropyLoss", 13, 2),
    )
    for scores, target in (
        (log_softmax(floats(3, 5)), labels(3)),
        (log_softmax(floats(3, 5)), labels(3, dtype=np.int32)),
        (log_softmax(floats(2, 5, 4)), labels(2, 4)),
        (log_softmax(floats(2, 5, 2, 3, 2)), labels(2, 2, 3, 2)),
    )
    for weight, baked in (((), ()), ((WEIGHT,), (2,)))
    for reduction in ("mean", "sum", "none")
    for ignored in ({}, {"ignore_index": 2})
]


@pytest.mark.parametrize(**table(LOSSES))
def test_losses(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


def test_another_reduction_is_refused() -> None:
    row = Row("NegativeLogLikelihoodLoss", 13, (floats(3, 5), labels(3)), {"reduction": "max"})
    with pytest.raises(UnsupportedError, match="reduction"):
        lower_proto(model_of(row, symbolic=False))


def test_losses_are_written_as_torch_is() -> None:
    row = Row("SoftmaxCrossEntropyLoss", 13, (floats(3, 5), labels(3)))
    assert symbols_of(lower_proto(model_of(row, symbolic=True)).outputs) == ["F.cross_entropy"]
