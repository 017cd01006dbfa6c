"""Attention of as many keys' heads as queries' heads, with all that ONNX Runtime has joined with it."""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence

import numpy as np

from codegen_torch.dims import same
from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr, UnknownRank
from codegen_torch.lower.registry import Context, Int, NotApplicable
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.quantization import integer_product
from codegen_torch.symbols.base import size_of
from codegen_torch.symbols.namespaces import F, index, runtime, torch

_MASKED = -10000.0
"""What ONNX Runtime adds to the scores of padding."""
_BEFORE_SOFTMAX = 2
_STEPS = 2
"""The dimension of [batch, heads, steps, size] along which keys and values are remembered."""


@microsoft("MultiHeadAttention")
def multi_head_attention(
    query: Expr,
    key: Expr | None = None,
    value: Expr | None = None,
    bias: Expr | None = None,
    key_padding_mask: Expr | None = None,
    attention_bias: Expr | None = None,
    past_key: Expr | None = None,
    past_value: Expr | None = None,
    past_sequence_length: Expr | None = None,
    cache_indirection: Expr | None = None,
    *,
    mask_filter_value: float = _MASKED,
    num_heads: int,
    scale: float | None = None,
    unidirectional: int = 0,
    context: Context,
) -> tuple[Expr | None, ...]:
    """Of [batch, steps, heads * size]; keys and values also of [batch, heads, steps, size], or packed.

    The last output is the scores that the softmax is taken of.
    """
    if past_sequence_length is not None or cache_indirection is not None:
        raise NotApplicable("a buffer that past and present keys share")
    exposed = any(context.outputs[3:])
    if exposed and unidirectional:
        raise NotApplicable("the scores of hidden keys as an output")
    q, k, v = _unpacked(query, key, value, num_heads)
    if bias is not None:
        q, k, v = _biased(q, k, v, bias, num_heads, by_head=_is_by_head(key))
    q = q.transpose(1, 2)
    if not _is_by_head(key):
        k, v = k.transpose(1, 2), v.transpose(1, 2)
    k, v = _remembered(past_key, k), _remembered(past_value, v)
    terms = (attention_bias, _padding(key_padding_mask, q, k, mask_filter_value))
    if not exposed:
        return _attended(q, k, v, terms, scale, causal=bool(unidirectional)), k, v
    y, scores = runtime.attention(q, k, v, _total(terms, q.dtype), scale=scale, stage=_BEFORE_SOFTMAX)
    return y.transpose(1, 2).flatten(2), k, v, scores


def _is_by_head(x: Expr | None) -> bool:
    return x is not None and x.rank == 4


def _unpacked(query: Expr, key: Expr | None, value: Expr | None, heads: int) -> tuple[Expr, Expr, Expr]:
    """Queries, keys and values of [batch, steps, heads, size]; keys and values by head stay as they are."""
    if query.rank == 5:  # [batch, steps, heads, 3, size]
        q, k, v = (index.select(query, 3, position) for position in range(3))
        return q, k, v
    if key is None:
        raise NotApplicable("there are no keys")
    q = query.unflatten(-1, (heads, -1))
    if key.rank == 5:  # [batch, steps, heads, 2, size]
        return q, index.select(key, 3, 0), index.select(key, 3, 1)
    if value is None or key.rank not in (3, 4) or value.rank != key.rank:
        raise NotApplicable("keys and values are not of the same known rank")
    if key.rank == 4:
        return q, key, value
    return q, key.unflatten(-1, (heads, -1)), value.unflatten(-1, (heads, -1))


def _biased(q: Expr, k: Expr, v: Expr, bias: Expr, heads: int, *, by_head: bool) -> tuple[Expr, Expr, Expr]:
    """Each with its part of a bias; none is added to keys and values that come by head, which have theirs."""
    width = heads * q.shape[-1]
    q = q + index.slice(bias, 0, 0, width).unflatten(0, (heads, -1))
    if by_head:
        return q, k, v
    keys, values = index.slice(bias, 0, width, 2 * width), index.slice(bias, 0, 2 * width)
    return q, k + keys.unflatten(0, (heads, -1)), v + values.unflatten(0, (heads, -1))


def _remembered(past: Expr | None, x: Expr) -> Expr:
    return x if past is None else torch.cat([past, x], dim=_STEPS)


def _causal(q: Expr, k: Expr) -> Expr:
    """The keys up to each query; the queries are the last of the keys."""
    queries, keys = q.shape[_STEPS], k.shape[_STEPS]
    return torch.ones(queries, keys, dtype=DType.BOOL).tril(keys - queries)  # type: ignore[no-any-return]


def _padding(mask: Expr | None, q: Expr, k: Expr, hidden: float) -> Expr | None:
    """What is added to the scores of padding.

    Args:
        mask: Above 0 where a key is none, [batch, keys] or [batch, queries, keys]; or how many keys are none, [batch],
            perhaps followed by how many come before them.
        q: The queries.
        k: The keys.
        hidden: What is added.
    """
    if mask is None:
        return None
    if mask.rank is None:
        raise UnknownRank(mask)
    if mask.rank == 1:
        seen = runtime.unpadded_keys(mask, q.shape[0], k.shape[_STEPS])
    elif mask.rank == 2:
        seen = torch.gt(mask, 0).unsqueeze(1).unsqueeze(1)
    elif mask.rank == 3:
        seen = torch.gt(mask, 0).unsqueeze(1)
    else:
        raise NotApplicable(f"a mask of rank {mask.rank}")
    return torch.where(seen, 0.0, hidden)  # type: ignore[no-any-return]


def _attended(
    q: Expr, k: Expr, v: Expr, terms: Sequence[Expr | None], scale: float | None, *, causal: bool = False
) -> Expr:
    """Attention as [batch, steps, heads * size], with terms added to the scores, perhaps to earlier keys alone."""
    mask = _total(terms, q.dtype)
    square = causal and mask is None and same(size_of(q.shape[_STEPS]), size_of(k.shape[_STEPS])) is True
    if causal and not square:
        mask = _causal(q, k) if mask is None else torch.where(_causal(q, k), mask, -np.inf)
    y = F.scaled_dot_product_attention(q, k, v, mask, is_causal=square, scale=scale)
    return y.transpose(1, 2).flatten(2)  # type: ignore[no-any-return]


def _total(terms: Sequence[Expr | None], dtype: DType) -> Expr | None:
    given = [term if term.dtype is dtype else term.to(dtype) for term in terms if term is not None]
    return functools.reduce(operator.add, given) if given else None


@microsoft("Attention")
def attention(
    input: Expr,
    weights: Expr,
    bias: Expr | None = None,
    mask_index: Expr | None = None,
    past: Expr | None = None,
    attention_bias: Expr | None = None,
    past_sequence_length: Expr | None = None,
    *,
    do_rotary: int = 0,
    mask_filter_value: float = _MASKED,
    num_heads: int,
    past_present_share_buffer: int = 0,
    qkv_hidden_sizes: tuple[int, ...] = (),
    rotary_embedding_dim: int = 0,
    scale: float | None = None,
    unidirectional: int = 0,
) -> tuple[Expr, Expr | None]:
    """The weights project to queries, keys and values, one after another."""
    if do_rotary or past_present_share_buffer or past_sequence_length is not None:
        raise NotApplicable("rotary embedding and shared buffers, which ONNX Runtime has on GPUs alone")
    projected = F.linear(input, weights.transpose(0, 1), bias)
    parts = projected.split(qkv_hidden_sizes, dim=-1) if qkv_hidden_sizes else projected.chunk(3, dim=-1)
    return _self_attention(
        parts, past, mask_index, attention_bias, num_heads, bool(unidirectional), mask_filter_value, scale
    )


@microsoft("QAttention")
def quantized_attention(
    input: Expr,
    weight: Expr,
    bias: Expr,
    input_scale: Expr,
    weight_scale: Expr,
    mask_index: Expr | None = None,
    input_zero_point: Expr | None = None,
    weight_zero_point: Expr | None = None,
    past: Expr | None = None,
    *,
    do_rotary: int = 0,
    mask_filter_value: float = _MASKED,
    num_heads: int,
    past_present_share_buffer: int = 0,
    scale: float | None = None,
    unidirectional: int = 0,
) -> tuple[Expr, Expr | None]:
    """The projection is a product of integers; from there on it is Attention."""
    if do_rotary or past_present_share_buffer:
        raise NotApplicable("rotary embedding and shared buffers, which ONNX Runtime has on GPUs alone")
    product = integer_product(input, weight, input_zero_point, weight_zero_point)
    projected = product.to(bias.dtype) * (input_scale * weight_scale) + bias
    parts = projected.chunk(3, dim=-1)
    return _self_attention(parts, past, mask_index, None, num_heads, bool(unidirectional), mask_filter_value, scale)


def _self_attention(
    parts: Sequence[Expr],
    past: Expr | None,
    mask: Expr | None,
    bias: Expr | None,
    heads: int,
    causal: bool,
    hidden: float,
    scale: float | None,
) -> tuple[Expr, Expr | None]:
    """Attention of [batch, steps, heads * size], and the keys and values so far, [2, batch, heads, steps, size]."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in parts)
    if past is not None:
        k, v = (torch.cat([index.select(past, 0, position), x], dim=_STEPS) for position, x in enumerate((k, v)))
    terms = (bias, _padding(mask, q, k, hidden))
    alike = same(size_of(k.shape[-1]), size_of(v.shape[-1])) is not False  # else no tensor holds both
    return _attended(q, k, v, terms, scale, causal=causal), torch.stack([k, v]) if alike else None


@microsoft("DecoderMaskedMultiHeadAttention")
def decoder_masked_multi_head_attention(
    query: Expr,
    key: Expr | None = None,
    value: Expr | None = None,
    mask_index: Expr | None = None,
    attention_bias: Expr | None = None,
    past_key: Expr | None = None,
    past_value: Expr | None = None,
    past_sequence_length: Int | None = None,
    beam_width: Expr | None = None,
    cache_indirection: Expr | None = None,
    bias: Expr | None = None,
    *,
    mask_filter_value: float = _MASKED,
    num_heads: int,
    output_qk: int = 0,
    past_present_share_buffer: int = 0,
    scale: float | None = None,
    context: Context,
) -> tuple[Expr | None, ...]:
    """One step of a decoder."""
    if beam_width is not None or cache_indirection is not None:
        raise NotApplicable("a search with beams")
    if any(context.outputs[3:]):
        raise NotApplicable("the weights as an output")
    q, k, v = _unpacked(query, key, value, num_heads)
    if bias is not None:
        q, k, v = _biased(q, k, v, bias, num_heads, by_head=_is_by_head(key))
    q = q.transpose(1, 2)
    if not _is_by_head(key):
        k, v = k.transpose(1, 2), v.transpose(1, 2)
    present_key, present_value = k, v
    if past_key is not None and past_value is not None:
        if past_present_share_buffer:
            if past_sequence_length is None:
                raise NotApplicable("a shared buffer of unknown length")
            present_key = runtime.written_at(past_key, k, past_sequence_length)
            present_value = runtime.written_at(past_value, v, past_sequence_length)
            k, v = (index.slice(x, _STEPS, 0, past_sequence_length + 1) for x in (present_key, present_value))
        else:
            present_key = k = torch.cat([past_key, k], dim=_STEPS)
            present_value = v = torch.cat([past_value, v], dim=_STEPS)
    terms = [attention_bias, _padding(mask_index, q, k, mask_filter_value)]
    return _attended(q, k, v, terms, scale), present_key, present_value
