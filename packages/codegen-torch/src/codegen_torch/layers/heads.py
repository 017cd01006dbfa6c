"""Heads in the way of nn.MultiheadAttention, which puts positions first and keeps heads beside the samples.

What it is handed and what it returns has samples first, as everything around it: the transpositions at its ends, and
those around its heads, say nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from dataflow_ir import P, V, nodes, once, opt, users

from codegen_torch.expr import Expr, originating
from codegen_torch.facts import Facts
from codegen_torch.layers.movement import order_of, permuted
from codegen_torch.layers.rules import Family
from codegen_torch.symbols.namespaces import nn

RULES = Family()
RETURNED = Family()

Outputs = dict[str, Expr]
Users = Mapping[Expr, list[Expr]]
_VIEWS = frozenset({"Tensor.flatten", "Tensor.reshape", "Tensor.unflatten"})
_TURNS = frozenset({"Tensor.permute", "Tensor.transpose"})
_SWAPPED = (1, 0, 2)


_MERGED = once(V("merged", op=_VIEWS))


@RULES(once(_MERGED >> V("turned", op=_TURNS)) >> V("apart", op=_VIEWS))
def heads_beside_samples(merged: Expr, turned: Expr, apart: Expr) -> Expr | None:
    """Merging heads with samples, putting these first and telling both apart is a permutation of heads."""
    x, order = merged.inputs[0], order_of(turned)
    if order not in ((1, 0, 2), (1, 2, 0)) or x.dims is None or apart.dims is None or merged.dims is None:
        return None
    if len(x.dims) != 3:
        return None
    positions, samples, features = x.dims
    heads, size = apart.dims[1] if len(apart.dims) == 4 else None, merged.dims[-1]
    if not isinstance(heads, int) or not isinstance(size, int) or features != heads * size:
        return None
    parts = x.unflatten(-1, (heads, size)).permute(1, 2, *(0 if axis == 0 else 3 for axis in order[1:]))
    is_same = merged.dims == (positions, samples * heads, size) and apart.dims == parts.dims
    return parts if is_same else None


_JOINED = P.Tensor.flatten(once(V("heads", op={"Tensor.permute", "Tensor.transpose"})), start_dim=2)


@RETURNED(P.Tensor.transpose(once(P.nn.Linear(once(_JOINED), V.weight, opt(V.bias)))).named("turned"))
def returned_with_samples_first(heads: Expr, weight: Expr, bias: Expr | None, turned: Expr) -> Expr | None:
    """A layer of joined heads, whose first two dimensions then change places, is one of heads in that order."""
    order = order_of(heads)
    if order is None or len(order) != 4 or order_of(turned) != _SWAPPED:
        return None
    first, second, *rest = order
    return nn.Linear(permuted(heads.inputs[0], (second, first, *rest)).flatten(2), weight, bias)  # type: ignore[no-any-return]


def keep_samples_first(outputs: Outputs) -> Outputs:
    """Transpose no input of a layer of which heads are made whose dimensions are permuted anyway."""
    order: list[Expr] = nodes(outputs)  # type: ignore[assignment]
    used: Users = users(outputs)  # type: ignore[assignment]
    results = set(outputs.values())
    turned: set[Expr] = set()
    ends: set[Expr] = set()
    for expr in order:
        found = _permuted_heads(expr, used, results)
        if found is not None:
            turned.update(found[0])
            ends.update(found[1])
    if not turned:
        return outputs
    news: dict[Expr, Expr] = {}
    for expr in order:
        inputs = tuple(None if operand is None else news[operand] for operand in expr.inputs)
        if expr in turned:
            x = news[expr.inputs[0].inputs[0]] if expr.op == "nn.Linear" else inputs[0]
            news[expr] = Expr(expr.op, (x, *inputs[1:]), expr.attrs, dict(expr.meta), _turned(expr.fact))
        elif expr in ends:
            with originating(expr.origin):
                news[expr] = permuted(news[expr.inputs[0]], _with_samples_first(expr))
        else:
            news[expr] = expr if inputs == expr.inputs else expr.rebuild(inputs)
    return {name: news[result] for name, result in outputs.items()}


def _permuted_heads(layer: Expr, used: Users, results: set[Expr]) -> tuple[list[Expr], list[Expr]] | None:
    """What is made of a layer whose input has positions first, and the permutations of heads that all of it ends in."""
    if layer.op != "nn.Linear" or order_of(layer.inputs[0]) != _SWAPPED:
        return None
    ends: list[Expr] = []
    way = [layer]
    for current in way:
        if current in results or not used[current]:
            return None
        for user in used[current]:
            if current.op == "Tensor.unflatten":
                if order_of(user) is None:
                    return None
                ends.append(user)
            elif _is_on_the_way(user):
                way.append(user)
            else:
                return None
    return way, ends


def _turned(facts: Facts) -> Facts:
    """The facts of what has its first two dimensions the other way round."""
    if isinstance(facts, tuple):
        return tuple(_turned(fact) for fact in facts)
    assert facts.dims is not None
    first, second, *rest = facts.dims
    return dataclasses.replace(facts, dims=(second, first, *rest))


def _is_on_the_way(expr: Expr) -> bool:
    """Whether this takes the last of three dimensions apart, and leaves the others."""
    if expr.op == "operator.getitem":
        return True  # of the chunks
    if expr.op not in ("Tensor.chunk", "Tensor.split", "Tensor.unflatten") or len(expr.inputs) != 1:
        return False
    return expr.attrs.get("dim", 0) in (-1, 2) and (expr.op != "Tensor.unflatten" or expr.rank == 4)


def _with_samples_first(heads: Expr) -> tuple[int, ...]:
    """The order of the same dimensions where the first two have changed places."""
    places = {0: 1, 1: 0}
    return tuple(places.get(axis, axis) for axis in order_of(heads) or ())
