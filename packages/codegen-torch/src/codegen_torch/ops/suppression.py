"""Keeping the best of boxes that overlap."""

from __future__ import annotations

from typing import Any

from codegen_torch.expr import Expr
from codegen_torch.facts import FactError
from codegen_torch.lower.registry import Int, op
from codegen_torch.numbers import shortest_float32
from codegen_torch.symbols.namespaces import host, runtime


@op("NonMaxSuppression", since=10)
def non_max_suppression(
    boxes: Expr,
    scores: Expr,
    max_output_boxes_per_class: Int | None = None,
    iou_threshold: Expr | None = None,
    score_threshold: Expr | None = None,
    *,
    center_point_box: int = 0,
) -> Expr:
    """Without a limit nothing comes out."""
    return runtime.non_max_suppression(  # type: ignore[no-any-return]
        boxes,
        scores,
        0 if max_output_boxes_per_class is None else max_output_boxes_per_class,
        iou_threshold=_number(iou_threshold, 0.0),
        score_threshold=_number(score_threshold, None),
        center_point_box=bool(center_point_box),
    )


def _number(value: Expr | None, default: float | None) -> Any:
    if value is None:
        return default
    if isinstance(value.fact.size, int) and value.fact.size != 1:
        raise FactError(f"of a threshold {value.fact}")
    known = value.fact.value
    return host.item(value) if known is None else shortest_float32(known.reshape(()).item())
