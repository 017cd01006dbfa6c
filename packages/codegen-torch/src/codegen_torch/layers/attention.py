"""Attention, as exporters spell it out, becomes F.scaled_dot_product_attention."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from dataflow_ir import P, V, alt, once

from codegen_torch.dtypes import DType
from codegen_torch.expr import Expr
from codegen_torch.layers.causal import causal_fill
from codegen_torch.layers.movement import permuted
from codegen_torch.layers.patterns import as_written, last_axes, near, number
from codegen_torch.layers.rules import Family, tensor_operands
from codegen_torch.layers.visible import reaches_no_further, shows_first_key
from codegen_torch.symbols.dropout import OF_ELEMENTS
from codegen_torch.symbols.namespaces import F, torch

RULES = Family()

_MOST_TERMS = 8
_SOFTMAX = once(P.F.softmax(V._, dim=V.dim).named("softmax"))
# ``where(isnan(p), 0, p)`` makes wholly masked rows zero, as torch does.
_GUARDED = once(P.torch.where(P.torch.isnan(_SOFTMAX), near(0), V.softmax))
# So does asking the mask, as ONNX's own words for Attention do.
_LARGEST = P.Tensor.amax(V.bias, keepdim=True).named("largest")
_ASKED = once(P.torch.where(P.torch.eq(_LARGEST, near(-math.inf)), near(0), _SOFTMAX))
_WEIGHTS = alt(plain=_SOFTMAX, guarded=_GUARDED)
_DROPOUT = V("dropout", OF_ELEMENTS)


@RULES(P.operator.matmul(once(_ASKED >> _DROPOUT), V.value))
def asked_attention_in_training(
    softmax: Expr, dim: int, bias: Expr, largest: Expr, dropout: Expr, value: Expr
) -> Expr | None:
    """What training drops of where(max(mask) == -inf, 0, softmax(…)) is what the attention drops."""
    return _asked(softmax, dim, bias, largest, value, dropout.attrs["p"])


@RULES(P.operator.matmul(_ASKED, V.value))
def asked_attention(softmax: Expr, dim: int, bias: Expr, largest: Expr, value: Expr) -> Expr | None:
    """The product where(max(mask) == -inf, 0, softmax(q kᵀ * scale + mask)) v is F.scaled_dot_product_attention."""
    return _asked(softmax, dim, bias, largest, value)


@RULES(P.operator.matmul(once(_WEIGHTS >> _DROPOUT), V.value))
def attention_in_training(softmax: Expr, dim: int, tag: str, dropout: Expr, value: Expr) -> Expr | None:
    """What training drops of softmax(…) is what the attention drops."""
    return _attention(softmax, dim, value, guarded=tag == "guarded", dropped=dropout.attrs["p"])


@RULES(P.operator.matmul(_WEIGHTS, V.value))
def attention(softmax: Expr, dim: int, tag: str, value: Expr) -> Expr | None:
    """The product softmax(q kᵀ * scale + mask) v is F.scaled_dot_product_attention, if wholly masked rows agree."""
    return _attention(softmax, dim, value, guarded=tag == "guarded")


_FUSED = V("fused", op="F.scaled_dot_product_attention")


@RULES(once(_FUSED) >> V("apart", op={"Tensor.unflatten", "Tensor.reshape"}))
def heads_in_a_batch(fused: Expr, apart: Expr) -> Expr | None:
    """Attention whose heads are merged with the samples, and then told apart again, needs neither of the two."""
    query, key, value, mask = fused.inputs
    if mask is not None or apart.dims is None or len(apart.dims) != 4 or fused.attrs.get("enable_gqa", False):
        return None
    operands = [each.inputs[0] for each in (query, key, value) if each.rank == 3 and each.op in _JOINS]
    if len(operands) < 3 or any(each.rank != 4 or each.dims[:2] != apart.dims[:2] for each in operands):
        return None
    if any(each.dims[2:] != merged.dims[1:] for each, merged in zip(operands, (query, key, value), strict=True)):
        return None
    return F.scaled_dot_product_attention(*operands, **fused.attrs)  # type: ignore[no-any-return]


def _asked(softmax: Expr, dim: int, bias: Expr, largest: Expr, value: Expr, dropped: float = 0.0) -> Expr | None:
    scores = _scores(softmax.inputs[0])
    if scores is None or len(scores.terms) != 1 or scores.terms[0] is not bias or last_axes(largest) != 1:
        return None
    fused = _attention(softmax, dim, value, guarded=True, dropped=dropped)
    if fused is None or fused.dtype is not DType.FLOAT16:
        return fused
    # As the operator Attention is converted: torch sums half floats of a CPU in another order than is good for them.
    inputs = (None if each is None else each.to(DType.FLOAT32) for each in fused.inputs)
    return F.scaled_dot_product_attention(*inputs, **fused.attrs).to(DType.FLOAT16)  # type: ignore[no-any-return]


def _attention(softmax: Expr, dim: int, value: Expr, *, guarded: bool, dropped: float = 0.0) -> Expr | None:
    rank = softmax.rank
    if rank is None or rank < 3 or dim not in (-1, rank - 1):
        return None
    scores = _scores(softmax.inputs[0])
    if scores is None:
        return None
    causal = _is_causal(scores)
    mask = None if causal else _mask(scores, guarded)
    if mask is False:
        return None
    query, key, value, grouped = _heads(scores.query, scores.key, value)
    if query.dims is None or key.dims is None or value.dims is None:
        return None
    same = key.dims[:-2] == value.dims[:-2] and (grouped or query.dims[:-2] == key.dims[:-2])
    if not same or key.dims[-2] != value.dims[-2]:
        return None
    return F.scaled_dot_product_attention(  # type: ignore[no-any-return]
        query,
        key,
        value,
        mask,
        dropout_p=dropped,
        is_causal=causal,
        scale=_scale(scores.scale, query.dims[-1]),
        enable_gqa=grouped,
    )


@dataclass(frozen=True, slots=True)
class _Scores:
    """``query @ key.transpose(-2, -1) * scale + sum(terms)``."""

    query: Expr
    key: Expr
    scale: float
    terms: tuple[Expr, ...]


def _scores(expr: Expr) -> _Scores | None:
    """Take scores apart."""
    terms: list[Expr] = []
    dims = expr.dims
    while len(terms) < _MOST_TERMS:
        step = _added(expr)
        if step is None:
            break
        expr, term = step
        if expr.dims != dims and (expr.dims is None or not reaches_no_further(_condition(term), expr.dims)):
            return None
        dims = expr.dims
        terms.insert(0, term)
    expr, scale = _unscaled(expr)
    if expr.op != "operator.matmul" or expr.dims != dims:
        return None
    query, by_query = _unscaled_heads(expr.inputs[0])
    turned, by_key = _unscaled(expr.inputs[1])
    key = _transposed(turned)
    if key is None:
        return None
    key, by_inner_key = _unscaled_heads(key)
    return _Scores(query, key, scale * by_query * by_key * by_inner_key, tuple(terms))


def _condition(term: Expr) -> Expr:
    """What gives a mask its shape."""
    is_choice = term.op == "torch.where" and all(number(each) is not None for each in term.inputs[1:])
    return term.inputs[0] if is_choice else term


def _added(expr: Expr) -> tuple[Expr, Expr] | None:
    """Scores and what is added to them."""
    if expr.op == "operator.add":
        left, right = expr.inputs
        for inner, term in ((left, right), (right, left)):
            if _leads_to_product(inner):
                return inner, term
    if expr.op == "torch.where":
        condition, chosen, other = expr.inputs
        for inner, masked in ((chosen, other), (other, chosen)):
            fill = number(masked)
            if fill is not None and fill < 0 and _leads_to_product(inner) and _absorbs(fill):
                zero = torch.full((), 0.0, dtype=inner.dtype)
                kept = (zero, masked) if inner is chosen else (masked, zero)
                return inner, torch.where(condition, *kept)
    return None


def _absorbs(fill: float) -> bool:
    """Whether adding a score to this number leaves the number."""
    return fill == -math.inf or fill <= float(np.finfo(np.float32).min)


def _leads_to_product(expr: Expr) -> bool:
    """Whether this is a product of two computed matrices, perhaps scaled and with terms added."""
    for _ in range(_MOST_TERMS):
        expr, _ = _unscaled(expr)
        if expr.op == "operator.matmul":
            return True
        if expr.op == "operator.add":
            left, right = expr.inputs
            expr = left if left.op in _ON_THE_WAY else right
        elif expr.op == "torch.where":
            _, chosen, other = expr.inputs
            expr = other if number(chosen) is not None else chosen
        else:
            return False
    return False


_ON_THE_WAY = frozenset({"operator.matmul", "operator.mul", "operator.truediv", "operator.add", "torch.where"})


def _unscaled(expr: Expr) -> tuple[Expr, float]:
    """An expression without the known numbers it is multiplied with, and their product."""
    scale = 1.0
    while expr.op in ("operator.mul", "operator.truediv"):
        left, right = expr.inputs
        if (factor := number(right)) is not None and left.dims == expr.dims and factor:
            expr, scale = left, scale / factor if expr.op == "operator.truediv" else scale * factor
        elif expr.op == "operator.mul" and (factor := number(left)) is not None and right.dims == expr.dims:
            expr, scale = right, scale * factor
        else:
            break
    return expr, scale


_MOVES = frozenset(
    {"Tensor.flatten", "Tensor.permute", "Tensor.reshape", "Tensor.transpose", "Tensor.unflatten", "Tensor.unsqueeze"}
)


def _unscaled_heads(expr: Expr) -> tuple[Expr, float]:
    """The same of heads, which may have been scaled before they were taken apart."""
    moves: list[Expr] = []
    expr, scale = _unscaled(expr)
    inner = expr
    while inner.op in _MOVES and len(moves) < _MOST_TERMS:
        moves.append(inner)
        inner = inner.inputs[0]
    bare, by_inner = _unscaled(inner)
    if bare is inner:
        return expr, scale
    for move in reversed(moves):
        bare = move.rebuild((bare, *move.inputs[1:]))
    return bare, scale * by_inner


def _scale(scale: float, size: object) -> float | None:
    """The scale as it is written: not at all where it is torch's default, one over the root of the head's size."""
    if isinstance(size, int) and math.isclose(scale, 1 / math.sqrt(size), rel_tol=1e-6):
        return None
    return as_written(scale)


def _mask(scores: _Scores, guarded: bool) -> Expr | bool | None:
    """The mask that torch takes, or False where a wholly masked row would not come out the same.

    Of such a row torch makes zeros, where the mask says minus infinity or False, as a guarded softmax does; an
    unguarded one gives NaN there. Where the mask is finite, the row is like any other.
    """
    terms = [term for term in map(_unexpanded, scores.terms) if not _adds_nothing(term, scores)]
    if not terms:
        return None
    if len(terms) == 1:
        kept = _kept(terms[0])
        if kept is not None and shows_first_key(kept):
            return kept if _fits(kept, scores) else False
        if kept is not None and _is_cut_off(terms[0]):
            return kept if guarded else False
    if not guarded and not all(_is_finite(term) or causal_fill(term) is not None for term in terms):
        return False
    total, *rest = terms
    for term in rest:
        total = total + term
    while total.op == "Tensor.unsqueeze" and total.rank is not None and total.attrs["dim"] % total.rank == 0:
        total = total.inputs[0]  # torch broadcasts it
    return total if _fits(total, scores) and total.dtype is scores.query.dtype else False


def _fits(mask: Expr, scores: _Scores) -> bool:
    """Whether a mask has no more dimensions than what it is for."""
    return mask.rank is not None and scores.query.rank is not None and mask.rank <= scores.query.rank


def _adds_nothing(term: Expr, scores: _Scores) -> bool:
    """Whether a mask is zero everywhere and makes the scores no larger."""
    chosen = term.inputs[1] if term.op == "torch.where" and _holds_everywhere(term.inputs[0]) else term
    if chosen is None or chosen.op == "weight" or chosen.fact.fill != 0 or term.dims is None:
        return False
    if scores.query.dims is None or scores.key.dims is None:
        return False
    sizes = (*scores.query.dims[:-1], scores.key.dims[-2])
    own = term.dims
    return len(own) <= len(sizes) and all(a in (1, b) for a, b in zip(reversed(own), reversed(sizes), strict=False))


def _holds_everywhere(condition: Expr | None) -> bool:
    value = None if condition is None else condition.fact.value
    return value is not None and value.dtype == bool and bool(value.all())


def _is_causal(scores: _Scores) -> bool:
    """Whether the mask is the one that torch makes itself: no row of it is wholly masked, so no guard matters."""
    if len(scores.terms) != 1 or scores.query.dims is None or scores.key.dims is None:
        return False
    (mask,) = scores.terms
    fill = causal_fill(mask)
    sizes = (scores.query.dims[-2], scores.key.dims[-2])
    return fill is not None and _absorbs(fill) and mask.dims is not None and mask.dims[-2:] == sizes


def _unexpanded(term: Expr) -> Expr:
    """A mask before it was expanded: torch broadcasts it, too."""
    if term.op == "torch.where" and term.inputs[0].op == "Tensor.expand":
        condition, kept, masked = term.inputs
        bare = condition.inputs[0]
        if bare.rank == condition.rank and number(kept) is not None and number(masked) is not None:
            return torch.where(bare, kept, masked)  # type: ignore[no-any-return]
    return term


def _kept(term: Expr) -> Expr | None:
    """The condition of ``where(condition, 0, fill)``, or what ``where(condition, fill, 0)`` keeps: a fill like -inf."""
    if term.op != "torch.where":
        return None
    condition, *numbers = term.inputs
    chosen, other = (number(each) for each in numbers)
    if chosen == 0 and other is not None and _absorbs(other):
        return condition  # type: ignore[no-any-return]
    if other == 0 and chosen is not None and _absorbs(chosen):
        return condition.inputs[0] if condition.op == "operator.invert" else ~condition  # type: ignore[no-any-return]
    return None


def _is_cut_off(term: Expr) -> bool:
    """Whether what a mask adds is minus infinity, and not merely the smallest number."""
    return any(number(each) == -math.inf for each in term.inputs[1:])


def _is_finite(expr: Expr, most: int = 64) -> bool:
    """Whether a value is known to hold no minus infinity: weights are finite, and so is what is computed of them."""
    stack = [expr]
    for _ in range(most):
        if not stack:
            return True
        current = stack.pop()
        value = current.fact.value
        fill = current.fact.fill
        if fill is not None and current.op != "weight":
            if not math.isfinite(fill):
                return False
        elif value is not None and value.dtype != object:
            if not np.isfinite(value.astype(np.float64)).all():
                return False
        elif current.op == "torch.where":
            stack += [operand for operand in current.inputs[1:] if operand is not None]
        elif current.op in ("F.embedding", "nn.Embedding"):
            stack.append(current.inputs[1])
        elif current.op in _FINITE:
            stack += [operand for operand in tensor_operands(current) if operand is not None]
        elif current.op != "weight" and current.dtype.is_float:
            return False
    return False


_FINITE = frozenset(
    (
        *("operator.add", "operator.sub", "operator.mul", "operator.neg", "Tensor.to"),
        *("Tensor.unsqueeze", "Tensor.squeeze", "Tensor.expand", "torch.broadcast_to", "runtime.expand"),
        *("Tensor.reshape", "Tensor.flatten", "Tensor.unflatten", "Tensor.permute", "Tensor.transpose"),
        *("index.slice", "index.select", "torch.cat"),
    )
)
"""What makes no infinity of the finite numbers that masks are made of."""


def _transposed(expr: Expr) -> Expr | None:
    """What an expression is the transpose of, on the last two dimensions."""
    rank = expr.rank
    if rank is None or rank < 2:
        return None
    if expr.op == "Tensor.transpose":
        axes = {expr.attrs["dim0"] % rank, expr.attrs["dim1"] % rank}
        if axes == {rank - 2, rank - 1}:
            return expr.inputs[0]  # type: ignore[no-any-return]
    if expr.op == "Tensor.permute":
        *order, row, column = (axis % rank for axis in expr.attrs["dims"])
        return permuted(expr.inputs[0], (*order, column, row))
    if expr.op in ("Tensor.unflatten", "Tensor.reshape"):
        inner = _transposed_in_a_batch(expr)
        if inner is not None:
            return inner
    return expr.transpose(-2, -1)  # type: ignore[no-any-return]


def _transposed_in_a_batch(expr: Expr) -> Expr | None:
    """The k of ``k.flatten(0, -3).transpose(1, 2).unflatten(0, …)``, as an exporter that transposes 3-d writes it."""
    turned = expr.inputs[0]
    if turned.op not in ("Tensor.transpose", "Tensor.permute") or turned.rank != 3:
        return None
    if turned.dims is None or expr.dims is None or expr.dims[-2:] != turned.dims[-2:]:
        return None
    order = turned.attrs.get("dims") or _swapped(turned.attrs["dim0"] % 3, turned.attrs["dim1"] % 3)
    first, row, column = (axis % 3 for axis in order)
    rows = permuted(turned.inputs[0], (first, column, row))
    *batch, width, height = expr.dims
    if rows is turned.inputs[0] and rows.op in ("Tensor.flatten", "Tensor.reshape"):
        x: Expr = rows.inputs[0]
        if x.dims == (*batch, height, width):
            return x
    return rows.unflatten(0, tuple(expr.shape[:-2])) if len(batch) > 1 else None


def _swapped(first: int, second: int) -> list[int]:
    order = [0, 1, 2]
    order[first], order[second] = second, first
    return order


def _heads(query: Expr, key: Expr, value: Expr) -> tuple[Expr, Expr, Expr, bool]:
    """The operands, with keys and values that are repeated for groups of queries taken as they were before."""
    few_keys, few_values = _unrepeated(key), _unrepeated(value)
    if few_keys is None or few_values is None or few_keys.dims is None or few_values.dims is None:
        return query, key, value, False
    if few_keys.dims[:-2] != few_values.dims[:-2] or query.dims is None or key.dims is None:
        return query, key, value, False
    if query.dims[:-2] != key.dims[:-2]:
        return query, key, value, False
    return query, few_keys, few_values, True


_JOINS = frozenset({"Tensor.flatten", "Tensor.reshape", "Tensor.squeeze"})
_SPREADS = frozenset({"Tensor.expand", "Tensor.repeat", "runtime.expand"})


def _unrepeated(expr: Expr) -> Expr | None:
    """The x of ``x.unsqueeze(2).expand(-1, -1, n, -1, -1).flatten(1, 2)``: each head n times in a row."""
    if expr.op not in _JOINS or expr.inputs[0].op not in _SPREADS:
        return None
    wide = expr.inputs[0]
    single = wide.inputs[0]
    if single.op != "Tensor.unsqueeze" or single.rank != 5 or single.attrs["dim"] % 5 != 2:
        return None
    x = single.inputs[0]
    if x.dims is None or wide.dims is None or expr.dims is None:
        return None
    batch, heads, rows, columns = x.dims
    repeats = wide.dims[2]
    if not isinstance(heads, int) or not isinstance(repeats, int):
        return None
    if wide.dims != (batch, heads, repeats, rows, columns) or expr.dims != (batch, heads * repeats, rows, columns):
        return None
    return x  # type: ignore[no-any-return]
