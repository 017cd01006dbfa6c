"""Repeats as functions: outlined into calls, and calls inlined again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from dataflow_ir._gc import gc_paused
from dataflow_ir.cycles import CycleError
from dataflow_ir.functions import Lambda, call, check_arity
from dataflow_ir.nest import map_nest
from dataflow_ir.node import Node, out
from dataflow_ir.ops import CALL, CONST, FUNCTION, OUT
from dataflow_ir.repeats import Instance, Repeat, repeats
from dataflow_ir.values import FrozenDict
from dataflow_ir.walk import nodes, prewalk

G = TypeVar("G")

_LEVELS = 100
"""How deep functions that come as values are unfolded in each other."""


@gc_paused
def outline(g: G, found: Iterable[Repeat] | None = None, *, name: Callable[[Repeat], Any] = lambda repeat: None) -> G:
    """Replace the instances of repeats by calls of functions.

    Repeats inside of repeats become calls in the functions' bodies. Where instances differ in attributes (see
    `Repeat.varying`) there is a function for each variant.

    Args:
        g: A node or a nest of them.
        found: The repeats, as `repeats` found them in this very graph; by default all that it finds.
        name: The name of a repeat's function, kept in the ``meta`` of the function nodes.

    >>> from dataflow_ir import inp
    >>> x = inp("x")
    >>> for at in range(3):
    ...     for op in ("norm", "up", "gelu", "down", "scale"):
    ...         x = Node(op, (x,))
    ...     x = Node("add", (x, inp(f"b{at}")))
    >>> print(outline(x))
    def f(carry0, input0):
        return add(scale(down(gelu(up(norm(carry0))))), input0)
    <BLANKLINE>
    call(function(code=f), call(function(code=f), call(function(code=f), x, b0), b1), b2)
    """
    places = [
        (repeat, at) for repeat in (repeats(g) if found is None else found) for at in range(len(repeat.instances))
    ]
    result: G = _Outliner(name).run(g, places)
    return result


Place = tuple[Repeat, int]
"""A repeat, and which of its instances."""


class _Outliner:
    """Makes the functions; what is equal is made once, wherever it is."""

    def __init__(self, name: Callable[[Repeat], Any]) -> None:
        self.name = name
        self.codes: dict[Any, Lambda] = {}

    def run(self, g: Any, places: Iterable[Place]) -> Any:
        """Return the graph with calls at some places."""
        new: dict[Node, Node] = {}
        for (repeat, at), inner in _outermost(places):
            instance = repeat.instances[at]
            title = self.name(repeat)
            meta = {} if title is None else {"name": title}
            function = Node(FUNCTION, (), FrozenDict(code=self.code(repeat, at, inner)), meta)
            result = call(function, *instance.args)
            single = len(instance.outputs) == 1
            new.update({v: result if single else out(result, index) for index, v in enumerate(instance.outputs)})
        return prewalk(new.get, g) if new else g

    def code(self, repeat: Repeat, at: int, inner: list[Place]) -> Lambda:
        """Return the code of an instance: the body with the instance's attributes, and calls of what is inside it."""
        own = {each.at: each.attrs[at].key for each in repeat.varying}
        variant = (repeat.body, *[item for item in own.items() if item[1] != repeat.nodes[item[0]].attrs.key])
        if variant not in self.codes:
            body, order = _variant(repeat, at)
            twin = dict(zip(repeat.instances[at].nodes, order, strict=True))
            body = self.run(body, [(_moved(each, where, twin), 0) for each, where in inner])
            self.codes[variant] = Lambda(repeat.body.params, body)
        return self.codes[variant]


def _outermost(places: Iterable[Place]) -> list[tuple[Place, list[Place]]]:
    """Return the places that are inside no other, each with those inside of it."""
    result: list[tuple[Place, list[Place]]] = []
    around: dict[Node, list[Place]] = {}
    for repeat, at in sorted(places, key=lambda place: -len(place[0].nodes)):
        covered = repeat.instances[at].nodes
        if covered[0] in around:
            around[covered[0]].append((repeat, at))
            continue
        inner: list[Place] = []
        result.append(((repeat, at), inner))
        around.update(dict.fromkeys(covered, inner))
    return result


def _variant(repeat: Repeat, at: int) -> tuple[Any, Iterable[Node]]:
    """Return the body of a repeat with the attributes of one instance, and its nodes."""
    body = repeat.body.body
    if not repeat.varying:
        return body, repeat.nodes
    attrs = {repeat.nodes[each.at]: each.attrs[at] for each in repeat.varying}
    new: dict[Any, Any] = {}
    for v in repeat.nodes:
        w = new[v] = v.rebuild(tuple([new.get(i, i) for i in v.inputs]))
        w.attrs = attrs.get(v, v.attrs)
    return map_nest(lambda v: new.get(v, v), body), new.values()


def _moved(repeat: Repeat, at: int, twin: dict[Node, Node]) -> Repeat:
    """Return a repeat with nothing but one instance, as it is in the body around it.

    What the instance gets is read off that body: two of the body's parameters may have the same value outside.
    """
    params = set(repeat.body.params)
    instance = repeat.instances[at]
    nodes = tuple([twin[v] for v in instance.nodes])
    args: dict[Node, Node | None] = {}
    for v, model in zip(nodes, repeat.nodes, strict=True):
        args.update([pair for pair in zip(model.inputs, v.inputs, strict=True) if pair[0] in params])
    moved = Instance(
        nodes, tuple([args[param] for param in repeat.body.params]), tuple(map(twin.__getitem__, instance.outputs))
    )
    varying = tuple([replace(each, attrs=(each.attrs[at],)) for each in repeat.varying])
    return replace(repeat, instances=(moved,), varying=varying)


@gc_paused
def inline(g: G, where: Callable[[Any], bool] = lambda v: True) -> G:
    """Replace calls of functions by the functions' bodies; the inverse of `outline`.

    A call is replaced if its function is a function node, or becomes one when the call around it is replaced; but
    not the calls by which a function that was passed calls itself. A function that returns a nest is inlined into
    the nodes that take one of its outputs; where the whole of it is used the call stays.

    Args:
        g: A node or a nest of them.
        where: Tells which calls are to be replaced.

    Raises:
        CycleError: If a cycle vanishes: it went through functions that return what they are given.
        TypeError: If a call has the wrong number of arguments.

    >>> from dataflow_ir import fn, inp, node
    >>> square = fn(lambda a: node("mul", a, a))
    >>> print(inline(node("neg", call(square, node("add", inp("x"), inp("y"))))))
    a = add(x, y)
    neg(mul(a, a))
    """
    result: G = prewalk(_Inliner(where).head, g)
    return result


class _Inliner:
    """Replaces calls by bodies, and outputs of calls by nodes of bodies.

    Functions that are values could be unfolded without end. So a body remembers in which functions that came as
    values it is, and its own calls of these stay.
    """

    def __init__(self, where: Callable[[Any], bool]) -> None:
        self.where = where
        self.results: dict[Node, Any] = {}
        self.around: dict[Node, tuple[Lambda, ...]] = {}
        self.of_values: set[Node] = set()

    def head(self, v: Node) -> Node | None:
        """Return what a node becomes, or None if it is neither a call nor an output of one."""
        path: dict[Node, None] = {}
        w, step = v, self.step(v)
        while step is not None:
            path[w] = None
            if step in path:
                raise CycleError("a cycle vanished in functions that return what they are given", path)
            w, step = step, self.step(step)
        return w if path else None

    def step(self, v: Node) -> Node | None:
        """Return what one call less makes of a node, or None."""
        if v.op == OUT:
            result = self.result(v.inputs[0])
            return out(result, v.attrs["index"]) if isinstance(result, Node) else _item(result, v.attrs["index"])
        result = self.result(v)
        return result if isinstance(result, Node) else None

    def result(self, v: Node) -> Any:
        """Return what a call returns, or None for what is no call or stays one."""
        if v.op != CALL:
            return None
        if v not in self.results:
            function = v.inputs[0]
            code: Any = function.attrs.get("code") if function is not None and function.op == FUNCTION else None
            around = self.around.get(v, ())
            stays = not isinstance(code, Lambda) or not self.where(v)
            if v in self.of_values:
                stays = stays or code in around or len(around) == _LEVELS
                around = (*around, code)
            self.results[v] = None if stays else self.unfolded(v, code, around)
        return self.results[v]

    def unfolded(self, v: Node, code: Lambda, around: tuple[Lambda, ...]) -> Any:
        """Return a copy of a body, over what a call passes."""
        function, *args = v.inputs
        check_arity(code, len(function.inputs), len(args))
        twin: dict[Any, Any] = dict(zip((*code.captured, *code.params), (*function.inputs, *args), strict=True))
        passed = set(twin)
        twin[None] = None
        loops = []
        for w in nodes(code.body):
            if w in passed or w.op == CONST:
                twin.setdefault(w, w)
                continue
            if any(i not in twin for i in w.inputs):
                loops.append(w)
            copy = twin[w] = w.rebuild(tuple([twin.get(i, i) for i in w.inputs]))
            if w.op == CALL:
                self.around[copy] = around
                if w.inputs[0] is None or w.inputs[0].op != FUNCTION:
                    self.of_values.add(copy)
        for w in loops:
            twin[w].inputs = tuple([twin[i] for i in w.inputs])
        return map_nest(twin.__getitem__, code.body)


def _item(nest: Any, index: int) -> Node | None:
    item = nest[index] if isinstance(nest, (tuple, list)) and index < len(nest) else None
    return item if isinstance(item, Node) else None
