"""Recurrent layers: those in a row that were one module, and those that were handed samples first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import cast

from dataflow_ir import nodes, users

from codegen_torch.expr import Expr, call, originating
from codegen_torch.layers.movement import order_of
from codegen_torch.symbols.dropout import OF_ELEMENTS
from codegen_torch.symbols.rnn import STATES

_SWAPPED = (1, 0, 2)
Outputs = dict[str, Expr]
Users = Mapping[Expr, list[Expr]]


def join_recurrent(outputs: Outputs) -> Outputs:
    """Write ``lstm2(lstm1(x.transpose(0, 1)))`` as one module of two layers that takes samples first."""
    return _with_samples_first(_stacked(outputs))


def _stacked(outputs: Outputs) -> Outputs:
    """A layer that takes all that the one before returns, of the same kind and size, is that one's next layer.

    Their states stay apart in the file and would be one tensor here, so neither may be given one or be asked for it.
    What training drops between them, it drops between all.
    """
    used: Users = users(outputs)  # type: ignore[assignment]
    news: dict[Expr, Expr] = {}
    for expr in _order(outputs):
        before = _layer_before(expr, used, outputs)
        below = None if before is None else news[before]
        if below is None or not _drops_alike(below, expr):
            news[expr] = _renewed(expr, news)
            continue
        settings = {**below.attrs, "num_layers": below.attrs.get("num_layers", 1) + 1, "dropout": _dropped_before(expr)}
        news[expr] = _layer(expr, (*below.inputs, *expr.inputs[1:]), settings)
    return {name: news[result] for name, result in outputs.items()}


def _layer_before(expr: Expr, used: Users, outputs: Outputs) -> Expr | None:
    """The layer that is nothing but the one below this."""
    if expr.op not in STATES or not _only_sequence(expr, used):
        return None
    given = expr.inputs[0]
    sequence = given.inputs[0] if given.op in OF_ELEMENTS else given
    if sequence.op != "operator.getitem":
        return None
    before = sequence.inputs[0]
    if before.op != expr.op or before.attrs != expr.attrs or before.attrs.get("state", False):
        return None
    if before.origin.scope != expr.origin.scope or before.origin.block != expr.origin.block:
        return None
    links = {sequence: given, given: expr} if given is not sequence else {sequence: expr}
    is_alone = all(used[link] == [user] and link not in outputs.values() for link, user in links.items())
    return before if is_alone and _only_sequence(before, used) else None


def _drops_alike(below: Expr, layer: Expr) -> bool:
    """Whether training drops as much before a layer as between those that are below it."""
    return "num_layers" not in below.attrs or below.attrs.get("dropout", 0.0) == _dropped_before(layer)


def _dropped_before(layer: Expr) -> float:
    """The share of what a layer is given that training drops."""
    given = layer.inputs[0]
    return float(given.attrs["p"]) if given.op in OF_ELEMENTS else 0.0


def _only_sequence(layer: Expr, used: Users) -> bool:
    """Whether of a layer's results only the first is used, what it says at every step."""
    return all(part.op == "operator.getitem" and part.attrs["index"] == 0 for part in used[layer])


def _with_samples_first(outputs: Outputs) -> Outputs:
    """A layer between two transpositions takes and returns samples before steps."""
    used: Users = users(outputs)  # type: ignore[assignment]
    news: dict[Expr, Expr] = {}
    for expr in _order(outputs):
        if expr.op in STATES and _is_turned_around(expr, used, outputs):
            settings = {**expr.attrs, "batch_first": True}
            inputs = tuple(news[operand] for operand in (expr.inputs[0].inputs[0], *expr.inputs[1:]))
            news[expr] = _layer(expr, inputs, settings)
            continue
        source = expr.inputs[0] if order_of(expr) == _SWAPPED else None
        is_back = source is not None and source.op == "operator.getitem" and _takes_samples_first(source, news)
        news[expr] = _as_value(news[source], expr) if source is not None and is_back else _renewed(expr, news)
    return {name: news[result] for name, result in outputs.items()}


def _as_value(sequence: Expr, turned: Expr) -> Expr:
    """The sequence of a layer that takes samples first is what the one of the file was turned around to be."""
    sequence.meta["origin"] = dataclasses.replace(sequence.origin, value=turned.origin.value)
    return sequence


def _is_turned_around(layer: Expr, used: Users, outputs: Outputs) -> bool:
    """Whether a layer's input was transposed and all that uses the sequence it returns transposes it back."""
    sequences = [part for part in used[layer] if part.op == "operator.getitem" and part.attrs["index"] == 0]
    if order_of(layer.inputs[0]) != _SWAPPED or not sequences or layer.attrs.get("batch_first", False):
        return False
    return all(
        used[part] and part not in outputs.values() and all(order_of(user) == _SWAPPED for user in used[part])
        for part in sequences
    )


def _takes_samples_first(part: Expr, news: Mapping[Expr, Expr]) -> bool:
    """Whether this is the sequence that such a layer returns."""
    layer = part.inputs[0]
    is_turned = layer.op in STATES and news[layer].attrs.get("batch_first", False)
    return bool(is_turned and not layer.attrs.get("batch_first", False) and part.attrs["index"] == 0)


def _order(outputs: Outputs) -> list[Expr]:
    return nodes(outputs)  # type: ignore[return-value]


def _renewed(expr: Expr, news: Mapping[Expr, Expr]) -> Expr:
    inputs = tuple(None if operand is None else news[operand] for operand in expr.inputs)
    return expr if inputs == expr.inputs else expr.rebuild(inputs)


def _layer(like: Expr, inputs: tuple[Expr, ...], settings: dict[str, object]) -> Expr:
    """A layer in the place of another one."""
    with originating(like.origin):
        sequence, _ = cast(tuple[Expr, Expr], call(like.op, inputs, **settings))
    return sequence.inputs[0]  # type: ignore[no-any-return]
