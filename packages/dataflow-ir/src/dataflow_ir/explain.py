"""Why a pattern does not match."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from typing import Any

from dataflow_ir.compile import compile_pattern
from dataflow_ir.literals import spell
from dataflow_ir.match import match
from dataflow_ir.node import Node
from dataflow_ir.ops import CONST
from dataflow_ir.order import count_uses
from dataflow_ir.pattern import (
    Absent,
    Alternatives,
    Apply,
    Capture,
    Constant,
    Exactly,
    Into,
    Literal,
    Maybe,
    Once,
    Path,
    Pattern,
    Rest,
    as_pattern,
)
from dataflow_ir.search import MISSING, only_used_by
from dataflow_ir.values import typed

Reason = tuple[int, str]
"""How many steps below the root something is wrong, and what."""


def explain(pattern: Any, v: Node, g: Any = None, *, commutative: Collection[Hashable] = ()) -> str | None:
    """Say why a pattern does not match a node, or return None if it does.

    Where there are choices, the reason is of the one that fits furthest down.

    Args:
        pattern: The pattern, of one node.
        v: The node.
        g: The graph whose uses count for `once`; by default what is below the node.
        commutative: The operations whose inputs match in any order.

    >>> from dataflow_ir import P, V, parse
    >>> explain(P.add(V.x, P.mul(V.x, 2)), parse("add(a, mul(a, 2.0))"))
    'input 1 of input 1: expected the constant 2, got 2.0'
    """
    pattern = as_pattern(pattern)
    if match(pattern, v, g, commutative=commutative) is not None:
        return None
    reason = _Explainer(frozenset(commutative)).why(pattern, v, ())
    return reason[1] if reason else _whole(pattern, v, g, frozenset(commutative))


def _whole(pattern: Pattern, v: Node, g: Any, commutative: frozenset[Hashable]) -> str:
    """Say what is wrong with a pattern each part of which matches by itself."""
    clashes: list[tuple[Node, Node]] = []

    def differ(a: Node, b: Node) -> bool:
        clashes.append((a, b))
        return True

    strict = compile_pattern(pattern, commutative, loose=True).run(v)
    if strict is not None:
        uses = count_uses(v if g is None else g)
        used = [w for w in dict.fromkeys(strict[1][1:]) if not only_used_by(w, strict[1], uses)]
        return f"used outside the match, which once(...) forbids: {_list(used)}"
    if compile_pattern(pattern, commutative, differ, loose=True).run(v) is not None and clashes:
        return f"one name stands for different nodes: {clashes[0][1]!r} and {clashes[0][0]!r}"
    return "each part matches by itself, but no choice of inputs, names, values and guards fits all of them"


def _list(nodes: Iterable[Node]) -> str:
    return ", ".join(map(repr, nodes))


class _Explainer:
    """Compares the parts of a pattern with the nodes they stand for, each by itself."""

    def __init__(self, commutative: frozenset[Hashable]) -> None:
        self.commutative = commutative

    def why(self, p: Pattern, v: Any, path: tuple[int, ...]) -> Reason | None:
        """Return what is wrong with a node, nearest to the root first, or None."""
        if isinstance(p, Maybe):
            return None if v is None else self.why(as_pattern(p.pattern), v, path)
        if isinstance(p, Absent):
            return None if v is None else _reason(path, f"expected no operand, got {v!r}")
        if v is None:
            return _reason(path, f"expected {p}, but the operand is absent")
        if isinstance(p, Alternatives):
            reasons = [self.why(option, v, path) for _, option in p.options]
            return self.nearest(reasons, len(path), path, f"nothing in {p} matches {v!r}")
        found = self.own(p, v, path) or self.below(p, v, path)
        return found or self.guarded(p, v, path)

    def own(self, p: Pattern, v: Node, path: tuple[int, ...]) -> Reason | None:
        """Compare the node without its inputs."""
        match p:
            case Apply(op=op) if v.op != op:
                return _reason(path, f"expected {op}, got {v.op}: {v!r}")
            case Capture(ops=ops) | Into(head=Capture(ops=ops)) if ops is not None and v.op not in ops:
                return _reason(path, f"expected {' or '.join(sorted(map(str, ops)))}, got {v.op}: {v!r}")
            case Constant() if v.op != CONST:
                return _reason(path, f"expected a constant, got {v!r}")
            case Literal(value=value) if v.op != CONST or typed(v.attrs["value"]) != typed(value):
                return _reason(path, f"expected the constant {spell(value)}, got {v!r}")
            case Exactly(node=node) if v is not node:
                return _reason(path, f"expected the very node {node!r}, got {v!r}")
        return None

    def below(self, p: Pattern, v: Node, path: tuple[int, ...]) -> Reason | None:
        """Compare attributes and inputs."""
        match p:
            case Once(pattern=inner):
                return self.why(inner, v, path)
            case Apply():
                return self.attributes(p, v, path) or self.operands(p, v, path)
            case Into(source=source):
                return self.any_input(source, v, path)
            case Path():
                if compile_pattern(p, self.commutative, loose=True).run(v) is None:
                    return _reason(path, f"no path {p} ends at {v!r}")
        return None

    def guarded(self, p: Pattern, v: Node, path: tuple[int, ...]) -> Reason | None:
        """Ask the pattern's guards."""
        value = v.attrs["value"] if isinstance(p, Constant) else v
        for guard in p.guards:
            if not guard(value):
                return _reason(path, f"the guard {getattr(guard, '__name__', guard)} refuses {v!r}")
        return None

    def attributes(self, p: Apply, v: Node, path: tuple[int, ...]) -> Reason | None:
        for name, wanted in p.attrs.items():
            inner = wanted.pattern if isinstance(wanted, Maybe) else wanted
            value = v.attrs.get(name, MISSING)
            if value is MISSING:
                if isinstance(wanted, Maybe):
                    continue
                return _reason(path, f"{v.op} has no attribute {name}")
            if isinstance(inner, Capture):
                refusing = next((guard for guard in inner.guards if not guard(value)), None)
                if refusing is not None:
                    return _reason(path, f"the guard of attribute {name} refuses {spell(value)}")
            elif typed(value) != typed(inner):
                return _reason(path, f"attribute {name} is {spell(value)}, expected {spell(inner)}")
        return None

    def operands(self, p: Apply, v: Node, path: tuple[int, ...]) -> Reason | None:
        plain = [operand for operand in p.operands if not isinstance(operand, Rest)]
        least = max([at + 1 for at, operand in enumerate(plain) if not isinstance(operand, Maybe)], default=0)
        has_rest = len(plain) < len(p.operands)
        if len(v.inputs) < least or (len(v.inputs) > len(plain) and not has_rest):
            return _reason(path, f"{v.op} has {len(v.inputs)} inputs, expected {p}")
        if p.op in self.commutative:
            return self.in_any_order(plain, v, path)
        at = next((at for at, operand in enumerate(p.operands) if isinstance(operand, Rest)), len(plain))
        for index, operand in enumerate(plain):
            place = index if index < at else index - len(plain) + len(v.inputs)
            reason = self.why(operand, v.inputs[place] if place < len(v.inputs) else None, (*path, place))
            if reason:
                return reason
        return None

    def in_any_order(self, plain: list[Pattern], v: Node, path: tuple[int, ...]) -> Reason | None:
        for operand in plain:
            reason = self.any_input(operand, v, path)
            if reason:
                return reason
        return None

    def any_input(self, p: Pattern, v: Node, path: tuple[int, ...]) -> Reason | None:
        """Compare a pattern with each input; one of them must match."""
        reasons = [self.why(p, i, (*path, at)) for at, i in enumerate(v.inputs)]
        return self.nearest(reasons, len(path) + 1, path, f"no input of {v!r} matches {p}")

    @staticmethod
    def nearest(reasons: list[Reason | None], base: int, path: tuple[int, ...], otherwise: str) -> Reason | None:
        """Return the reason found furthest below ``base``, None if something matches."""
        if None in reasons:
            return None
        deepest = max(filter(None, reasons), default=None, key=lambda reason: reason[0])
        return _reason(path, otherwise) if deepest is None or deepest[0] <= base else deepest


def _reason(path: tuple[int, ...], text: str) -> Reason:
    place = " of ".join([f"input {at}" for at in reversed(path)]) or "the node"
    return len(path), f"{place}: {text}"
