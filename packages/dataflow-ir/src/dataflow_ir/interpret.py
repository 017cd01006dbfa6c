"""Interpreters made of layers, each of which may do its part, change what passes, or leave it to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from functools import partial
from typing import Any

from dataflow_ir.evaluate import evaluate
from dataflow_ir.values import FrozenDict

Layer = Callable[..., Any]
"""Called as ``layer(inner, op, attrs, *values)``, where ``inner`` takes the same without ``inner``."""


class Interpreter:
    """A handler for `evaluate` made of layers, the outermost first, as in DataFlow.jl.

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
    >>> run(parse("mul(add(x, 1), 2)"), x=3)
    add (3, 1) -> 4
    mul (4, 2) -> 8
    8
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers
        handler: Callable[..., Any] = unknown
        for layer in reversed(layers):
            handler = partial(layer, handler)
        self.handler = handler

    def __call__(self, g: Any, /, **inputs: Any) -> Any:
        """Return the values of the graph; see `evaluate`."""
        return evaluate(g, self.handler, **inputs)


def unknown(op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
    """Raise LookupError: no layer knows the operation."""
    raise LookupError(f"no layer of the interpreter knows {op!r}")


def table(functions: Mapping[Any, Callable[..., Any]]) -> Layer:
    """Return a layer that calls a function of values and attributes for each operation in a table."""

    def layer(inner: Callable[..., Any], op: Hashable, attrs: FrozenDict, *values: Any) -> Any:
        function = functions.get(op)
        return inner(op, attrs, *values) if function is None else function(*values, **attrs)

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
