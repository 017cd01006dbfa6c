"""What a file of kernels with norms of groups of channels has beside."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from codegen_torch.kernels.templates.fused import (
    TILE,
    alternating,
    can_run,
    constexpr,
    jit,
    merged,
    power_of_two,
    results_of,
    run,
    tl,
)


def launch_groups(
    kernel: Any,
    reference: Callable[..., Any],
    *arguments: Any,
    of_channels: Sequence[str] = (),
) -> Any:
    """Compute what the reference does by a kernel that goes over each group of channels twice.

    Args:
        kernel: Takes what :func:`launch` gives a kernel, and how many channels are in a group.
        reference: The torch function. A norm without a number of groups is one of each channel.
        arguments: Tensors, which are broadcast against each other, and then numbers.
        of_channels: The parameters that have an element for each channel.
    """
    tensors = [each for each in arguments if isinstance(each, Tensor)]
    named = dict(zip(reference.__annotations__, arguments, strict=False))
    shape = torch.broadcast_shapes(
        *(
            each.shape
            for name, each in named.items()
            if name not in of_channels and isinstance(each, Tensor)
        )
    )
    batch, count, *space = shape
    columns = math.prod(space)
    channels = count // named.get("groups", count)
    if (
        not can_run(shape, tensors)
        or count % channels
        or channels * columns > 1 << 30  # elements are counted by 32 bits
    ):
        return reference(*arguments)
    flat = (batch, count, columns)
    views = [  # copies where positions do not follow each other evenly
        each[:, None] if name in of_channels else each.expand(shape).reshape(flat)
        for name, each in named.items()
        if isinstance(each, Tensor)
    ]
    (*outer, _), strides = merged(flat, views, whole_rows=True)
    numbers = arguments[len(tensors) :]
    # In a sample of two channels, which tells the dtypes, there may be two groups at most.
    sample = [1 if isinstance(each, int) else each for each in numbers]
    results = results_of(reference, shape, tensors, sample)
    groups = batch * count // channels
    width = min(power_of_two(channels * columns), 2 * TILE)
    height = min(power_of_two(groups), max(1, TILE // width))
    run(
        kernel,
        -(-groups // height),
        [
            *results,
            *alternating(views, strides),
            *(each for each in numbers if isinstance(each, float)),
        ],
        (tuple(outer) or (1,), batch * count, columns, channels, height, width),
        min(max(height * width // 256, 4), 16),
    )
    return results[0] if len(results) == 1 else tuple(results)


@jit
def groups_of_program(GROUPS: constexpr):
    """The groups that a program normalizes."""
    return tl.program_id(0).to(tl.int64) * GROUPS + tl.arange(0, GROUPS)[:, None]


@jit
def places_in_groups(group, start, rows, columns, channels, ELEMENTS: constexpr):
    """The rows and columns of the groups' elements from the start on; a row is a channel, a column a position."""
    element = start + tl.arange(0, ELEMENTS)[None, :]
    row = group * channels + element // columns
    inside = (element < channels * columns) & (row < rows)
    return row, (element % columns).to(tl.int64), inside


@jit
def gathered(mean, spread, x, start, length, inside, ELEMENTS: constexpr):
    """The mean of a group's elements up to these, and the sum of their squared deviations from it.

    Chan, Golub and LeVeque, "Algorithms for Computing the Sample Variance", 1983.
    """
    count = tl.minimum(length - start, ELEMENTS).to(tl.float32)
    share = count / (start + count)
    own = tl.sum(tl.where(inside, x, 0.0), 1)[:, None] / count
    centred = tl.where(inside, x - own, 0.0)
    away = own - mean
    spread += tl.sum(centred * centred, 1)[:, None] + away * away * (start * share)
    return mean + away * share, spread
