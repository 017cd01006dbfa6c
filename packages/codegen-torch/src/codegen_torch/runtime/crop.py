"""Crops of images, resized to a common size."""

from collections.abc import Sequence

import torch
from torch import Tensor


def crop_and_resize(
    x: Tensor,
    rois: Tensor,
    batch_indices: Tensor,
    crop_size: Sequence[int],
    *,
    mode: str,
    outside: float,
) -> Tensor:
    """Resize regions, corners aligned (ONNX Runtime, "CropAndResize").

    Args:
        x: Images, [batch, channels, height, width].
        rois: The regions' y1, x1, y2, x2, of which 1 is the last row or column.
        batch_indices: The image of each region.
        crop_size: The height and width that all regions get.
        mode: ``bilinear`` or ``nearest``.
        outside: The elements beyond the image.
    """
    height, width = crop_size
    ys = crop_positions(rois[:, 0], rois[:, 2], x.shape[2], height)
    xs = crop_positions(rois[:, 1], rois[:, 3], x.shape[3], width)
    inside = ((ys >= 0) & (ys <= x.shape[2] - 1))[:, :, None] & (
        (xs >= 0) & (xs <= x.shape[3] - 1)
    )[:, None]
    ys, xs = ys.clamp(0, x.shape[2] - 1), xs.clamp(0, x.shape[3] - 1)
    image = batch_indices.long()[:, None, None]

    def pick(rows: Tensor, columns: Tensor) -> Tensor:
        return x[image, :, rows.long()[:, :, None], columns.long()[:, None]].movedim(
            -1, 1
        )

    if mode == "nearest":
        y = pick((ys + 0.5).floor(), (xs + 0.5).floor())
    else:
        down, right = (
            (ys - ys.floor())[:, None, :, None],
            (xs - xs.floor())[:, None, None],
        )
        top = pick(ys.floor(), xs.floor()).lerp(pick(ys.floor(), xs.ceil()), right)
        bottom = pick(ys.ceil(), xs.floor()).lerp(pick(ys.ceil(), xs.ceil()), right)
        y = top.lerp(bottom, down)
    return torch.where(inside[:, None], y, outside)


def crop_positions(first: Tensor, last: Tensor, size: int, count: int) -> Tensor:
    """So many positions between two parts of a dimension; one alone is in the middle."""
    if count == 1:
        return ((first + last) / 2 * (size - 1))[:, None]
    step = (last - first) * (size - 1) / (count - 1)
    return (first * (size - 1))[:, None] + step[:, None] * torch.arange(
        count, device=first.device
    )
