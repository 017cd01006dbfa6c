"""Blocks of code inside the graph: the branches of an If, the body of a loop.

A block is a function: a :class:`dataflow_ir.Lambda` that a control expression holds among its attributes. What it
takes from outside is captured: among the control expression's inputs outside, a parameter inside. So every pass sees
who needs which value, nothing outside refers to what is inside, and nothing that is inside comes out or goes in but by
a rule that says so. A stored tensor is no value that is computed anywhere: it is used where it is needed, and captured
only in the end (:func:`capture_tensors`).

Three kinds of expressions have blocks. All return a tuple, also of one value.

* ``control.branch(cond, *captures, then=…, orelse=…)``: the branches take what they capture and return the values.
* ``control.loop(count, cond, *initial, *scanned, *captures, body=…)``: the body takes the number of the iteration (an
  int), the carried values and an element of every scanned list. It returns whether to go on, if the loop is
  ``conditional``, the new carried values, and an element for every collected list. The loop ends after ``count``
  iterations, at the end of the lists or when ``cond`` is false, whichever there are; it returns the carried values and
  the collected lists.
* ``control.gradient(*xs, *captures, body=…)``: the body takes values for ``xs`` and returns one. What comes back are
  the derivatives of the sum of its elements by each of the ``xs``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dataflow_ir import Lambda, nodes, postwalk, prewalk, stop
from dataflow_ir.walk import Stop

from codegen_torch.expr import Expr
from codegen_torch.facts import Fact, Facts
from codegen_torch.layers.refs import tensor_ref
from codegen_torch.modules.region import data_operands, is_layer
from codegen_torch.names import numbered
from codegen_torch.symbols.base import project

Outputs = dict[str, Expr]
STORED = frozenset({"weight", "constant"})
_FREE = STORED | {"literal"}


class Code(Lambda):
    """The code of a block.

    Attributes:
        number: What its expressions have as their origin's block.
    """

    __slots__ = ("number",)

    params: tuple[Any, ...]
    captured: tuple[Any, ...]
    body: tuple[Any, ...]

    def __init__(self, number: int, params: Iterable[Expr], body: Iterable[Expr], captured: Iterable[Expr]) -> None:
        super().__init__(params, tuple(body), captured)
        self.number = number

    def __repr__(self) -> str:
        return f"<block {self.number}>"


@dataclass(frozen=True, slots=True)
class Block:
    """A block with what it captures.

    Attributes:
        code: The code.
        captures: The values outside, in the order of ``code.captured``.
    """

    code: Code
    captures: tuple[Expr, ...]


def parameter(name: str, fact: Fact) -> Expr:
    """What a block calls a value that it is given."""
    return Expr("input", (), {"name": name}, fact=fact)


def close(
    number: int, params: Sequence[Expr], results: Sequence[Expr], known: Mapping[Expr, Expr] | None = None
) -> Block:
    """Make a block of results that were computed from parameters, stored tensors and values from outside.

    Args:
        number: The block's number: what has it as its origin's block is inside.
        params: The parameters.
        results: The results.
        known: What is captured already: the values outside, by the parameters that stand for them.
    """
    known = known or {}
    inside: dict[Expr, Expr] = {}
    taken = {param.attrs["name"] for param in params}

    def visit(expr: Expr) -> Stop | None:
        if expr in own or expr.op in _FREE:
            return stop()
        outer = known.get(expr)
        if outer is None and (expr.origin.block == number or (expr.inputs and tensor_ref(expr) is not None)):
            return None
        outer = expr if outer is None else outer
        if outer not in inside:
            inside[outer] = parameter(numbered(_name(outer), taken), _portable(outer.fact))
            taken.add(inside[outer].attrs["name"])
        return stop(inside[outer])

    own = set(params)
    body = prewalk(visit, tuple(results))
    return Block(Code(number, params, body, inside.values()), tuple(inside))


def _name(value: Expr) -> str:
    return value.attrs["name"] if value.op == "input" else value.origin.name or "value"


def _portable(fact: Facts) -> Fact:
    """What is known of a value outside, without the expressions outside that it may be known by."""
    assert isinstance(fact, Fact)
    known = fact.value
    if known is None or known.dtype != object or not any(isinstance(element, Expr) for element in known.flat):
        return fact
    return dataclasses.replace(fact, value=None)


def if_(cond: Expr, then: Block, orelse: Block, facts: tuple[Facts, ...]) -> tuple[Expr, ...]:
    """The values of one branch or the other."""
    attrs = {"then": then.code, "orelse": orelse.code}
    expr = Expr("control.branch", (cond, *then.captures, *orelse.captures), attrs, fact=facts)
    return project(expr, facts)


def loop(
    count: Expr | None,
    cond: Expr | None,
    initial: Sequence[Expr],
    scanned: Sequence[Expr],
    body: Block,
    facts: tuple[Facts, ...],
    *,
    conditional: bool,
) -> tuple[Expr, ...]:
    """The carried values and the collected lists after the last iteration."""
    attrs = {"body": body.code, "carried": len(initial), "scanned": len(scanned), "conditional": conditional}
    return project(Expr("control.loop", (count, cond, *initial, *scanned, *body.captures), attrs, fact=facts), facts)


def gradient(xs: Sequence[Expr], body: Block, facts: tuple[Facts, ...]) -> tuple[Expr, ...]:
    """The derivatives of what a block returns by each of its parameters, at given values."""
    return project(Expr("control.gradient", (*xs, *body.captures), {"body": body.code}, fact=facts), facts)


@dataclass(frozen=True, slots=True)
class LoopParts:
    """A loop's operands, and its body's parameters and results, by what they are for."""

    count: Expr | None
    cond: Expr | None
    initial: tuple[Expr, ...]
    scanned: tuple[Expr, ...]
    block: Block
    index: Expr
    carried: tuple[Expr, ...]
    elements: tuple[Expr, ...]
    going_on: Expr | None
    following: tuple[Expr, ...]
    collected: tuple[Expr, ...]


def loop_parts(expr: Expr) -> LoopParts:
    """Take a loop apart."""
    (block,) = blocks_of(expr).values()
    count, scanned = expr.attrs["carried"], expr.attrs["scanned"]
    index, *params = block.code.params
    results = list(block.code.body)
    going_on = results.pop(0) if expr.attrs["conditional"] else None
    return LoopParts(
        expr.inputs[0],
        expr.inputs[1],
        expr.inputs[2 : 2 + count],
        expr.inputs[2 + count : 2 + count + scanned],
        block,
        index,
        tuple(params[:count]),
        tuple(params[count:]),
        going_on,
        tuple(results[:count]),
        tuple(results[count:]),
    )


def has_blocks(expr: Expr) -> bool:
    """Whether this is a control expression."""
    return expr.op in ("control.branch", "control.loop", "control.gradient")


def blocks_of(expr: Expr) -> dict[str, Block]:
    """The blocks of a control expression by the attributes that hold them; of any other none."""
    if not has_blocks(expr):
        return {}
    start = len(expr.inputs) - sum(len(code.captured) for code in expr.attrs.values() if isinstance(code, Code))
    blocks: dict[str, Block] = {}
    for name, code in expr.attrs.items():
        if isinstance(code, Code):
            blocks[name] = Block(code, expr.inputs[start : start + len(code.captured)])
            start += len(code.captured)
    return blocks


def captured(expr: Expr) -> tuple[Expr, ...]:
    """The values that the blocks of a control expression take from outside."""
    return tuple(value for block in blocks_of(expr).values() for value in block.captures)


def with_blocks(expr: Expr, blocks: Mapping[str, Block]) -> Expr:
    """A control expression with other blocks in the places of its own."""
    head = expr.inputs[: len(expr.inputs) - len(captured(expr))]
    captures = [value for block in blocks.values() for value in block.captures]
    attrs = {**expr.attrs, **{name: block.code for name, block in blocks.items()}}
    return Expr(expr.op, (*head, *captures), attrs, dict(expr.meta), expr.fact)


def everywhere(change: Callable[[Outputs], Outputs], outputs: Outputs) -> Outputs:
    """Apply a pass to a graph and to every block in it, those inside first.

    What a pass puts into a block from outside is captured. The depth of the recursion is that of the nesting, which
    lowering limits.
    """

    def inside(expr: Expr) -> Expr | None:
        blocks = blocks_of(expr)
        if not blocks:
            return None
        return with_blocks(expr, {name: _changed(block, change) for name, block in blocks.items()})

    return change(postwalk(inside, outputs))


def _changed(block: Block, change: Callable[[Outputs], Outputs]) -> Block:
    code = block.code
    results = everywhere(change, {str(index): result for index, result in enumerate(code.body)})
    return close(
        code.number, code.params, list(results.values()), dict(zip(code.captured, block.captures, strict=True))
    )


def capture_tensors(outputs: Outputs) -> Outputs:
    """Let blocks capture the stored tensors that they compute with; those of layers belong to the layers."""

    def inside(expr: Expr) -> Expr | None:
        blocks = blocks_of(expr)
        return with_blocks(expr, {name: _capturing(block) for name, block in blocks.items()}) if blocks else None

    return postwalk(inside, outputs)


def _capturing(block: Block) -> Block:
    code = block.code
    results: dict[str, Expr] = capture_tensors({str(index): result for index, result in enumerate(code.body)})
    params: dict[Expr, Expr] = {}

    def outer(value: Expr | None) -> Expr | None:
        if value is None or value.op not in STORED:
            return value
        return params.setdefault(value, parameter(f"{_name(value)}.{len(params)}", value.fact))

    def visit(expr: Expr) -> Expr | None:
        if not expr.inputs:
            return None
        count = len(data_operands(expr)) if is_layer(expr) else len(expr.inputs)
        inputs = (*map(outer, expr.inputs[:count]), *expr.inputs[count:])
        return expr.rebuild(inputs) if inputs != expr.inputs else None

    body = [outer(result) for result in postwalk(visit, list(results.values()))]
    known = dict(zip(code.captured, block.captures, strict=True)) | {param: value for value, param in params.items()}
    return close(code.number, code.params, [value for value in body if value is not None], known)


def walk(results: Iterable[Expr]) -> Iterator[Expr]:
    """All expressions of a graph and of the blocks in it."""
    order: list[Any] = nodes(list(results))
    for expr in order:
        yield expr
        for block in blocks_of(expr).values():
            yield from walk(block.code.body)
