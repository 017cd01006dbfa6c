"""Attention, beyond what torch has a function for."""

from __future__ import annotations

from typing import TypeAlias

from codegen_torch.dims import Dim
from codegen_torch.dtypes import DType
from codegen_torch.facts import Fact, FactError, Facts, Size
from codegen_torch.symbols.base import size_of, symbol
from codegen_torch.symbols.demands import are_different, demand_rank, demand_shape
from codegen_torch.symbols.indexing import check_positions
from codegen_torch.symbols.shape import normal

Tensor: TypeAlias = Fact


def check_attention(query: Fact, key: Fact, value: Fact, *, shares: bool) -> None:
    """Refuse keys of another size than queries, or of another number than values, and heads that do not share them.

    Args:
        query: [..., heads, steps, size].
        key: [..., heads, keys, size].
        value: [..., heads, keys, size].
        shares: Whether keys and values may have fewer heads, by a whole factor.

    Raises:
        FactError: Such they are.
    """
    for each in (query, key, value):
        demand_rank("attention", each, 2, None if query.rank is None else max(query.rank, 2))
    if key.dims is None:
        return
    if query.dims is not None and are_different(query.dims[-1], key.dims[-1]):
        raise FactError(f"attention of queries {query} and keys {key}")
    if value.dims is not None and are_different(key.dims[-2], value.dims[-2]):
        raise FactError(f"attention of keys {key} and values {value}")
    heads = [each.dims[-3] if each.dims is not None and len(each.dims) > 2 else None for each in (query, key, value)]
    known = [count for count in heads if isinstance(count, int)]
    if shares and len(known) == len(heads) and any(count == 0 or known[0] % count for count in known):
        raise FactError(f"attention of {known[0]} heads that share {known[1]} keys and {known[2]} values")


@symbol("runtime.attention")
def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float | None = None,
    softcap: float = 0.0,
    stage: int = 0,
    dtype: DType | None = None,
) -> Facts:
    check_attention(q, k, v, shares=True)
    if q.dims is None:
        return Fact(q.dtype, None), Fact(q.dtype, None)
    keys = Dim.fresh() if k.dims is None else k.dims[2]
    size = Dim.fresh() if v.dims is None else v.dims[3]
    return Fact(q.dtype, (*q.dims[:3], size)), Fact(q.dtype, (*q.dims[:3], keys))


@symbol("runtime.attention_scores")
def attention_scores(q: Tensor, k: Tensor, *, scale: float | None = None, dtype: DType) -> Fact:
    if q.dims is None:
        return Fact(dtype, None)
    return Fact(dtype, (*q.dims[:3], Dim.fresh() if k.dims is None else k.dims[2]))


@symbol("runtime.attended")
def attended(weights: Tensor, v: Tensor) -> Fact:
    if weights.dims is None:
        return Fact(v.dtype, None)
    return Fact(v.dtype, (*weights.dims[:3], Dim.fresh() if v.dims is None else v.dims[3]))


@symbol("runtime.visible_keys")
def visible_keys(lengths: Tensor, queries: Size, keys: Size, left: int | None = None, right: int | None = None) -> Fact:
    batch = Dim.fresh() if lengths.dims is None else lengths.dims[0]
    return Fact(DType.BOOL, (batch, 1, size_of(queries), size_of(keys)))


@symbol("runtime.rotate_half")
def rotate_half(x: Tensor) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.rotate_pairs")
def rotate_pairs(x: Tensor) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.rotary_embedding")
def rotary_embedding(x: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False) -> Fact:
    return Fact(x.dtype, x.dims)


@symbol("runtime.linear_attention")
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
) -> Facts:
    dtype = query.dtype if state is None else state.dtype
    call, (batch, steps, _) = "linear attention", query.dims if query.rank == 3 and query.dims else (None,) * 3
    for name, operand, groups in (("query", query, heads), ("key", key, kv_heads), ("value", value, kv_heads)):
        demand_shape(call, name, operand, batch, steps, None)
        width = None if operand.dims is None else operand.dims[2]
        if isinstance(width, int) and width % groups:
            raise FactError(f"{call} whose {name} is {operand}, for {groups} heads")
    for name, factors in (("decay", decay), ("beta", beta)):
        demand_shape(call, name, factors, batch, steps, None)
    if query.dims is None or key.dims is None or value.dims is None:
        return Fact(query.dtype, None), Fact(dtype, None)
    size, value_size = (dims[2] // kv_heads for dims in (key.dims, value.dims))
    last = Fact(dtype, (query.dims[0], kv_heads, size, value_size))
    return Fact(query.dtype, (*query.dims[:2], heads * value_size)), last


@symbol("runtime.tensor_scatter")
def tensor_scatter(cache: Tensor, update: Tensor, starts: Tensor, dim: int, *, circular: bool = False) -> Fact:
    if cache.dims is not None:
        axis = normal(dim, len(cache.dims))
        if not circular:
            check_positions(cache, axis, starts)
        sizes = (size if place != axis else None for place, size in enumerate(cache.dims))
        demand_shape(f"a cache {cache}", "update", update, *sizes)
        demand_shape(f"a cache {cache}", "starts", starts, cache.dims[0])
    return Fact(cache.dtype, cache.dims)
