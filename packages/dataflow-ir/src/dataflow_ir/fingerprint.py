"""Digests that depend on what a graph is, not on the process, its sharing or the names of parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from enum import Enum
from hashlib import sha256
from typing import Any, NoReturn

from dataflow_ir._gc import gc_paused
from dataflow_ir.functions import Lambda, lambdas
from dataflow_ir.literals import is_path, show, spell
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node
from dataflow_ir.partition import classes
from dataflow_ir.walk import nodes


@gc_paused
def fingerprint(g: Any) -> str:
    """Return a digest that two graphs share if and only if they are `equal`, in whatever process.

    Args:
        g: A node or a nest of them.

    Returns:
        64 hexadecimal digits.

    Raises:
        TypeError: If an operation or attribute has no text of its own: something `Opaque`, an object of a class
            that is no dataclass or enum, a nameless function.

    >>> from dataflow_ir import const, inp, node
    >>> x = inp("x")
    >>> fingerprint(node("add", x, x)) == fingerprint(node("add", inp("x"), inp("x")))
    True
    >>> fingerprint(const(1)) == fingerprint(const(1.0))
    False
    """
    code = digests(lambdas(g), _refuse)
    return _digest(g, (), _writer(code, _refuse))


def digests(codes: Iterable[Lambda], odd: Callable[[Any], str]) -> dict[Lambda, str]:
    """Return the digest of each function's code; inner functions must come first, as `lambdas` has them.

    Args:
        codes: The functions.
        odd: Writes the values that have no text of their own.
    """
    result: dict[Lambda, str] = {}
    write = _writer(result, odd)
    for code in codes:
        counts = f"{len(code.captured)} {len(code.params)} "
        result[code] = counts + _digest(code.body, (*code.captured, *code.params), write)
    return result


def _refuse(value: Any) -> NoReturn:
    raise TypeError(f"a {type(value).__qualname__} has no fingerprint: {value!r}")


def _digest(g: Any, params: tuple[Node, ...], write: Callable[[Any], str]) -> str:
    place = {v: f"parameter {at}" for at, v in enumerate(params)}
    order = nodes(g)
    text = {v: place[v] if v in place else _text(v, write) for v in order}
    number = classes(g, text.__getitem__, order)
    roots = list(leaves(g))
    numbered: dict[int, int] = {}  # classes in the order in which a search from the roots meets them
    rows = []
    stack = roots[::-1]
    while stack:
        v = stack.pop()
        if number[v] not in numbered:
            numbered[number[v]] = len(numbered)
            rows.append(v)
            stack += [i for i in reversed(v.inputs) if i is not None]
    hasher = sha256(f"{_shape(g, write)} {[numbered[number[v]] for v in roots]}".encode())
    for v in rows:
        inputs = [-1 if i is None else numbered[number[i]] for i in v.inputs]
        hasher.update(f"\n{text[v]} {inputs}".encode())
    return hasher.hexdigest()


def _text(v: Node, write: Callable[[Any], str]) -> str:
    attrs = ", ".join([f"{name!r}: {spell(value, write)}" for name, value in sorted(v.attrs.items())])
    return f"{spell(v.op, write)} {{{attrs}}}"


def _shape(nest: Any, write: Callable[[Any], str]) -> str:
    if isinstance(nest, (list, tuple)):
        return f"{show(type(nest))}({', '.join([_shape(item, write) for item in nest])})"
    if isinstance(nest, dict):
        return f"dict({', '.join([f'{spell(key, write)}: {_shape(item, write)}' for key, item in nest.items()])})"
    return "None" if nest is None else "*"


def _writer(code: dict[Lambda, str], odd: Callable[[Any], str]) -> Callable[[Any], str]:
    def write(value: Any) -> str:
        if isinstance(value, Lambda):
            return f"<code {code[value]}>"
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = tuple([getattr(value, field.name) for field in dataclasses.fields(value) if field.compare])
            return f"<{show(type(value))} {spell(fields, write)}>"
        if isinstance(value, tuple):
            return f"<{show(type(value))} {spell(tuple(value), write)}>"
        if (isinstance(value, Enum) or hasattr(value, "__qualname__")) and is_path(show(value)):
            return f"<{show(value)}>"
        return odd(value)

    return write
