"""What ONNX Runtime's own attention operators need."""

import torch
import torch.nn.functional as F
from torch import Tensor


def unpadded_keys(bounds: Tensor, batch: int, keys: int) -> Tensor:
    """Which keys are no padding, [batch, 1, 1, keys]: those before an end, and from a start on, where there is one."""
    positions = torch.arange(keys, device=bounds.device)
    seen = positions < bounds[:batch, None]
    if len(bounds) == 2 * batch:
        seen = seen & (positions >= bounds[batch:, None])
    return seen[:, None, None]


def written_at(cache: Tensor, x: Tensor, position: int) -> Tensor:
    """A copy of a cache of [batch, heads, steps, size] with further steps written at a position."""
    return cache.slice_scatter(x, 2, position, position + x.shape[2])


def cache_positions(last: Tensor, steps: int) -> Tensor:
    """The positions of new steps in a cache, [batch, steps], the last of which are given; a prompt begins at 0."""
    first = (last.long() + 1 - steps).clamp(min=0)
    return first[:, None] + torch.arange(steps, device=last.device)


def append_to_cache(
    past: Tensor | None, x: Tensor, positions: Tensor, total: int
) -> Tensor:
    """A cache of at least so many steps, [batch, heads, steps, size], with new steps written at their positions."""
    if past is None:
        past = x[:, :, :0]
    cache = F.pad(past, (0, 0, 0, max(total - past.shape[2], 0)))
    return cache.scatter(2, positions[:, None, :, None].expand_as(x), x)


def cached_keys(
    positions: Tensor, last: Tensor, keys: int, *, causal: bool, window: int | None
) -> Tensor:
    """Which keys of a cache each query sees, [batch, 1, queries, keys].

    Args:
        positions: The queries' positions, [batch, queries].
        last: The position of the last key of each row.
        keys: The size of the cache.
        causal: Whether a query sees no later keys.
        window: How many keys a query sees at most, its own included.
    """
    key = torch.arange(keys, device=positions.device)
    if not causal:
        return (key <= last[:, None])[:, None, None]
    seen = key <= positions[..., None]
    if window is not None:
        seen = seen & (key > positions[..., None] - window)
    return seen[:, None]


def attention_with_sink(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor,
    sink: Tensor | None = None,
    *,
    scale: float | None = None,
    softcap: float = 0.0,
    smooth: bool = False,
) -> Tensor:
    """Attention whose weights may leave something over (ONNX Runtime, "GroupQueryAttention").

    Args:
        q: [batch, heads, steps, size].
        k: [batch, groups of heads, keys, size].
        v: Like k.
        mask: True where a query sees a key, or what is added to the scores.
        sink: The score of each head that no key has; with `smooth` it is 0.
        scale: The factor of the scores; by default 1 / √size.
        softcap: Scores are kept between this and its negative, smoothly.
        smooth: Whether there is a score that no key has.
    """
    groups = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if scale is None else scale)
    if softcap:
        scores = softcap * torch.tanh(scores / softcap)
    scores = (
        torch.where(mask, scores, -torch.inf)
        if mask.dtype is torch.bool
        else scores + mask
    )
    if sink is not None or smooth:
        extra = scores.new_zeros(scores.shape[1]) if sink is None else sink
        scores = torch.cat(
            [scores, extra[:, None, None].expand(*scores.shape[:-1], 1)], -1
        )
    return torch.softmax(scores, -1)[..., : k.shape[2]] @ v
