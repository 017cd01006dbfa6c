"""Keeping the best of boxes that overlap."""

import torch
from torch import Tensor


def non_max_suppression(
    boxes: Tensor,
    scores: Tensor,
    limit: int,
    iou_threshold: float = 0.0,
    score_threshold: float | None = None,
    center_point_box: bool = False,
) -> Tensor:
    """Batch, class and box of the best boxes that do not overlap a better one by more than a threshold."""
    if center_point_box:
        center, half = boxes[..., :2], boxes[..., 2:] / 2
        low, high = center - half, center + half
    else:
        low = torch.minimum(boxes[..., :2], boxes[..., 2:])
        high = torch.maximum(boxes[..., :2], boxes[..., 2:])
    area = (high - low).prod(-1)
    chosen = [torch.empty(0, 3, dtype=torch.int64, device=boxes.device)]
    for batch, classes in enumerate(scores):
        for label, ranked in enumerate(classes):
            order = ranked.argsort(descending=True, stable=True)
            if score_threshold is not None:
                order = order[ranked[order] > score_threshold]
            kept = 0
            while len(order) and kept < limit:
                best, order, kept = order[0], order[1:], kept + 1
                chosen.append(
                    torch.stack(
                        [
                            torch.full_like(best, batch),
                            torch.full_like(best, label),
                            best,
                        ]
                    )[None]
                )
                top = torch.minimum(high[batch, best], high[batch, order])
                shared = (
                    (top - torch.maximum(low[batch, best], low[batch, order]))
                    .clamp(min=0)
                    .prod(-1)
                )
                overlap = shared / (area[batch, best] + area[batch, order] - shared)
                order = order[~(overlap > iou_threshold)]
    return torch.cat(chosen)
