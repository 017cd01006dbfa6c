"""Normalizations, alone and joined with what comes before them."""

from __future__ import annotations

from dataclasses import replace

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Context, NotApplicable, op
from codegen_torch.ops.cast import cast_to
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.contrib.tensor import channels_first, channels_last
from codegen_torch.ops.norm import group_normalization, layer_normalization, rms_normalization
from codegen_torch.ops.quantization import dequantize_linear
from codegen_torch.symbols.namespaces import F, index, torch

_EPSILON = 1e-12


@op("SimplifiedLayerNormalization", since=1)
@microsoft("SimplifiedLayerNormalization")
def simplified_layer_normalization(
    x: Expr, scale: Expr, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1, context: Context
) -> tuple[Expr, Expr | None]:
    """ONNX Runtime's name for RMSNormalization, which it has in ONNX's own domain as well."""
    y = rms_normalization(x, cast_to(scale, x.dtype), axis=axis, epsilon=epsilon)
    inverse = _inverse_root(x, axis, epsilon) if any(context.outputs[1:]) else None
    return cast_to(y, scale.dtype), inverse


def _inverse_root(x: Expr, axis: int, epsilon: float) -> Expr:
    rank = len(x.shape)
    wide = cast_to(x, DType.FLOAT32) if x.dtype.itemsize == 2 else x
    return torch.rsqrt((wide * wide).mean(tuple(range(axis % rank, rank)), keepdim=True) + epsilon)  # type: ignore[no-any-return]


@microsoft("SkipLayerNormalization")
def skip_layer_normalization(
    x: Expr,
    skip: Expr,
    gamma: Expr,
    beta: Expr | None = None,
    bias: Expr | None = None,
    *,
    epsilon: float = _EPSILON,
    context: Context,
) -> tuple[Expr | None, ...]:
    """The last output is the sum that is normalized."""
    total = x + skip if bias is None else x + bias + skip
    own = replace(context, outputs=context.outputs[:3])
    return *layer_normalization(total, gamma, beta, epsilon=epsilon, context=own), total


@microsoft("SkipSimplifiedLayerNormalization")
def skip_simplified_layer_normalization(
    x: Expr, skip: Expr, gamma: Expr, bias: Expr | None = None, *, epsilon: float = _EPSILON, context: Context
) -> tuple[Expr | None, ...]:
    total = x + skip if bias is None else x + bias + skip
    inverse = _inverse_root(total, -1, epsilon) if any(context.outputs[2:3]) else None
    return rms_normalization(total, gamma, epsilon=epsilon), None, inverse, total


@microsoft("EmbedLayerNormalization")
def embed_layer_normalization(
    input_ids: Expr,
    segment_ids: Expr | None,
    word_embedding: Expr,
    position_embedding: Expr,
    segment_embedding: Expr | None = None,
    gamma: Expr | None = None,
    beta: Expr | None = None,
    mask: Expr | None = None,
    position_ids: Expr | None = None,
    *,
    epsilon: float = _EPSILON,
    mask_index_type: int = 1,
    context: Context,
) -> tuple[Expr | None, ...]:
    """The second output is how many ones each row of the mask has, or zeros."""
    total = F.embedding(input_ids, word_embedding)
    if position_ids is None:
        total = total + index.slice(position_embedding, 0, 0, input_ids.shape[1])
    else:
        total = total + F.embedding(position_ids, position_embedding)
    if segment_ids is not None and segment_embedding is not None:
        total = total + F.embedding(segment_ids, segment_embedding)
    assert gamma is not None
    y, *_ = layer_normalization(total, gamma, beta, epsilon=epsilon, context=replace(context, outputs=(True,)))
    return y, _lengths(input_ids, mask), total


@microsoft("QEmbedLayerNormalization")
def quantized_embed_layer_normalization(
    input_ids: Expr,
    segment_ids: Expr | None,
    word_embedding: Expr,
    position_embedding: Expr,
    segment_embedding: Expr | None,
    gamma: Expr,
    beta: Expr,
    mask: Expr | None,
    word_embedding_scale: Expr,
    position_embedding_scale: Expr,
    segment_embedding_scale: Expr | None,
    gamma_scale: Expr,
    beta_scale: Expr,
    word_embedding_zero_point: Expr,
    position_embedding_zero_point: Expr,
    segment_embedding_zero_point: Expr | None,
    gamma_zero_point: Expr,
    beta_zero_point: Expr,
    *,
    epsilon: float = _EPSILON,
    context: Context,
) -> tuple[Expr | None, ...]:
    """All that is stored is quantized; of the tables, the rows that are looked up are what is dequantized."""
    steps = input_ids.shape[1]
    total = dequantize_linear(index.take(word_embedding, input_ids, 0), word_embedding_scale, word_embedding_zero_point)
    positions = index.slice(position_embedding, 0, 0, steps)
    total = total + dequantize_linear(positions, position_embedding_scale, position_embedding_zero_point)
    if segment_ids is not None and segment_embedding is not None and segment_embedding_scale is not None:
        rows = index.take(segment_embedding, segment_ids, 0)
        total = total + dequantize_linear(rows, segment_embedding_scale, segment_embedding_zero_point)
    scale = dequantize_linear(gamma, gamma_scale, gamma_zero_point)
    shift = dequantize_linear(beta, beta_scale, beta_zero_point)
    y, *_ = layer_normalization(total, scale, shift, epsilon=epsilon, context=replace(context, outputs=(True,)))
    return y, _lengths(input_ids, mask)


def _lengths(input_ids: Expr, mask: Expr | None) -> Expr:
    """How many ones each row of a mask has; without one, zeros."""
    if mask is None:
        return torch.zeros(input_ids.shape[0], dtype=DType.INT32)  # type: ignore[no-any-return]
    return torch.eq(mask, 1).sum(1, dtype=DType.INT32)  # type: ignore[no-any-return]


@microsoft("GroupNorm")
def group_norm(
    x: Expr, gamma: Expr, beta: Expr, *, activation: int, channels_last: int = 1, epsilon: float = 1e-5, groups: int
) -> Expr:
    """Activation 1 is SiLU."""
    if activation not in (0, 1):
        raise NotApplicable(f"the activation {activation} is not known")
    y = group_normalization(_first(x, channels_last), gamma, beta, num_groups=groups, epsilon=epsilon)
    return _back(F.silu(y) if activation else y, channels_last)


@microsoft("SkipGroupNorm")
def skip_group_norm(
    x: Expr,
    gamma: Expr,
    beta: Expr,
    skip: Expr,
    bias: Expr | None = None,
    *,
    activation: int,
    channels_last: int = 1,
    epsilon: float = 1e-5,
    groups: int,
) -> tuple[Expr, Expr]:
    """Of channels that come last; what is added may be one number per channel. The last output is the sum."""
    if not channels_last:
        raise NotApplicable("channels that do not come last")
    added = skip.unsqueeze(1).unsqueeze(1) if skip.rank == 2 else skip
    total = x + added if bias is None else x + added + bias
    return group_norm(total, gamma, beta, activation=activation, epsilon=epsilon, groups=groups), total


def _first(x: Expr, is_last: int) -> Expr:
    return channels_first(x) if is_last else x


def _back(x: Expr, is_last: int) -> Expr:
    return channels_last(x) if is_last else x
