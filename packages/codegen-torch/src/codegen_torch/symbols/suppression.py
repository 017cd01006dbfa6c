"""A symbol that keeps the best of boxes that overlap."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, Size
from codegen_torch.symbols.base import symbol

Tensor: TypeAlias = Fact


@symbol("runtime.non_max_suppression")
def non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    limit: Size,
    *,
    iou_threshold: float = 0.0,
    score_threshold: float | None = None,
    center_point_box: bool = False,
) -> Fact:
    return Fact(DType.INT64, (Dim.fresh(), 3))
