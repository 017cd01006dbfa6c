"""Steps of optimizers against ONNX's reference."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from codegen_torch.errors import UnsupportedError
from one_node import Row, check, lower_proto, model_of, table
from onnx.reference import ReferenceEvaluator

DOMAIN = "ai.onnx.preview.training"


def stepped(
    op: str, kinds: int, attributes: dict[str, Any], *, steps: int, tensors: int, dtype: Any = np.float32
) -> Row:
    rng = np.random.default_rng(steps)
    shapes = [(3, 2), (4,), (2, 1, 2)][:tensors]
    values = [np.abs(rng.standard_normal(shape)).astype(dtype) for _ in range(kinds) for shape in shapes]
    inputs = (np.array(0.1, dtype), np.array(steps), *values)
    row = Row(op, 1, inputs, attributes, outputs=(kinds - 1) * tensors, domain=DOMAIN)
    return dataclasses.replace(row, expected=lambda *_: by_reference(row, dtype))


def by_reference(row: Row, dtype: Any) -> tuple[Any, ...]:
    """The reference's answer, which may be of another type than the tensors."""
    fed = {f"x{position}": value for position, value in enumerate(row.inputs)}
    return tuple(result.astype(dtype) for result in ReferenceEvaluator(model_of(row, symbolic=False)).run(None, fed))


GIVEN = {"norm_coefficient": 0.01, "alpha": 0.95, "beta": 0.85}
ROWS = [
    stepped(op, kinds, attributes, steps=steps, tensors=tensors, dtype=dtype)
    for op, kinds, choices in (
        ("Adagrad", 3, ({}, {"norm_coefficient": 0.001, "epsilon": 1e-5, "decay_factor": 0.1})),
        ("Adam", 4, ({}, GIVEN | {"epsilon": 1e-2}, {"norm_coefficient_post": 0.1})),
        ("Momentum", 3, (GIVEN | {"mode": "standard"}, GIVEN | {"mode": "nesterov"})),
    )
    for attributes in choices
    for steps in (0, 1, 7)
    for tensors in (1, 2, 3)
    for dtype in (np.float32, np.float64)
    if dtype is np.float32 or tensors == 1  # several doubles come out of the reference as floats
]


@pytest.mark.parametrize(**table(ROWS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (stepped("Momentum", 3, GIVEN | {"mode": "heavy"}, steps=1, tensors=1), "heavy"),
        (stepped("Adam", 3, {}, steps=1, tensors=1), "groups of 4"),
    ],
    ids=str,
)
def test_refusals(row: Row, reason: str) -> None:
    with pytest.raises(UnsupportedError, match=reason):
        lower_proto(model_of(row, symbolic=False))
