"""The text of a single node and its surroundings."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dataflow_ir.literals import is_name, is_path, spell
from dataflow_ir.ops import CONST, INPUT, OUT

DEPTH = 4
INPUTS = 4
LENGTH = 120
_LITERALS = (bool, int, float, str, bytes, tuple)


def brief(v: Any) -> str:
    """Return one short line that shows a node and what is next to it, however large its graph.

    >>> from dataflow_ir import inp, node
    >>> v = inp("x")
    >>> for _ in range(1000):
    ...     v = node("neg", v)
    >>> v
    neg(neg(neg(neg(neg(…)))))
    """
    return _cut(_brief(v, DEPTH), LENGTH)


def _brief(v: Any, depth: int) -> str:
    if v is None:
        return "None"
    if v.op == INPUT and type(v.attrs.get("name")) is str:
        return _cut(v.attrs["name"] if is_name(v.attrs["name"]) else repr(v.attrs["name"]), LENGTH)
    shown = v.inputs[:INPUTS] if depth else ()
    operands = [_brief(i, depth - 1) for i in shown]
    if len(shown) < len(v.inputs):
        operands.append("…")
    return application(v, operands, lambda value: _cut(spell(value), 40))


def application(v: Any, operands: list[str], spell: Callable[[Any], str] = spell) -> str:
    """Return the text of one node.

    Args:
        v: The node.
        operands: The texts of its inputs.
        spell: Writes the values of attributes.

    >>> from dataflow_ir import node
    >>> application(node("ai.onnx::Clip", None, None, min=0.5), ["x", "None"])
    "'ai.onnx::Clip'(x, None, min=0.5)"
    """
    op, attrs = v.op, v.attrs
    if op == CONST and not operands and len(attrs) == 1 and is_literal(attrs.get("value")):
        return spell(attrs["value"])
    if op == OUT and len(operands) == 1 and len(attrs) == 1 and type(attrs.get("index")) is int:
        source = f"({operands[0]})" if operands[0].startswith("-") else operands[0]
        return f"{source}[{attrs['index']}]"
    if not attrs:
        return f"{spell_op(op)}({', '.join(operands)})"
    texts = {name: spell(value) for name, value in attrs.items()}
    arguments = [*operands, *[f"{name}={text}" for name, text in texts.items() if is_name(name)]]
    odd = [f"{name!r}: {text}" for name, text in texts.items() if not is_name(name)]
    if odd:
        arguments.append(f"**{{{', '.join(odd)}}}")
    return f"{spell_op(op)}({', '.join(arguments)})"


def is_literal(value: Any) -> bool:
    """Tell whether a constant of this value is written as the bare value."""
    return type(value) in _LITERALS and not spell(value).startswith("float(")


def spell_op(op: Any) -> str:
    """Return an operation's name, in quotes unless it is names joined by dots.

    >>> spell_op("F.relu"), spell_op("+"), spell_op(len)
    ('F.relu', "'+'", 'len')
    """
    return _quoted(op if type(op) is str else spell(op))


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    return name if is_path(name) else repr(name)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 4]}…{text[-3:]}"
