"""Functions as values: parameters, a body, and captured values that are inputs like any other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dataflow_ir.cycles import CycleError
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node, inp
from dataflow_ir.ops import CALL, FUNCTION, INPUT
from dataflow_ir.order import users
from dataflow_ir.values import FrozenDict
from dataflow_ir.walk import nodes, postwalk, prewalk, stop


class Lambda:
    """The code of a function: a graph of its own, closed but for its parameters.

    It is compared by identity. A node of op `FUNCTION` holds it as ``attrs["code"]`` and has the captured
    values as inputs; one Lambda may be held by many nodes.

    Attributes:
        params: One `inp` node for each argument.
        body: What is returned: a node or a nest of them.
        captured: One `inp` node for each captured value; they come before the parameters.

    Raises:
        ValueError: If a parameter is no input node, or there twice.
    """

    __slots__ = ("__weakref__", "body", "captured", "params")

    def __init__(self, params: Iterable[Node], body: Any, captured: Iterable[Node] = ()) -> None:
        self.params = tuple(params)
        self.body = body
        self.captured = tuple(captured)
        names = [*self.captured, *self.params]
        if any(v.op != INPUT for v in names) or len(set(names)) < len(names):
            raise ValueError(f"the parameters of a function must be different input nodes, got {names}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _code, (Node(FUNCTION, (), FrozenDict(code=self)),)

    def __repr__(self) -> str:
        return f"<Lambda ({', '.join([repr(v) for v in self.params])}) -> {self.body!r}>"


def _code(function: Node) -> Any:
    return function.attrs["code"]


def fn(function: Callable[..., Any]) -> Node:
    """Build a function value by calling a Python function once with its parameters as input nodes.

    What the body takes from outside, and whatever else in it does not depend on a parameter, is captured:
    computed outside, once. Constants are not; they stay in the body. The time is linear in all that the body
    reaches, outside too.

    Raises:
        TypeError: If the Python function has other than plain parameters.

    >>> from dataflow_ir import const, node
    >>> y = inp("y")
    >>> f = fn(lambda a, b: node("add", node("mul", a, const(2)), node("neg", y)))
    >>> f.inputs, f.attrs["code"].params, f.attrs["code"].body
    ((neg(y),), (a, b), add(mul(a, 2), c0))
    """
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
        raise TypeError(f"fn needs a function of plain parameters, got {inspect.signature(function)}")
    params = [inp(p.name) for p in parameters]
    return close(params, function(*params))


def close(params: Iterable[Node], body: Any) -> Node:
    """Build a function value from input nodes and a body that uses them; see `fn` for what is captured."""
    params = tuple(params)
    inner = _dependents(params, body)
    outer: dict[Node, Node] = {}

    def capture(v: Node) -> Any:
        if v in inner:
            return None
        if not v.inputs and v.op not in (INPUT, FUNCTION):
            return stop()
        if v not in outer:
            outer[v] = inp(f"c{len(outer)}")
        return stop(outer[v])

    body = prewalk(capture, body)
    return Node(FUNCTION, tuple(outer), FrozenDict(code=Lambda(params, body, outer.values())))


def _dependents(params: tuple[Node, ...], body: Any) -> set[Node]:
    used_by = users([body, params])
    found: set[Node] = set()
    stack = list(params)
    while stack:
        v = stack.pop()
        if v not in found:
            found.add(v)
            stack += used_by[v]
    return found


def call(function: Node | Lambda, *arguments: Node | None) -> Node:
    """Build a call of a function value, or of the code of one that captures nothing.

    Raises:
        TypeError: If the number of arguments is known to be wrong.

    >>> x = inp("x")
    >>> len(call(fn(lambda a, b: a), x, x).inputs)
    3
    """
    if isinstance(function, Lambda):
        function = Node(FUNCTION, (), FrozenDict(code=function))
    code = function.attrs.get("code") if function.op == FUNCTION else None
    if isinstance(code, Lambda):
        check_arity(code, len(function.inputs), len(arguments))
    return Node(CALL, (function, *arguments))


def check_arity(code: Lambda, captured: int, arguments: int) -> None:
    """Raise TypeError unless a function has so many captured values and parameters."""
    if captured != len(code.captured):
        raise TypeError(f"{code!r} captures {len(code.captured)} values, got {captured}")
    if arguments != len(code.params):
        raise TypeError(f"{code!r} takes {len(code.params)} arguments, got {arguments}")


def lambdas(g: Any, order: list[Node] | None = None) -> list[Lambda]:
    """Return the code of every function in the graph, at any depth of nesting, inner ones first.

    Args:
        g: A node or a nest of them.
        order: The nodes, if they are at hand.

    Raises:
        CycleError: If a function's code contains itself.
    """
    found: list[Lambda] = []
    finished: dict[Lambda, bool] = {}
    stack: list[Any] = [*_codes(nodes(g) if order is None else order)]
    stack.reverse()
    while stack:
        code = stack.pop()
        if code is None:
            code = stack.pop()
            finished[code] = True
            found.append(code)
        elif code not in finished:
            finished[code] = False
            stack += code, None
            stack += reversed([*_codes(nodes(code.body))])
        elif not finished[code]:
            raise CycleError(f"{code!r} contains itself")
    return found


def _codes(order: list[Node]) -> Iterator[Lambda]:
    for v in order:
        if v.attrs:
            yield from _held(v.attrs, Lambda)


def _held(value: Any, kind: type) -> Iterator[Any]:
    if isinstance(value, kind):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _held(item, kind)
    elif isinstance(value, FrozenDict):
        for item in value.values():
            yield from _held(item, kind)


def substitute_lambdas(value: Any, new: Mapping[Any, Any], kind: type = Lambda) -> Any:
    """Return an attribute value with everything of a kind in it replaced; the same object if nothing is."""
    if isinstance(value, kind):
        return new.get(value, value)
    if not any(code in new for code in _held(value, kind)):
        return value
    if isinstance(value, FrozenDict):
        return FrozenDict({name: substitute_lambdas(item, new, kind) for name, item in value.items()})
    return tuple([substitute_lambdas(item, new, kind) for item in value])


def map_bodies(change: Callable[[Any], Any], g: Any) -> Any:
    """Return the graph with ``change`` applied to the body of every function in it, inner ones first.

    A body that ``change`` returns unchanged leaves its function, and the nodes that hold it, the same objects.

    >>> from dataflow_ir import node, postwalk
    >>> f = fn(lambda a: node("sqrt", a))
    >>> g = map_bodies(lambda body: postwalk(lambda v: node("abs", *v.inputs) if v.op == "sqrt" else None, body), f)
    >>> g.attrs["code"].body
    abs(a)
    """
    new: dict[Lambda, Any] = {}
    for code in lambdas(g):
        old = list(leaves(code.body))
        body = change(relink(code.body, new))
        if any(a is not b for a, b in zip(old, leaves(body), strict=True)):
            new[code] = Lambda(code.params, body, code.captured)
    return relink(g, new)


def relink(g: Any, new: Mapping[Lambda, Lambda]) -> Any:
    """Return the graph with other functions in the place of some."""
    if not new:
        return g

    def relink(v: Node) -> Node | None:
        attrs = substitute_lambdas(v.attrs, new)
        if attrs is v.attrs:
            return None
        w: Node = v.rebuild(v.inputs)
        w.attrs = attrs
        return w

    return postwalk(relink, g)
