"""What becomes of scores in the operators of ai.onnx.ml."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.softmax_zero")
def softmax_zero(scores: Tensor) -> Fact:
    return Fact(scores.dtype, scores.dims)


@symbol("runtime.probit")
def probit(x: Tensor) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.one_hot")
def one_hot(places: Tensor, count: int, *, known: bool = False) -> Fact:
    return Fact(DType.FLOAT32, None if places.dims is None else (*places.dims, count))


@symbol("runtime.rbf")
def rbf(x: Tensor, vectors: Tensor, gamma: float) -> Fact:
    if x.dims is None or vectors.dims is None:
        return Fact(x.dtype, None)
    return Fact(x.dtype, (*x.dims[:-1], vectors.dims[0]))


def _per_class(scores: Fact, dtype: DType, count: int) -> Fact:
    return Fact(dtype, None if scores.dims is None else (scores.dims[0], count))


@symbol("runtime.count_wins")
def count_wins(scores: Tensor, count: int) -> Fact:
    return _per_class(scores, DType.INT64, count)


@symbol("runtime.pairwise_probabilities")
def pairwise_probabilities(scores: Tensor, slopes: Tensor, offsets: Tensor, count: int) -> Fact:
    return _per_class(scores, scores.dtype, count)
