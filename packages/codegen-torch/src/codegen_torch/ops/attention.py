"""Attention over queries, keys and values."""

from __future__ import annotations

import numpy as np
from onnx_proto import DataType, Graph

from codegen_torch.dims import same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Context, Int, NotApplicable, op
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.demands import demand_shape
from codegen_torch.symbols.namespaces import F, index, runtime, torch

_UNBOUNDED = -1
_STEPS = 2
"""The dimension of [batch, heads, steps, size] along which keys and values are remembered."""


@op("Attention", since=23)
def attention(
    q: Expr,
    k: Expr,
    v: Expr,
    attn_mask: Expr | None = None,
    past_key: Expr | None = None,
    past_value: Expr | None = None,
    nonpad_kv_seqlen: Expr | None = None,
    *,
    is_causal: int = 0,
    kv_num_heads: int = 0,
    left_window_size: int = _UNBOUNDED,
    q_num_heads: int = 0,
    qk_matmul_output_mode: int = 0,
    right_window_size: int = _UNBOUNDED,
    scale: float | None = None,
    softcap: float = 0.0,
    softmax_precision: int = 0,
    context: Context,
) -> tuple[Expr | None, ...]:
    """Of [batch, heads, steps, size], or [batch, steps, heads * size] where the numbers of heads are given."""
    _check(past_key, past_value, nonpad_kv_seqlen, left_window_size, right_window_size)
    is_flat = len(q.shape) == 3
    if is_flat:
        q, k, v = _by_head(q, q_num_heads), _by_head(k, kv_num_heads), _by_head(v, kv_num_heads)
    if past_key is not None and past_value is not None:
        k, v = torch.cat([past_key, k], dim=_STEPS), torch.cat([past_value, v], dim=_STEPS)
    mask = None if attn_mask is None else _mask(attn_mask, q, k, context)
    right = min(right_window_size, 0) if is_causal and right_window_size >= 0 else right_window_size
    bounds = (left_window_size, 0 if is_causal else right)
    exposed = any(context.outputs[3:])
    if exposed or softcap or not _is_usual(softmax_precision, q):
        seen = _seen(q, k, past_key, nonpad_kv_seqlen, bounds)
        y, scores = runtime.attention(
            q,
            k,
            v,
            _both(mask, seen),
            scale=scale,
            softcap=softcap,
            stage=qk_matmul_output_mode if exposed else 0,
            dtype=_precision(softmax_precision) if softmax_precision else None,
        )
    else:
        plain = mask is None and past_key is None and nonpad_kv_seqlen is None
        causal = plain and bounds == (_UNBOUNDED, 0)
        seen = None if causal else _seen(q, k, past_key, nonpad_kv_seqlen, bounds)
        y, scores = _by_torch(q, k, v, _both(mask, seen), causal, scale), None
    return (y.transpose(1, 2).flatten(2) if is_flat else y), k, v, scores


def _by_torch(q: Expr, k: Expr, v: Expr, mask: Expr | None, causal: bool, scale: float | None) -> Expr:
    """Torch rounds the weights of float16, where ONNX has no tolerance for it; those are computed in float32."""
    dtype = q.dtype
    if dtype is DType.FLOAT16:
        q, k, v = (value.to(DType.FLOAT32) for value in (q, k, v))
        mask = mask if mask is None or mask.dtype is DType.BOOL else mask.to(DType.FLOAT32)
    grouped = same(size_of(q.shape[1]), size_of(k.shape[1])) is not True
    y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal, scale=scale, enable_gqa=grouped)
    return y if y.dtype is dtype else y.to(dtype)  # type: ignore[no-any-return]


def _check(past_key: Expr | None, past_value: Expr | None, lengths: Expr | None, left: int, right: int) -> None:
    if (past_key is None) != (past_value is None):
        raise NotApplicable("past_key and past_value go together")
    if past_key is not None and lengths is not None:
        raise NotApplicable("nonpad_kv_seqlen does not go with past_key")
    if min(left, right) < _UNBOUNDED:
        raise NotApplicable("the sizes of the window are -1 or more")


def _by_head(x: Expr, heads: int) -> Expr:
    if heads < 1:
        raise NotApplicable("q_num_heads and kv_num_heads are missing")
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # type: ignore[no-any-return]


def _mask(mask: Expr, q: Expr, k: Expr, context: Context) -> Expr:
    """The mask as long as the keys; since opset 24 it may be shorter, and hides the rest."""
    additive = mask.dtype is not DType.BOOL
    if additive and mask.dtype is not q.dtype:
        mask = mask.to(q.dtype)
    if mask.rank == 1:
        mask = mask.unsqueeze(0)
    length, wanted = mask.shape[-1], k.shape[_STEPS]
    if context.opset < 24 or same(size_of(length), size_of(wanted)) is True:
        return mask
    return F.pad(mask, (0, wanted - length), value=-np.inf if additive else False)  # type: ignore[no-any-return]


def _seen(q: Expr, k: Expr, past: Expr | None, lengths: Expr | None, bounds: tuple[int, int]) -> Expr | None:
    """Which keys each query sees by their distance, and by how many keys are valid; None for all of them."""
    left, right = bounds
    queries, keys = q.shape[_STEPS], k.shape[_STEPS]
    if lengths is not None:
        limits = (None if bound == _UNBOUNDED else bound for bound in (left, right))
        return runtime.visible_keys(lengths, queries, keys, *limits)  # type: ignore[no-any-return]
    if bounds == (_UNBOUNDED, _UNBOUNDED):
        return None
    before: Int = 0 if past is None else past.shape[_STEPS]
    seen = torch.ones(queries, keys, dtype=DType.BOOL)
    if right != _UNBOUNDED:
        seen = seen.tril(before + right)
    return seen if left == _UNBOUNDED else seen.triu(before - left)  # type: ignore[no-any-return]


def _both(mask: Expr | None, seen: Expr | None) -> Expr | None:
    if mask is None or seen is None:
        return seen if mask is None else mask
    if mask.dtype is DType.BOOL:
        return mask & seen
    return torch.where(seen, mask, -np.inf)  # type: ignore[no-any-return]


def _precision(softmax_precision: int) -> DType:
    known = {member.value: member for member in DataType}
    dtype = DType.of_onnx(known[softmax_precision]) if softmax_precision in known else None
    if dtype is None or not dtype.is_float:
        raise NotApplicable(f"softmax_precision {softmax_precision} is no type of floats")
    return dtype


def _is_usual(softmax_precision: int, q: Expr) -> bool:
    """Whether torch computes the softmax in this type: in the operands', but half floats in float32."""
    return not softmax_precision or _precision(softmax_precision) in (q.dtype, DType.FLOAT32)


@op("FlexAttention", since=1, domain="ai.onnx.preview")
def flex_attention(
    q: Expr,
    k: Expr,
    v: Expr,
    *,
    prob_mod: Graph | None = None,
    scale: float | None = None,
    score_mod: Graph | None = None,
    softmax_precision: int = 0,
    context: Context,
) -> Expr:
    """The softmax is computed in float32, of doubles in float64, if nothing else is asked for."""
    usual = DType.FLOAT64 if q.dtype is DType.FLOAT64 else DType.FLOAT32
    precision = _precision(softmax_precision) if softmax_precision else usual
    if precision is usual and score_mod is None and prob_mod is None:
        return _by_torch(q, k, v, None, False, scale)
    scores = runtime.attention_scores(q, k, scale=scale, dtype=precision)
    weights = F.softmax(_modified(scores, score_mod, context), dim=-1)
    return runtime.attended(_modified(weights, prob_mod, context), v)  # type: ignore[no-any-return]


def _modified(x: Expr, graph: Graph | None, context: Context) -> Expr:
    """What a subgraph makes of scores or weights."""
    if graph is None or context.subgraphs is None:
        return x
    (y,) = context.subgraphs.here(graph, (x,))
    return y


@op("RotaryEmbedding", since=23)
def rotary_embedding(
    x: Expr,
    cos_cache: Expr,
    sin_cache: Expr,
    position_ids: Expr | None = None,
    *,
    interleaved: int = 0,
    num_heads: int = 0,
    rotary_embedding_dim: int = 0,
) -> Expr:
    """How many features are rotated is told by the caches as well as by ``rotary_embedding_dim``."""
    is_flat = len(x.shape) == 3
    if is_flat and num_heads < 1:
        raise NotApplicable("num_heads is missing")
    batch, steps = (None, None) if x.dims is None else (x.dims[0], x.dims[1 if is_flat else 2])
    for name, cache in (("cosines", cos_cache), ("sines", sin_cache)):
        sizes = (batch, steps, None) if position_ids is None else (None, None)
        demand_shape("a rotation", name, cache.fact, *sizes)
    if position_ids is not None:
        demand_shape("a rotation", "positions", position_ids.fact, batch, steps)
        cos_cache, sin_cache = index.take(cos_cache, position_ids, 0), index.take(sin_cache, position_ids, 0)
    heads = 2 if is_flat else 1
    cos, sin = cos_cache.unsqueeze(heads), sin_cache.unsqueeze(heads)
    if not is_flat:
        return runtime.rotary_embedding(x, cos, sin, interleaved=bool(interleaved))  # type: ignore[no-any-return]
    y = runtime.rotary_embedding(x.unflatten(-1, (num_heads, -1)), cos, sin, interleaved=bool(interleaved))
    return y.flatten(2)  # type: ignore[no-any-return]


_RULES = {"linear": (False, False), "gated": (True, False), "delta": (False, True), "gated_delta": (True, True)}
"""Whether each of LinearAttention's rules takes a decay and a beta."""


@op("LinearAttention", since=27)
def linear_attention(
    query: Expr,
    key: Expr,
    value: Expr,
    past_state: Expr | None = None,
    decay: Expr | None = None,
    beta: Expr | None = None,
    *,
    chunk_size: int = 64,
    kv_num_heads: int,
    q_num_heads: int,
    scale: float = 0.0,
    update_rule: str = "gated_delta",
) -> tuple[Expr, Expr]:
    """Of [batch, steps, heads * size]; ``chunk_size`` is a hint about speed."""
    if update_rule not in _RULES:
        raise NotApplicable(f"the update rule {update_rule!r} is not known")
    if _RULES[update_rule] != (decay is not None, beta is not None):
        raise NotApplicable(f"decay and beta are not what the update rule {update_rule!r} takes")
    if min(q_num_heads, kv_num_heads) < 1 or q_num_heads % kv_num_heads:
        raise NotApplicable(f"{q_num_heads} heads do not share {kv_num_heads}")
    return runtime.linear_attention(  # type: ignore[no-any-return]
        query, key, value, past_state, decay, beta, heads=q_num_heads, kv_heads=kv_num_heads, scale=scale or None
    )


@op("CausalConvWithState", since=27)
def causal_conv_with_state(
    input: Expr,
    weight: Expr,
    bias: Expr | None = None,
    past_state: Expr | None = None,
    *,
    activation: str = "none",
) -> tuple[Expr, Expr]:
    """Of [batch, channels, steps], each channel by itself; the last steps are the state of the next call."""
    if activation not in ("none", "silu", "swish"):
        raise NotApplicable(f"the activation {activation!r} is not known")
    channels, _, width = weight.shape
    padded = F.pad(input, (width - 1, 0)) if past_state is None else torch.cat([past_state, input], dim=2)
    y = F.conv1d(padded, weight, bias, groups=channels)
    state = index.slice(padded, 2, input.shape[2])
    return (y if activation == "none" else F.silu(y)), state


@op("TensorScatter", since=24)
def tensor_scatter(
    past_cache: Expr, update: Expr, write_indices: Expr | None = None, *, axis: int = -2, mode: str = "linear"
) -> Expr:
    if mode not in ("linear", "circular"):
        raise NotApplicable(f"the mode {mode!r} is not known")
    if write_indices is None:
        rest = index.slice(past_cache, axis, update.shape[axis])
        return torch.cat([update, rest], dim=axis)  # type: ignore[no-any-return]
    return runtime.tensor_scatter(past_cache, update, write_indices, axis, circular=mode == "circular")  # type: ignore[no-any-return]
