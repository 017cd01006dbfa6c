"""Compiled patterns find exactly what a matcher that tries everything finds."""

import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from dataflow_ir import C, P, V, alt, cse, explain, match, nodes, opt, rest, typed
from dataflow_ir.fuzz import grow
from dataflow_ir.pattern import (
    Alternatives,
    Apply,
    Capture,
    Constant,
    Into,
    Literal,
    Maybe,
    Pattern,
    Rest,
    as_pattern,
    names_of,
)

COMMUTATIVE = {"add", "mul", "where"}
Found = dict[str, Any]


def reference(p: Pattern, v: Any, found: Found) -> Iterator[Found]:
    """Yield every way in which a node matches, given what is captured already."""
    if isinstance(p, Alternatives):
        for _, option in p.options:
            yield from reference(option, v, found)
    elif isinstance(p, Into):
        for here in reference(p.head, v, found):
            for i in v.inputs:
                yield from reference(p.source, i, here)
    elif isinstance(p, Apply) and v is not None and v.op == p.op:
        for order in itertools.permutations(v.inputs) if p.op in COMMUTATIVE else [v.inputs]:
            yield from in_order(p.operands, order, found)
    elif v is None and isinstance(p, Maybe):
        yield found
    elif v is not None:
        yield from single(p, v, found)


def single(p: Pattern, v: Any, found: Found) -> Iterator[Found]:
    """Yield the way in which a pattern without inputs matches, if it does."""
    name = p.name or "_"
    match p:
        case Maybe(pattern=inner):
            yield from reference(as_pattern(inner), v, found)
        case Capture(ops=ops) if ops is None or v.op in ops:
            if name == "_" or found.get(name, v) is v:
                yield found | {name: v}
        case Constant() if v.op == "const":
            if typed(found.get(name, v).attrs.get("value")) == typed(v.value):
                yield {name: v} | found
        case Literal(value=value) if v.op == "const" and typed(v.value) == typed(value):
            yield found


def in_order(operands: Any, inputs: Any, found: Found) -> Iterator[Found]:
    if operands and isinstance(operands[-1], Rest) and len(inputs) >= len(operands) - 1:
        operands, inputs = operands[:-1], inputs[: len(operands) - 1]
    if len(operands) != len(inputs):
        return
    if not operands:
        yield found
        return
    for here in reference(operands[0], inputs[0], found):
        yield from in_order(operands[1:], inputs[1:], here)


def any_pattern(random: Random, depth: int) -> Pattern:
    chance = random.random()
    if depth == 0 or chance < 0.3:
        return as_pattern(random.choice([V.x, V.y, V._, V.x, C.k, 0, 1, P.neg]))
    if chance < 0.4:
        return alt(any_pattern(random, depth - 1), any_pattern(random, depth - 1))
    if chance < 0.45:
        return any_pattern(random, depth - 1) >> V(random.choice("xyz"), op=["neg", "add"])
    op, count = random.choice([("neg", 1), ("add", 2), ("mul", 2), ("sub", 2), ("where", 3)])
    operands = [any_pattern(random, depth - 1) for _ in range(count)]
    if random.random() < 0.1:
        operands[-1] = rest()
    elif random.random() < 0.3 and op == "sub":
        operands = [opt(operand) for operand in operands]
    return P[op](*operands)


@pytest.mark.parametrize("part", range(4))
def test_compiled_patterns_agree_with_the_reference(part: int) -> None:
    matched = 0
    for seed in range(part * 400, part * 400 + 400):
        random = Random(seed)
        g = cse(grow(random, 40, attrs=0, absent=0.1, values=(0, 1, 2, -1, 1.0)))
        pattern = any_pattern(random, 3)
        for v in nodes(g):
            expected = list(reference(pattern, v, {}))
            m = match(pattern, v, commutative=COMMUTATIVE)
            assert (m is not None) == bool(expected), (seed, str(pattern), v)
            assert (explain(pattern, v, commutative=COMMUTATIVE) is None) == (m is not None)
            if m is not None:
                matched += 1
                names = [name for name in names_of(pattern) if name != "k"]  # of equal constants any may be kept
                assert any(all(m[name] is way.get(name) for name in names) for way in expected), (seed, str(pattern), v)
    assert matched > 500
