"""Interpreters made of layers, each of which may do its part, change what passes, or leave it to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

from dataflow_ir.evaluate import evaluate
from dataflow_ir.ops import CONST
from dataflow_ir.values import FrozenDict

Layer = Callable[..., Any]
"""Called as ``layer(inner, op, attrs, *values)``, where ``inner`` takes the same without ``inner``."""


class Interpreter:
    """A handler for `evaluate` made of layers, the outermost first, as in DataFlow.jl.

    Constants pass through the layers like operations: as `dataflow_ir.CONST` without values. Innermost is what
    they hold.

    Args:
        *layers: Each is called as ``layer(inner, op, attrs, *values)`` and returns the value of the node; it may
            call ``inner(op, attrs, *values)`` for what the layers within it make of these or other arguments.

    >>> import operator
    >>> from dataflow_ir import parse
    >>> def log(inner, op, attrs, *values):
    ...     result = inner(op, attrs, *values)
    ...     print(op, values, "->", result)
    ...     return result
    >>> run = Interpreter(log, table({"add": operator.add, "mul": operator.mul}))
    >>> run(parse("mul(add(x, 1), x)"), x=3)
    const () -> 1
    add (3, 1) -> 4
    mul (4, 3) -> 12
    12
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers
        handler: Callable[..., Any] = innermost
        for layer in reversed(layers):
            handler = partial(layer, handler)
        self.handler = handler

    def __call__(self, g: Any, /, **inputs: Any) -> Any:
        """Return the values of the graph; see `evaluate`."""
        return evaluate(g, self.handler, self._constant, **inputs)

    def _constant(self, value: Any) -> Any:
        return self.handler(CONST, FrozenDict(value=value))


def innermost(op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
    """Return what a constant holds, or raise LookupError: no layer knows the operation."""
    if op == CONST:
        return attrs["value"]
    raise LookupError(f"no layer of the interpreter knows {op!r}")


def table(functions: Mapping[Any, Callable[..., Any]]) -> Layer:
    """Return a layer that calls a function of values and attributes for each operation in a table."""

    def layer(inner: Callable[..., Any], op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
        function = functions.get(op)
        return inner(op, attrs, *values) if function is None else function(*values, **attrs)

    return layer


def constants(lift: Callable[[Any], Any]) -> Layer:
    """Return a layer that makes the values of constants from what they hold: types, shapes, intervals, ...

    >>> from dataflow_ir import parse
    >>> add = lambda a, b: (a[0] + b[0], a[1] + b[1])
    >>> run = Interpreter(constants(lambda value: (value, value)), table({"add": add}))
    >>> run(parse("add(x, 1)"), x=(0, 9))  # the interval of the sum
    (1, 10)
    """

    def layer(inner: Callable[..., Any], op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
        return lift(attrs["value"]) if op == CONST else inner(op, attrs, *values)

    return layer


def notes(describe: Callable[..., str] = lambda op, *values: f"in {op}{values!r}"[:200]) -> Layer:
    """Return a layer that adds to an error, as a note, where it happened.

    Args:
        describe: The text, from operation and values.
    """

    def layer(inner: Callable[..., Any], op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
        try:
            return inner(op, attrs, *values)
        except Exception as error:
            error.add_note(describe(op, *values))
            raise

    return layer


def memo(cache: dict[Hashable, Any]) -> Layer:
    """Return a layer that remembers results of hashable values; for operations without effects."""

    def layer(inner: Callable[..., Any], op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
        key = (op, attrs.key, values)
        try:
            if key in cache:
                return cache[key]
        except TypeError:
            return inner(op, attrs, *values)
        result = cache[key] = inner(op, attrs, *values)
        return result

    return layer
