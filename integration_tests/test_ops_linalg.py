"""Einsum and Det against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from codegen_torch.errors import InvalidModelError
from one_node import Row, check, lower_proto, model_of, symbols_of, table

rng = np.random.default_rng(8)


def floats(*shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


A, B, C = floats(3, 4), floats(4, 5), floats(5, 3)
BATCH = floats(2, 3, 4, 5)
EQUATIONS = [
    ("ij,jk->ik", (A, B)),
    ("ij,jk", (A, B)),
    ("ij , jk -> ki", (A, B)),
    ("ba", (A,)),
    ("Ba", (A,)),
    ("ij->", (A,)),
    ("ij->ji", (A,)),
    ("ii", (floats(4, 4),)),
    ("ii->i", (floats(4, 4),)),
    ("ij,jk,ki->", (A, B, C)),
    ("ij,jk,kl->il", (A, B, C)),
    ("i,j->ij", (A[0], B[0])),
    ("i,i", (A[0], A[1])),
    (",->", (np.float32(3), np.float32(2))),
    (",ij", (np.float32(3), A)),
    ("...ij->...ji", (BATCH,)),
    ("...ij,...jk->...ik", (BATCH, floats(3, 5, 2))),
    ("...ij,jk", (BATCH, floats(5, 6))),
    ("i...->...", (BATCH,)),
    ("i...j->...", (BATCH,)),
    ("bhwc,hkc->bhwk", (BATCH, floats(3, 6, 5))),
    ("...ii->...i", (floats(2, 3, 3),)),
    ("bij,bjk->bik", (floats(2, 3, 4), floats(2, 4, 0))),
]
EINSUMS = [
    *(Row("Einsum", opset, xs, {"equation": equation}) for opset in (12, 28) for equation, xs in EQUATIONS),
    *(
        Row("Einsum", 12, (x, x.T), {"equation": "ij,jk->ik"})
        for x in (
            np.arange(6).reshape(2, 3),
            np.arange(6, dtype=np.int32).reshape(2, 3),
            np.arange(6, dtype=np.uint32).reshape(2, 3),
            np.array([[1, 2**64 - 1]], np.uint64),
            floats(2, 3).astype(np.float64),
            np.float16([[1, 2, 3]]),
        )
    ),
]
DETS = [
    Row("Det", opset, (x,))
    for opset in (11, 22, 28)
    for x in (floats(3, 3), floats(2, 4, 2, 2), floats(1, 1).astype(np.float64))
] + [Row("Det", 22, (np.float16([[1, 2], [3, 4]]),), expected=lambda _: np.float16(-2))]


@pytest.mark.parametrize(**table(EINSUMS + DETS))
def test_against_the_reference(row: Row, symbolic: bool) -> None:
    check(row, symbolic=symbolic, rtol=1e-5, atol=1e-5)


def test_is_written_as_torch_is() -> None:
    outputs = check(Row("Einsum", 12, (BATCH, floats(3, 5, 2)), {"equation": "...ij,...jk->...ik"}), symbolic=False)
    assert symbols_of(outputs) == ["torch.einsum"]
    assert outputs["y0"].dims == (2, 3, 4, 2)


@pytest.mark.parametrize(
    ("equation", "xs"), [("ij,jk", (A, A)), ("ij", (BATCH,)), ("ij,jk", (A,)), ("ij->ik", (A,)), ("ijk", (A,))]
)
def test_an_equation_that_does_not_fit_is_an_error(equation: str, xs: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(InvalidModelError, match="einsum"):
        lower_proto(model_of(Row("Einsum", 12, xs, {"equation": equation}), symbolic=False))
