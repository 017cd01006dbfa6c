"""Graphs as Python-like text."""

from __future__ import annotations

from typing import Any

from dataflow_ir.literals import is_name, is_path, spell
from dataflow_ir.node import CONST, INPUT, OUT, Node

_LITERAL = (bool, int, float, str, bytes, tuple)


def brief(v: Node, depth: int = 4, width: int = 6) -> str:
    """Return one short line that shows a node and what is next to it.

    >>> from dataflow_ir import inp, node
    >>> v = inp("x")
    >>> for _ in range(1000):
    ...     v = node("neg", v)
    >>> v
    neg(neg(neg(neg(neg(…)))))
    """
    operands = ["…"]
    if depth > 0:
        operands = ["None" if i is None else brief(i, depth - 1, width) for i in v.inputs[:width]]
        operands += ["…"] * (len(v.inputs) > width)
    return apply(v, operands if v.inputs else [], shorten=True)


def excerpt(v: Node) -> str:
    return brief(v)


def apply(v: Node, operands: list[str], *, shorten: bool = False) -> str:
    """Return the text of one node, given the text of its operands."""
    op, attrs = v.op, v.attrs
    if not operands and len(attrs) == 1:
        if op == CONST and type(attrs.get("value")) in _LITERAL:
            text = spell(attrs["value"])
            if not text.startswith("float("):
                return _short(text, shorten)
        if op == INPUT and shorten and isinstance(attrs.get("name"), str) and is_name(attrs["name"]):
            return str(attrs["name"])
    if op == OUT and len(operands) == 1 and len(attrs) == 1 and type(attrs.get("index")) is int:
        return f"{operands[0]}[{attrs['index']}]"
    plain = [f"{name}={_short(spell(value), shorten)}" for name, value in attrs.items() if is_name(name)]
    other = [f"{name!r}: {_short(spell(value), shorten)}" for name, value in attrs.items() if not is_name(name)]
    last = [f"**{{{', '.join(other)}}}"] if other else []
    return f"{spell_op(op)}({', '.join([*operands, *plain, *last])})"


def spell_op(op: Any) -> str:
    """Return an operation's name, in quotes unless it is a dotted name."""
    name = op if type(op) is str else spell(op)
    return name if is_path(name) else repr(name)


def _short(text: str, shorten: bool) -> str:
    return text if not shorten or len(text) <= 40 else f"{text[:36]}…{text[-3:]}"
