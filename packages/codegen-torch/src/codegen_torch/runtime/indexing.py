"""Picking and replacing elements as ONNX does, where torch does otherwise or the details come at run time."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def sliced(
    x: Tensor,
    starts: Sequence[int],
    ends: Sequence[int],
    axes: Sequence[int] | None = None,
    steps: Sequence[int] | None = None,
) -> Tensor:
    """Slices along some dimensions; a negative step goes backwards."""
    for position, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = position if axes is None else axes[position]
        step = 1 if steps is None else steps[position]
        if (
            step < 0
        ):  # counted from the other side, position p is ~p; the last one there is, at most
            x, start, end, step = (
                x.flip(axis),
                min(~start, x.shape[axis] - 1),
                ~end,
                -step,
            )
        x = x[(slice(None),) * (axis % x.dim()) + (slice(start, end, step),)]
    return x


def gather_nd(x: Tensor, indices: Tensor, batch_dims: int = 0) -> Tensor:
    """The elements or slices at places, of which the last dimension of the indices holds one each."""
    batches = [
        torch.arange(size, device=x.device).view(-1, *[1] * (indices.dim() - 2 - axis))
        for axis, size in enumerate(x.shape[:batch_dims])
    ]
    return x[(*batches, *indices.unbind(-1))]


def scatter_nd(
    x: Tensor, indices: Tensor, updates: Tensor, reduce: str | None = None
) -> Tensor:
    """A copy with elements or slices replaced, or combined with what is there."""
    count = indices.shape[-1]
    places = indices.new_zeros(indices.shape[:-1])
    for size, index in zip(x.shape, indices.unbind(-1), strict=False):
        places = places * size + index % size
    rows = x.reshape(math.prod(x.shape[:count]), -1)
    source = updates.reshape(places.numel(), rows.shape[1])
    places = places.reshape(-1, 1).expand_as(source)
    if reduce is None:
        return rows.scatter(0, places, source).reshape(x.shape)
    return rows.scatter_reduce(0, places, source, reduce).reshape(x.shape)


def reverse_sequence(x: Tensor, lengths: Tensor, time_axis: int) -> Tensor:
    """The first ``lengths[i]`` elements of sequence i backwards, the others as they are."""
    time = torch.arange(x.shape[time_axis], device=x.device)
    time, lengths = (
        (time[:, None], lengths[None])
        if time_axis == 0
        else (time[None], lengths[:, None])
    )
    places = torch.where(time < lengths, lengths - 1 - time, time)
    return x.gather(
        time_axis, places.view(*places.shape, *[1] * (x.dim() - 2)).expand_as(x)
    )


def topk(
    x: Tensor, k: int, dim: int = -1, largest: bool = True
) -> tuple[Tensor, Tensor]:
    """The greatest or least elements and where they are; of equal ones the first, which torch.topk does not promise."""
    values, indices = x.sort(dim=dim, descending=largest, stable=True)
    return values.narrow(dim, 0, k), indices.narrow(dim, 0, k)


def unique(
    x: Tensor, dim: int | None = None, sorted: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The different elements, where each comes first, which of them each element is, and how often they are there."""
    _, inverse, counts = torch.unique(
        x.detach(), return_inverse=True, return_counts=True, dim=dim
    )
    inverse = inverse.flatten()
    places = torch.arange(len(inverse), device=x.device)
    first = torch.full_like(counts, len(inverse)).scatter_reduce(
        0, inverse, places, "amin"
    )
    if not sorted:
        order = first.argsort()
        first, counts, inverse = first[order], counts[order], order.argsort()[inverse]
    values = (
        x.flatten()[first]
        if dim is None
        else x[(slice(None),) * (dim % x.dim()) + (first,)]
    )
    return values, first, inverse, counts
