"""A symbol that keeps the best of boxes that overlap."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, Size
from codegen_torch.symbols.base import symbol
from codegen_torch.symbols.demands import demand_rank, demand_shape

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
    batch, _, count = (None, None, None) if scores.dims is None or len(scores.dims) != 3 else scores.dims
    demand_rank("a choice of boxes by scores", scores, 3, 3)
    demand_shape("a choice of boxes", "list of boxes", boxes, batch, count, 4)
    return Fact(DType.INT64, (Dim.fresh(), 3))
