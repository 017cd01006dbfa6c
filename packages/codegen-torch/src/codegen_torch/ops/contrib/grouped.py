"""Rotary embeddings, and attention of groups of heads that share keys over a cache, as language models have it."""

from __future__ import annotations

import numpy as np

from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Context, Int, NotApplicable
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.symbols.namespaces import F, index, runtime, torch

_UNBOUNDED = -1
_STEPS = 2
"""The dimension of [batch, heads, steps, size] along which keys and values are remembered."""


@microsoft("RotaryEmbedding")
def rotary_embedding(
    input: Expr,
    position_ids: Expr,
    cos_cache: Expr,
    sin_cache: Expr,
    *,
    interleaved: int = 0,
    is_packed_batching: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
    scale: float = 1.0,
) -> Expr:
    """Of [batch, steps, heads * size] or [batch, heads, steps, size]; one position is that of the first step."""
    if is_packed_batching or scale != 1.0:
        raise NotApplicable("packed batches and scales, which ONNX Runtime's CPU kernel does not have")
    by_head = len(input.shape) == 4
    steps = input.shape[_STEPS if by_head else 1]
    if position_ids.rank == 1:
        position_ids = position_ids + torch.arange(0, steps, dtype=position_ids.dtype)
    cos, sin = index.take(cos_cache, position_ids, 0), index.take(sin_cache, position_ids, 0)
    if by_head:
        cos, sin = (_before_steps(x) for x in (cos, sin))
        return runtime.rotary_embedding(input, cos, sin, interleaved=bool(interleaved))  # type: ignore[no-any-return]
    cos, sin = cos.unsqueeze(-2), sin.unsqueeze(-2)
    size: Int = -1 if num_heads else 2 * cos_cache.shape[1]
    if rotary_embedding_dim and not num_heads:
        raise NotApplicable("num_heads is missing")
    x = input.unflatten(-1, (num_heads or -1, size))
    return runtime.rotary_embedding(x, cos, sin, interleaved=bool(interleaved)).flatten(2)  # type: ignore[no-any-return]


def _before_steps(x: Expr) -> Expr:
    """A dimension for the heads; positions that all rows of a batch share need none."""
    return x.unsqueeze(1) if x.rank == 3 else x


@microsoft("GroupQueryAttention")
def group_query_attention(
    query: Expr,
    key: Expr | None,
    value: Expr | None,
    past_key: Expr | None,
    past_value: Expr | None,
    seqlens_k: Expr,
    total_sequence_length: Int,
    cos_cache: Expr | None = None,
    sin_cache: Expr | None = None,
    position_ids: Expr | None = None,
    attention_bias: Expr | None = None,
    head_sink: Expr | None = None,
    k_scale: Expr | None = None,
    v_scale: Expr | None = None,
    q_norm_weight: Expr | None = None,
    k_norm_weight: Expr | None = None,
    query_seqlens: Expr | None = None,
    *,
    causal: int = 1,
    do_rotary: int = 0,
    k_norm_epsilon: float | None = None,
    k_quant_type: str = "NONE",
    kv_cache_bit_width: int = 0,
    kv_num_heads: int,
    local_window_size: int = _UNBOUNDED,
    num_heads: int,
    q_norm_epsilon: float | None = None,
    qk_norm_epsilon: float = 1e-6,
    qk_output: int = 0,
    rotary_interleaved: int = 0,
    scale: float | None = None,
    sliding_window_cache: int = 0,
    smooth_softmax: int = -1,
    softcap: float = 0.0,
    v_quant_type: str = "NONE",
    context: Context,
) -> tuple[Expr | None, ...]:
    """Each row of the batch has so many keys as ``seqlens_k`` says, plus one; the queries are the last of them."""
    if any(context.outputs[3:]) or qk_output:
        raise NotApplicable("the scores as an output")
    if {k_quant_type, v_quant_type} != {"NONE"} or k_scale is not None or v_scale is not None:
        raise NotApplicable("a quantized cache")
    if sliding_window_cache or query_seqlens is not None:
        raise NotApplicable("a cache of the window's size and chunks with padding")
    q, k, v = _by_head(query, key, value, num_heads, kv_num_heads)
    if q_norm_weight is not None and k_norm_weight is not None:
        own = (qk_norm_epsilon if q_norm_epsilon is None else q_norm_epsilon, k_norm_epsilon or qk_norm_epsilon)
        q, k = _normalized(q, q_norm_weight, own[0]), _normalized(k, k_norm_weight, own[1])
    first = runtime.cache_positions(seqlens_k, query.shape[1])
    if do_rotary:
        if cos_cache is None or sin_cache is None:
            raise NotApplicable("the caches of the rotary embedding are missing")
        places = first if position_ids is None else position_ids
        cos, sin = (index.take(cache, places, 0).unsqueeze(2) for cache in (cos_cache, sin_cache))
        q, k = (runtime.rotary_embedding(x, cos, sin, interleaved=bool(rotary_interleaved)) for x in (q, k))
    q, k, v = (x.transpose(1, 2) for x in (q, k, v))
    present_key = runtime.append_to_cache(past_key, k, first, total_sequence_length)
    present_value = runtime.append_to_cache(past_value, v, first, total_sequence_length)
    window = None if local_window_size == _UNBOUNDED else local_window_size
    mask = runtime.cached_keys(first, seqlens_k, present_key.shape[_STEPS], causal=bool(causal), window=window)
    if attention_bias is not None:
        rest = present_key.shape[_STEPS] - attention_bias.shape[-1]
        bias = attention_bias if rest == 0 else F.pad(attention_bias, (0, rest))
        mask = torch.where(mask, bias, -np.inf)
    if softcap or smooth_softmax > 0 or head_sink is not None:
        y = runtime.attention_with_sink(
            q, present_key, present_value, mask, head_sink, scale=scale, softcap=softcap, smooth=smooth_softmax > 0
        )
    else:
        grouped = num_heads != kv_num_heads
        y = F.scaled_dot_product_attention(q, present_key, present_value, mask, scale=scale, enable_gqa=grouped)
    return y.transpose(1, 2).flatten(2), present_key, present_value


def _by_head(query: Expr, key: Expr | None, value: Expr | None, heads: int, groups: int) -> tuple[Expr, Expr, Expr]:
    """Queries, keys and values of [batch, steps, heads, size], which may come as one tensor."""
    if (key is None) != (value is None):
        raise NotApplicable("keys and values go together")
    if key is not None and value is not None:
        return query.unflatten(-1, (heads, -1)), key.unflatten(-1, (groups, -1)), value.unflatten(-1, (groups, -1))
    packed = query.unflatten(-1, (heads + 2 * groups, -1))
    q, k, v = packed.split((heads, groups, groups), dim=2)
    return q, k, v


def _normalized(x: Expr, weight: Expr, epsilon: float) -> Expr:
    """By the root of the mean square of each head."""
    size = weight.dims[0] if weight.dims is not None else None
    if not isinstance(size, int):
        raise NotApplicable("the size of a head is only known when the model runs")
    return F.rms_norm(x, weight, normalized_shape=(size,), eps=epsilon)  # type: ignore[no-any-return]
