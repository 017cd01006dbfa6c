"""Pooling over regions of interest."""
# mypy: disable-error-code="no-untyped-call"

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


def roi_align(
    x: Tensor,
    rois: Tensor,
    images: Tensor,
    size: Sequence[int],
    *,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
    mode: str = "avg",
) -> Tensor:
    """RoIAlign of Mask R-CNN: samples between the pixels of each bin of each region, averaged, or the greatest.

    Args:
        x: [batch, channels, height, width].
        rois: [regions, 4]: x1, y1, x2, y2.
        images: [regions]: the image that each is in.
        size: How many bins a region has, up and across.
        spatial_scale: The factor from the regions' coordinates to those of x.
        sampling_ratio: How many samples a bin has in each direction; 0 for one in each pixel.
        aligned: Whether pixels lie half a pixel off their coordinates.
        mode: ``avg``, or ``max``, which compares the four weighted neighbours of all samples, as ONNX has it.
    """
    scaled = rois * spatial_scale - (0.5 if aligned else 0.0)
    rows, up, has_row = roi_samples(
        scaled[:, 1], scaled[:, 3], x.shape[2], size[0], sampling_ratio, aligned
    )
    columns, across, has_column = roi_samples(
        scaled[:, 0], scaled[:, 2], x.shape[3], size[1], sampling_ratio, aligned
    )
    corners = torch.stack(
        [  # [regions, samples up, samples across, channels]
            x[images[:, None, None], :, rows[i][:, :, None], columns[j][:, None, :]]
            * (up[i][:, :, None] * across[j][:, None, :])[..., None]
            for i, j in itertools.product((0, 1), (0, 1))
        ]
    )
    exists = (has_row[:, :, None] & has_column[:, None, :])[..., None]
    if mode == "avg":
        sums, counts = (
            in_bins(value, size).sum((2, 4)) for value in (corners.sum(0), exists)
        )
        y = sums / counts.clamp(min=1)
    else:
        y = in_bins(corners.amax(0).masked_fill(~exists, -torch.inf), size).amax((2, 4))
        y = y.masked_fill(~in_bins(exists, size).any(4).any(2), 0.0)
    return y.permute(0, 3, 1, 2)


def roi_samples(
    start: Tensor, end: Tensor, length: int, bins: int, ratio: int, aligned: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Along one axis: the two neighbours of each sample, their weights, and whether the sample exists."""
    extent = end - start if aligned else (end - start).clamp(min=1.0)
    count = torch.full_like(extent, ratio) if ratio else (extent / bins).ceil()
    most = ratio or max(1, *count.long().tolist())
    sample = torch.arange(most, device=start.device, dtype=start.dtype)
    width = (extent / bins)[:, None, None]
    place = (
        torch.arange(bins, device=start.device, dtype=start.dtype)[:, None] * width
        + start[:, None, None]
    )
    place = (
        place + (sample + 0.5) * width / count.clamp(min=1.0)[:, None, None]
    ).flatten(1)
    exists = (sample < count[:, None, None]).expand(-1, bins, -1).flatten(1)
    inside = exists & (place >= -1) & (place <= length)
    place = torch.where(inside, place, 0.0).clamp(0, length - 1)
    low = place.floor()
    weights = torch.stack((1 - place + low, place - low)) * inside
    return torch.stack((low, (low + 1).clamp(max=length - 1))).long(), weights, exists


def in_bins(samples: Tensor, size: Sequence[int]) -> Tensor:
    """[regions, samples up, samples across, …] as [regions, bins up, samples, bins across, samples, …]."""
    across = samples.unflatten(2, (size[1], -1))
    return across.unflatten(1, (size[0], -1))  # type: ignore[no-any-return]


def max_roi_pool(
    x: Tensor, rois: Tensor, size: Sequence[int], *, spatial_scale: float = 1.0
) -> Tensor:
    """The greatest element of each bin of each region, zero where a bin is empty; pixels are not divided (Fast R-CNN).

    Args:
        x: [batch, channels, height, width].
        rois: [regions, 5]: the image, x1, y1, x2, y2, the last pixels included.
        size: How many bins a region has, up and across.
        spatial_scale: The factor from the regions' coordinates to those of x.
    """
    scaled = rois[:, 1:] * spatial_scale
    x1, y1, x2, y2 = ((scaled.abs() + 0.5).floor() * scaled.sign()).unbind(1)
    rows, columns = (
        roi_bins(y1, y2, x.shape[2], size[0]),
        roi_bins(x1, x2, x.shape[3], size[1]),
    )
    seen = x[rois[:, 0].long()]
    across = [
        seen.masked_fill(~columns[:, None, None, q], -torch.inf).amax(3)
        for q in range(size[1])
    ]
    wide = torch.stack(across, 3)  # [regions, channels, height, bins across]
    y = torch.stack(
        [
            wide.masked_fill(~rows[:, None, p, :, None], -torch.inf).amax(2)
            for p in range(size[0])
        ],
        2,
    )
    filled = rows.any(2)[:, None, :, None] & columns.any(2)[:, None, None, :]
    return y.masked_fill(~filled, 0.0)


def roi_bins(first: Tensor, last: Tensor, length: int, bins: int) -> Tensor:
    """Along one axis, which pixels are in which bin: [regions, bins, length]."""
    width = ((last - first + 1).clamp(min=1) / bins)[:, None]
    number = torch.arange(bins, device=first.device)
    start, end = (
        (number * width).floor() + first[:, None],
        ((number + 1) * width).ceil() + first[:, None],
    )
    pixel = torch.arange(length, device=first.device)
    return (pixel >= start[..., None]) & (pixel < end[..., None])
