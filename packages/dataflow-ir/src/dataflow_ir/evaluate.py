"""Evaluation, and whatever else computes a value for every node from the values of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from dataflow_ir.functions import Lambda, check_arity
from dataflow_ir.nest import map_nest
from dataflow_ir.node import Node
from dataflow_ir.ops import CALL, CONST, FUNCTION, INPUT, OUT
from dataflow_ir.order import topo
from dataflow_ir.values import FrozenDict

Handler = Callable[..., Any]


def evaluate(g: Any, handler: Handler, lift: Callable[[Any], Any] | None = None, /, **inputs: Any) -> Any:
    """Compute the value of each node once, inputs before users, and return those of the graph.

    Constants, inputs, outputs, functions and calls are done here: a function's value is a `Closure`, which a
    handler may call as well. With values that are types, shapes or intervals this is abstract interpretation.

    Args:
        g: A node or a nest of them.
        handler: Called as ``handler(op, attrs, *values)`` for every other node; None for absent inputs.
        lift: Makes the value of a constant from what it holds; by default it is that.
        **inputs: The values of the input nodes by name.

    Returns:
        A nest of values of the shape of ``g``.

    Raises:
        CycleError: If the graph has a cycle.
        TypeError: If a call has the wrong number of arguments.
        ValueError: If an input has no value.

    >>> from dataflow_ir import const, inp, node
    >>> import operator
    >>> g = node("mul", node("add", inp("x"), const(1)), const(10))
    >>> evaluate(g, lambda op, attrs, *values: getattr(operator, op)(*values), x=2)
    30
    >>> evaluate(g, lambda op, attrs, *types: max(types, key=[int, float].index), type, x=float)  # which type it has
    <class 'float'>
    """
    return _run(_Frame(g, {}), _Meaning(handler, lift), inputs)


class _Meaning(NamedTuple):
    """What operations and constants are evaluated to."""

    handler: Handler
    lift: Callable[[Any], Any] | None


class Closure:
    """The value of a function node: code, captured values, and what operations mean in it."""

    __slots__ = ("captured", "code", "meaning")

    def __init__(self, code: Lambda, captured: tuple[Any, ...], meaning: _Meaning) -> None:
        self.code = code
        self.captured = captured
        self.meaning = meaning

    def __call__(self, *arguments: Any) -> Any:
        """Return what the function returns for these values."""
        return _run(self.enter(arguments), self.meaning, {})

    def enter(self, arguments: tuple[Any, ...]) -> _Frame:
        """Return the evaluation of the body, not started yet."""
        check_arity(self.code, len(self.captured), len(arguments))
        names = (*self.code.captured, *self.code.params)
        return _Frame(self.code.body, dict(zip(names, (*self.captured, *arguments), strict=True)))


class _Frame:
    """One evaluation of one graph: how far it is, the values so far, and the call that waits for a result."""

    def __init__(self, g: Any, values: dict[Any, Any]) -> None:
        self.g = g
        self.values = values
        self.rest: Iterator[Node] = iter(topo([g, list(values)]))
        self.values[None] = None
        self.call: Node | None = None


def _run(frame: _Frame, meaning: _Meaning, inputs: Mapping[str, Any]) -> Any:
    """Run a frame and, without recursion, the frames of the calls in it."""
    stack = [frame]
    while True:
        frame = stack[-1]
        called = _advance(frame, meaning, inputs if len(stack) == 1 else {})
        if called is not None:
            stack.append(called)
            continue
        result = map_nest(frame.values.__getitem__, frame.g)
        stack.pop()
        if not stack:
            return result
        caller = stack[-1]
        caller.values[caller.call] = result


def _advance(frame: _Frame, meaning: _Meaning, inputs: Mapping[str, Any]) -> _Frame | None:
    """Evaluate until the end, or until a call, whose frame is returned."""
    values = frame.values
    handler, lift = meaning
    for v in frame.rest:
        if v in values:
            continue
        op, attrs = v.op, v.attrs
        operands = [values[i] for i in v.inputs]
        if op == CONST and not operands:
            values[v] = lift(attrs["value"]) if lift else attrs["value"]
        elif op == INPUT and not operands:
            values[v] = _input(attrs, inputs)
        elif op == OUT:
            values[v] = operands[0][attrs["index"]]
        elif op == FUNCTION:
            values[v] = Closure(attrs["code"], tuple(operands), meaning)
        elif op == CALL and isinstance(operands[0], Closure):
            frame.call = v
            return operands[0].enter(tuple(operands[1:]))
        else:
            values[v] = handler(op, attrs, *operands)
    return None


def _input(attrs: FrozenDict, inputs: Mapping[str, Any]) -> Any:
    try:
        return inputs[attrs["name"]]
    except KeyError:
        raise ValueError(f"input {attrs['name']!r} has no value; given: {', '.join(inputs) or 'none'}") from None
