"""Modules for files whose nodes tell of none: what a graph repeats, by structure alone, are its blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dataflow_ir import Repeat, repeats

from codegen_torch.expr import Expr
from codegen_torch.modules.region import LEAVES, is_layer
from codegen_torch.modules.weight_scopes import scopes_by_weights, told_paths
from codegen_torch.names import numbered
from codegen_torch.scope import Scope, Step

_TOLD = 0.1
"""The share of expressions with a scope from which on the file tells its modules."""
_ATTENTION = "F.scaled_dot_product_attention"


def scopes_of(order: Iterable[Expr], results: Sequence[Expr]) -> Mapping[Expr, Scope]:
    """The modules around every expression: those that nodes tell, else those that tensors do, else what is repeated.

    Args:
        order: The expressions; leaves are left out.
        results: The outputs of the graph.
    """
    stated = {expr: expr.origin.scope for expr in order}
    if sum(map(bool, stated.values())) > _TOLD * len(stated):
        return stated
    found = repeats(results, param=_is_leaf, token=_structure)
    told = told_paths(stated)
    if told:
        return scopes_by_weights(list(stated), results, told, found)
    return {**dict.fromkeys(stated, ()), **_repeated(found)}


def _repeated(found: Iterable[Repeat]) -> dict[Expr, Scope]:
    """The scopes of what is repeated and has weights; the outer ones come first."""
    scopes: dict[Expr, Scope] = {}
    taken: dict[Scope, set[str]] = {}
    for repeat in found:
        if not any(is_layer(expr) for expr in repeat.nodes):  # type: ignore[arg-type]
            continue
        around = scopes.get(repeat.instances[0].nodes[0], ())  # type: ignore[call-overload]
        container, cls = _names(repeat)
        names = taken.setdefault(around, set())
        container = numbered(container, names)
        names.add(container)
        prefix = f"{around[-1].path}." if around else ""
        for number, instance in enumerate(repeat.instances):
            scope = (*around, Step(f"{prefix}{container}.{number}", cls))
            scopes.update((expr, scope) for expr in instance.nodes)  # type: ignore[misc]
    return scopes


def _names(repeat: Repeat) -> tuple[str, str]:
    """What people call a list of such modules, and one of them."""
    if any(expr.op == _ATTENTION for expr in repeat.nodes):
        return "layers", "Layer"
    return "blocks", "Block"


def _is_leaf(expr: Any) -> bool:
    return expr.op in LEAVES and expr.op != "input"


def _structure(expr: Any) -> Any:
    """The attributes that are equal in equal blocks: of layers all but numbers, which their constructors take.

    Where a stride is one it is not stated, so that nothing is said of any: the first of several stages often has none.
    """
    if not is_layer(expr):
        return expr.attrs
    return tuple((name, _without_numbers(value)) for name, value in sorted(expr.attrs.items()) if name != "stride")


def _without_numbers(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_without_numbers, value))
    return type(value).__name__ if isinstance(value, int | float) and not isinstance(value, bool) else value
