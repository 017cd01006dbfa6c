"""Attribute values as Python text, and back."""

from __future__ import annotations

import ast
from collections.abc import Callable
from enum import Enum
from keyword import iskeyword
from math import isfinite
from typing import Any

from dataflow_ir.values import FrozenDict

_LONG = 10_000  # bits; Python refuses to write much longer integers in decimal


def is_name(text: str) -> bool:
    """Tell whether the text is a name that Python reads back unchanged."""
    return text.isascii() and text.isidentifier() and not iskeyword(text)


def is_path(text: str) -> bool:
    """Tell whether the text is names joined by dots."""
    return all(map(is_name, text.split(".")))


def show(value: Any) -> str:
    """Return a short text for a value that has no literal: its qualified name, its own repr or its type."""
    kind = type(value)
    if isinstance(value, Enum):
        return f"{kind.__module__}.{kind.__qualname__}.{value.name}"
    if hasattr(value, "__qualname__"):
        module = getattr(value, "__module__", None)
        return str(value.__qualname__) if module in (None, "builtins") else f"{module}.{value.__qualname__}"
    return (
        repr(value)
        if "__repr__" in {name for base in kind.__mro__[:-1] for name in vars(base)}
        else f"<{kind.__qualname__}>"
    )


def spell(value: Any, other: Callable[[Any], str] = show) -> str:
    """Return a value as Python text.

    Plain values (numbers, strings, bytes, tuples, frozensets, FrozenDicts, None, ...) have the same text in every
    process, equal ones (see `typed`) and no others, and are read back by `read`.

    Args:
        value: The value.
        other: Writes what is not plain.

    >>> spell((1, -0.0, "a", float("inf"), frozenset({2, 1})))
    "(1, -0.0, 'a', float('inf'), frozenset({1, 2}))"
    """
    kind = type(value)
    if value is None or value is Ellipsis or kind is bool or kind is str or kind is bytes:
        return "..." if value is Ellipsis else repr(value)
    if kind is int:
        return hex(value) if value.bit_length() > _LONG else repr(value)
    if kind is float:
        return repr(value) if isfinite(value) else f"float({repr(value)!r})"
    if kind is complex:
        return f"complex({spell(value.real)}, {spell(value.imag)})"
    if kind is tuple:
        items = [spell(item, other) for item in value]
        return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"
    if kind is frozenset:
        items = sorted([spell(item, other) for item in value])
        return f"frozenset({{{', '.join(items)}}})" if items else "frozenset()"
    if kind is FrozenDict:
        return f"{{{', '.join(f'{name!r}: {spell(item, other)}' for name, item in sorted(value.items()))}}}"
    return other(value)


def read(tree: ast.expr, lookup: Callable[[str], Any]) -> Any:
    """Return the value that a syntax tree made from `spell`'s text stands for.

    Args:
        tree: The parsed text.
        lookup: Gives the value of a (dotted) name, or raises.

    Raises:
        ValueError: If the tree is not such a value.
    """
    match tree:
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.Tuple(elts=items):
            return tuple(read(item, lookup) for item in items)
        case ast.Call(func=ast.Name(id="frozenset"), args=[], keywords=[]):
            return frozenset()
        case ast.Call(func=ast.Name(id="frozenset"), args=[ast.Set(elts=items)], keywords=[]):
            return frozenset(read(item, lookup) for item in items)
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value=str() as text)], keywords=[]):
            return float(text)
        case ast.Call(func=ast.Name(id="complex"), args=[real, imag], keywords=[]):
            return complex(read(real, lookup), read(imag, lookup))
        case ast.Dict(keys=keys, values=values):
            names = [read(key, lookup) for key in keys if key is not None]
            return FrozenDict(zip(names, [read(item, lookup) for item in values], strict=True))
        case ast.Name() | ast.Attribute():
            return lookup(path_of(tree))
    raise ValueError(f"not a value: {ast.unparse(tree)}")


def path_of(tree: ast.expr) -> str:
    """Return the dotted name that a tree spells.

    Raises:
        ValueError: If it is something else.
    """
    parts: list[str] = []
    while isinstance(tree, ast.Attribute):
        parts.append(tree.attr)
        tree = tree.value
    if not isinstance(tree, ast.Name):
        raise ValueError(f"not a name: {ast.unparse(tree)}")
    return ".".join([tree.id, *reversed(parts)])
