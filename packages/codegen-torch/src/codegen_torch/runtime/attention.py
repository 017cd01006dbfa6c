"""Attention and what goes with it, where torch has no function for it."""
# mypy: disable-error-code="no-untyped-call"

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float | None = None,
    softcap: float = 0.0,
    stage: int = 0,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention, and its scores: as they are, capped, masked, or as weights, by the stage from 0 to 3.

    Args:
        q: [batch, heads, steps, size].
        k: [batch, groups of heads, keys, size].
        v: Like k, perhaps with another size.
        mask: True where a query sees a key, or what is added to the scores.
        scale: The factor of the scores; by default 1 / √size.
        softcap: Scores are kept between this and its negative, smoothly.
        stage: Which scores are returned.
        dtype: The type that the softmax is computed in.
    """
    scores = attention_scores(q, k, scale=scale, dtype=q.dtype)
    capped = softcap * torch.tanh(scores / softcap) if softcap else scores
    masked, hidden = capped, None
    if mask is not None:
        masked = (
            torch.where(mask, capped, -torch.inf)
            if mask.dtype is torch.bool
            else capped + mask
        )
        hidden = ~mask if mask.dtype is torch.bool else mask == -torch.inf
    weights = F.softmax(masked, -1, dtype=dtype).to(q.dtype)
    if hidden is not None:  # a query that sees nothing attends to nothing
        weights = weights.masked_fill(hidden.all(-1, keepdim=True), 0.0)
    return attended(weights, v), (scores, capped, masked, weights)[stage]


def attention_scores(
    q: Tensor, k: Tensor, *, scale: float | None = None, dtype: torch.dtype
) -> Tensor:
    """The products of queries and keys, whose heads may be shared, times a scale, by default 1 / √size."""
    k = k.repeat_interleave(q.shape[1] // k.shape[1], 1)
    root = math.sqrt(1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    return ((q * root) @ (k * root).transpose(-2, -1)).to(dtype)


def attended(weights: Tensor, v: Tensor) -> Tensor:
    """The sums of values, whose heads may be shared, by their weights."""
    return (
        weights
        @ v.repeat_interleave(weights.shape[1] // v.shape[1], 1).to(weights.dtype)
    ).to(v.dtype)


def visible_keys(
    lengths: Tensor,
    queries: int,
    keys: int,
    left: int | None = None,
    right: int | None = None,
) -> Tensor:
    """Which keys of a cache each query sees: [batch, 1, queries, keys].

    Args:
        lengths: How many keys are valid; the queries are the last of them.
        queries: The number of queries.
        keys: The size of the cache.
        left: How far a query sees backwards.
        right: And forwards.
    """
    key = torch.arange(keys, device=lengths.device)
    query = torch.arange(queries, device=lengths.device) - queries + lengths[:, None]
    distance = key - query[..., None]
    seen = (key < lengths[:, None, None]).expand(distance.shape)
    if left is not None:
        seen = seen & (distance >= -left)
    if right is not None:
        seen = seen & (distance <= right)
    return seen[:, None]


def rotate_half(x: Tensor) -> Tensor:
    """Turn pairs of features, one of each half, by a right angle."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([-b, a], dim=-1)


def rotate_pairs(x: Tensor) -> Tensor:
    """Turn pairs of neighbouring features by a right angle."""
    return torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)


def rotary_embedding(
    x: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False
) -> Tensor:
    """Rotate pairs of features: neighbours, or those of two halves; what is more than cos and sin tell stays."""
    turned, rest = x.tensor_split([2 * cos.shape[-1]], -1)
    a, b = (
        turned.unflatten(-1, (-1, 2)).unbind(-1) if interleaved else turned.chunk(2, -1)
    )
    pairs = (a * cos - b * sin, a * sin + b * cos)
    y = torch.stack(pairs, -1).flatten(-2) if interleaved else torch.cat(pairs, -1)
    return torch.cat((y, rest), -1)


def linear_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    state: Tensor | None = None,
    decay: Tensor | None = None,
    beta: Tensor | None = None,
    *,
    heads: int,
    kv_heads: int,
    scale: float | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention by a state that is updated with each step (ONNX, LinearAttention), and the last state.

    Args:
        query: [batch, steps, heads * size].
        key: [batch, steps, kv_heads * size].
        value: [batch, steps, kv_heads * value_size].
        state: [batch, kv_heads, size, value_size]; by default zeros.
        decay: The logarithm of what is left of the state, by head or by feature of the key.
        beta: How much of a value replaces what the state has for its key; without, values are added.
        heads: The number of heads of the queries.
        kv_heads: And of the keys and values.
        scale: The factor of the output; by default 1 / √size.
    """
    q, k, v = (
        x.unflatten(-1, (n, -1)).float()
        for x, n in ((query, heads), (key, kv_heads), (value, kv_heads))
    )
    kept = None if decay is None else decay.unflatten(-1, (kv_heads, -1)).float().exp()
    memory = (
        q.new_zeros(*k.shape[:1], kv_heads, k.shape[-1], v.shape[-1])
        if state is None
        else state.float()
    )
    outputs: list[Tensor] = []
    for step in range(q.shape[1]):
        if kept is not None:
            memory = memory * kept[:, step, :, :, None]
        change = v[:, step]
        if beta is not None:
            known = torch.einsum("bhkv,bhk->bhv", memory, k[:, step])
            change = (change - known) * beta[:, step, :, None].float()
        memory = memory + k[:, step, :, :, None] * change[:, :, None]
        shared = memory.repeat_interleave(heads // kv_heads, 1)
        outputs.append(torch.einsum("bhkv,bhk->bhv", shared, q[:, step]))
    y = torch.stack(outputs, 1).flatten(2) * (
        1 / math.sqrt(q.shape[-1]) if scale is None else scale
    )
    return y.to(query.dtype), memory.to(query.dtype if state is None else state.dtype)


def tensor_scatter(
    cache: Tensor, update: Tensor, starts: Tensor, dim: int, *, circular: bool = False
) -> Tensor:
    """The cache with an update along a dimension, from each sample's start on, perhaps around its end."""
    places = starts[:, None] + torch.arange(update.shape[dim], device=cache.device)
    if circular:
        places = places % cache.shape[dim]
    shape = [1] * update.dim()
    shape[0], shape[dim] = places.shape
    return cache.scatter(dim, places.reshape(shape).expand(update.shape), update)
