"""Normalizations, alone and joined with what comes before them."""

from __future__ import annotations

from dataclasses import replace

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.lower.registry import Context, op
from codegen_torch.ops.cast import cast_to
from codegen_torch.ops.contrib.domain import microsoft
from codegen_torch.ops.norm import layer_normalization, rms_normalization
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
    if mask is None:
        lengths = torch.zeros(input_ids.shape[0], dtype=DType.INT32)
    else:
        lengths = torch.eq(mask, 1).sum(1, dtype=DType.INT32)
    return y, lengths, total
