"""Modules for files whose nodes tell of none but whose tensors do: ``encoder.layer.0.attention.query.weight``.

Optimizers drop the names of nodes and keep those of weights. A layer is where its tensors' names say; what has no
tensors is where its operands come from.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from dataflow_ir import Repeat

from codegen_torch.expr import Expr
from codegen_torch.modules.region import data_operands, has_layers, is_layer, layer_weights, tensor_of
from codegen_torch.scope import Scope, Step

Path = tuple[str, ...]
"""The components of a module's path."""

_ENOUGH = 0.5
"""The share of layers from which on the names of tensors tell a tree."""
_MAX_DEPTH = 32
_MAX_LENGTH = 1000
_FARTHEST = 8
"""How many operations may lie between two layers of a Sequential."""


def told_paths(order: Iterable[Expr]) -> dict[Expr, Path]:
    """Where layers are, and operations on tensors of their own, by these tensors' names.

    Empty if too few layers have such names, or the names tell no module that holds another.
    """
    order = list(order)
    users = Counter(name for expr in order for _, name in _tensors(expr))
    paths: dict[Expr, Path] = {}
    for expr in order:
        for role, name in _tensors(expr):
            path = _path(name, role)
            if path and users[name] == 1:
                paths[expr] = path
                break
    layers = [expr for expr in order if is_layer(expr)]
    nested = [expr for expr in layers if len(paths.get(expr, ())) > 1]
    return paths if nested and len(nested) >= _ENOUGH * len(layers) else {}


def scopes_by_weights(
    order: Sequence[Expr], results: Sequence[Expr], told: Mapping[Expr, Path], repeated: Sequence[Repeat]
) -> dict[Expr, Scope]:
    """The modules around every expression.

    Args:
        order: The expressions, operands first; leaves are left out.
        results: The outputs of the graph.
        told: Where some of them are.
        repeated: What the graph repeats, the outer ones first.
    """
    places = _places_of_learned(order, told, _blocks(told, repeated))
    _place_others(places, order, set(results))
    scopes = {expr: told[expr] if is_layer(expr) and expr in told else place for expr, place in places.items()}
    scopes |= _numbers_between(order, told, results)
    return {expr: _scope(scopes[expr]) for expr in order}


def _places_of_learned(
    order: Iterable[Expr], told: Mapping[Expr, Path], blocks: Mapping[Expr, Path]
) -> dict[Expr, Path]:
    """Where everything is that depends on weights: in the module around all that it depends on.

    What the graph repeats tells where a block ends: nothing outside of it is put inside, though it goes on with the
    block's result; and what is inside and takes something from outside is no part of a module in the block.
    """
    lists = {path[:depth] for path in told.values() for depth, part in enumerate(path) if part.isdecimal()}
    places: dict[Expr, Path] = {}
    around: dict[Expr, Path] = {}  # the block of every expression
    entries: dict[Expr, set[Path]] = {}
    for expr in order:
        operands = [operand for operand in data_operands(expr) if operand in places]
        block = around[expr] = blocks.get(expr, ()) or _residual_block(operands, places, entries, lists)
        if expr in told:
            place = _module_of(expr, told)
        elif operands or has_layers(expr):
            is_sum = expr not in blocks and block != ()
            inside = [
                places[each] if around[each] == block or (is_sum and _is_inside(places[each], block)) else block
                for each in operands
            ]
            place = _common(inside) if inside else block
            while place and place in lists:
                place = place[:-1]
        else:
            continue
        places[expr] = place
        for operand in operands:
            entries.setdefault(operand, set()).add(_entry(place, lists))
    return places


def _residual_block(
    operands: Sequence[Expr], places: Mapping[Expr, Path], entries: Mapping[Expr, set[Path]], lists: Container[Path]
) -> Path:
    """The entry of a list that ends with a sum of its result and of what it was given; empty if there is none."""
    if len(operands) < 2:
        return ()
    block = _entry(places[max(operands, key=lambda operand: operand.origin.order)], lists)
    given = [operand for operand in operands if not _is_inside(places[operand], block)]
    return block if block and all(block in entries.get(operand, ()) for operand in given) else ()


def _entry(place: Path, lists: Container[Path]) -> Path:
    """The innermost entry of a list that a place is in."""
    depth = len(place)
    while depth and place[: depth - 1] not in lists:
        depth -= 1
    return place[:depth]


def _is_inside(place: Path, block: Path) -> bool:
    return place[: len(block)] == block


def _module_of(expr: Expr, told: Mapping[Expr, Path]) -> Path:
    """The module around a layer; of an operation the one whose tensor it uses."""
    return told[expr][:-1] if is_layer(expr) else told[expr]


def _numbers_between(order: Iterable[Expr], told: Mapping[Expr, Path], results: Iterable[Expr]) -> dict[Expr, Path]:
    """Operations between two layers of a list whose numbers leave room for them: activations in a Sequential."""
    uses = Counter(operand for expr in order for operand in data_operands(expr))
    uses.update(results)
    found: dict[Expr, Path] = {}
    for layer in told:
        *around, last = told[layer]
        between: list[Expr] = []
        value = layer
        while last.isdecimal() and len(between) <= _FARTHEST:
            operands = data_operands(value)
            if len(operands) != 1 or uses[operands[0]] != 1:
                break
            value = operands[0]
            if value not in told:
                between.append(value)
                continue
            *before, first = told[value]
            if before == around and first.isdecimal() and int(first) + len(between) < int(last):
                found |= {op: (*around, str(int(first) + n)) for n, op in enumerate(reversed(between), 1)}
            break
    return found


def _place_others(places: dict[Expr, Path], order: Sequence[Expr], results: Container[Expr]) -> None:
    """Put what depends on no weights (positions, masks) where all its users are."""
    around: dict[Expr, list[Path]] = {}
    for expr in reversed(order):
        if expr not in places:
            places[expr] = _common(around[expr]) if expr in around and expr not in results else ()
        for operand in data_operands(expr):
            around.setdefault(operand, []).append(places[expr])


def _tensors(expr: Expr) -> list[tuple[str, str]]:
    """The tensors that an expression has for itself: of a layer by their role, of others without one."""
    if is_layer(expr):
        return [(role, tensor_of(leaf).name) for role, leaf in layer_weights(expr).items() if "ref" in leaf.attrs]
    return [("", tensor_of(operand).name) for operand in data_operands(expr) if operand.op == "weight"]


def _path(name: str, role: str) -> Path:
    """The module that has a tensor; a layer has tensors of certain names."""
    if len(name) > _MAX_LENGTH:
        return ()
    *path, last = name.split(".")
    if len(path) > _MAX_DEPTH or role not in ("", last):
        return ()
    return tuple(path) if all(re.fullmatch(r"\w+", part, flags=re.ASCII) for part in path) else ()


def _blocks(told: Mapping[Expr, Path], repeated: Sequence[Repeat]) -> dict[Expr, Path]:
    """The innermost repeated module around expressions, if the instances have the tensors of one module each."""
    blocks: dict[Expr, Path] = {}
    for repeat in repeated:
        instances: list[Sequence[Any]] = [instance.nodes for instance in repeat.instances]
        inside = [[_module_of(expr, told) for expr in nodes if expr in told] for nodes in instances]
        paths = [_common(each) if each else () for each in inside]
        if not all(paths) or len(set(paths)) < len(paths):
            continue
        for nodes, path in zip(instances, paths, strict=True):
            blocks.update((expr, path) for expr in nodes if len(path) > len(blocks.get(expr, ())))
    return blocks


def _common(paths: Sequence[Path]) -> Path:
    first, last = min(paths), max(paths)
    depth = 0
    while depth < min(len(first), len(last)) and first[depth] == last[depth]:
        depth += 1
    return first[:depth]


def _scope(path: Path) -> Scope:
    return tuple(Step(".".join(path[: depth + 1])) for depth in range(len(path)))
