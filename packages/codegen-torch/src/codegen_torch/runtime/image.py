"""Sampling of tensors with any number of spatial dimensions."""

import itertools

import torch
from torch import Tensor


def grid_sample_nd(
    x: Tensor,
    grid: Tensor,
    mode: str = "linear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
) -> Tensor:
    """What F.grid_sample computes, for any number of dimensions; grid counts them from the last."""
    taps = []
    for axis, size in enumerate(x.shape[2:]):
        place = (grid[..., -1 - axis] + 1) / 2
        place = place * (size - 1) if align_corners else place * size - 0.5
        if mode == "cubic":
            near = [place.floor() + step for step in (-1, 0, 1, 2)]
            shares = [cubic_share((place - tap).abs()) for tap in near]
            near = [
                place_inside(tap, size, padding_mode, align_corners).round()
                for tap in near
            ]
            taps.append(list(zip(near, shares, strict=True)))
            continue
        place = place_inside(place, size, padding_mode, align_corners)
        if mode == "nearest":
            taps.append([(place.round(), torch.ones_like(place))])
        else:
            first = place.floor()
            taps.append([(first, 1 - (place - first)), (first + 1, place - first)])
    x = x.movedim(1, -1)
    batch = torch.arange(len(x), device=x.device).view(-1, *[1] * (grid.dim() - 2))
    total = x.new_zeros(())
    for corner in itertools.product(*taps):
        index: list[Tensor] = []
        weight = x.new_ones(())
        for (tap, share), size in zip(corner, x.shape[1:-1], strict=True):
            weight = weight * share * ((tap >= 0) & (tap < size))
            index.append(tap.clamp(0, size - 1).long())
        total = total + weight.unsqueeze(-1) * x[(batch, *index)]
    return total.movedim(-1, 1)


def place_inside(
    place: Tensor, size: int, padding_mode: str, align_corners: bool
) -> Tensor:
    """Places beyond the ends, moved to them or mirrored there."""
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, span = (0.0, size - 1) if align_corners else (-0.5, size)
        far = (place - low).abs()
        rest = far % (2 * span) if span else torch.zeros_like(far)
        place = torch.where(rest <= span, rest, 2 * span - rest) + low
    return place.clamp(0, size - 1)


def cubic_share(d: Tensor, a: float = -0.75) -> Tensor:
    """The weight of an element at a distance (R. Keys, 1981, equation 4)."""
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    return torch.where(d <= 1, near, ((a * d - 5 * a) * d + 8 * a) * d - 4 * a)
