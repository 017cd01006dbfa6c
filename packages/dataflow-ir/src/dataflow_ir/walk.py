"""The one walk that every change of a graph is made with, and its short forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from dataflow_ir._gc import gc_paused
from dataflow_ir.cycles import CycleError, tie
from dataflow_ir.nest import leaves, map_nest
from dataflow_ir.node import Forward, Node

G = TypeVar("G")
Visit = Callable[[Any], Any]


class Stop:
    """What `stop` returns."""

    __slots__ = ("node",)

    def __init__(self, node: Node | None) -> None:
        self.node = node


def stop(node: Node | None = None) -> Stop:
    """Return this from a function given to `prewalk`: the node is final, and its inputs are not entered.

    Args:
        node: What to put in the place of the visited node; by default that node itself.
    """
    return Stop(node)


def prewalk(f: Visit, g: G) -> G:
    """Rebuild a graph from its roots down: `walk` with ``f`` called on each node before its inputs.

    >>> from dataflow_ir import inp, node
    >>> x = inp("x")
    >>> prewalk(lambda v: v[0] if v.op == "identity" else None, node("neg", node("identity", x)))
    neg(x)
    """
    return walk(g, pre=f)


def postwalk(f: Visit, g: G) -> G:
    """Rebuild a graph from its leaves up: `walk` with ``f`` called on each node after its inputs.

    Common subexpression elimination is one line:

    >>> from dataflow_ir import inp, node
    >>> x, cache = inp("x"), {}
    >>> g = node("mul", node("neg", x), node("neg", x))
    >>> g = postwalk(lambda v: cache.setdefault(v.key, v), g)
    >>> g[0] is g[1]
    True
    """
    return walk(g, post=f)


def prewalk_(f: Visit, g: G) -> G:
    """Like `prewalk`, but change the nodes' inputs in place instead of rebuilding nodes."""
    return walk(g, pre=f, in_place=True)


def postwalk_(f: Visit, g: G) -> G:
    """Like `postwalk`, but change the nodes' inputs in place instead of rebuilding nodes."""
    return walk(g, post=f, in_place=True)


def prefor(f: Visit, g: Any) -> None:
    """Call ``f`` on each node before its inputs, for its effect; `stop` keeps the walk out of the inputs."""
    seen: set[Node | None] = {None}
    stack = list(leaves(g))[::-1]
    while stack:
        v = stack.pop()
        if v in seen:
            continue
        seen.add(v)
        if f(v).__class__ is not Stop:
            stack += [i for i in reversed(v.inputs) if i not in seen]


def postfor(f: Visit, g: Any) -> None:
    """Call ``f`` on each node after its inputs, for its effect."""
    for v in nodes(g):
        f(v)


@gc_paused
def nodes(g: Any) -> list[Node]:
    """Return every node once, inputs before users wherever no cycle forbids it, roots and inputs left to right.

    >>> from dataflow_ir import inp, node
    >>> [v.op for v in nodes(node("add", inp("x"), node("neg", inp("y"))))]
    ['input', 'input', 'neg', 'add']
    """
    order: list[Node] = []
    seen: set[Node | None] = {None}
    for root in leaves(g):
        stack: list[Any] = [root]  # a node to visit; or a finished node below a None
        while stack:
            v = stack.pop()
            if v is None:
                order.append(stack.pop())
                continue
            if v in seen:
                continue
            seen.add(v)
            if not v.inputs:
                order.append(v)
                continue
            stack += v, None
            stack += [i for i in reversed(v.inputs) if i not in seen]
    return order


@gc_paused
def walk(g: G, pre: Visit | None = None, post: Visit | None = None, *, in_place: bool = False) -> G:
    """Visit each reachable node once and return the graph that the visits ask for.

    A node ``v`` is first given to ``pre``; what that returns takes the place of ``v`` and is descended into,
    without being given to ``pre`` itself. Its inputs are walked, and where they changed it is rebuilt
    (`Node.rebuild`); what results is given to ``post``, and what that returns is the result. Both may return
    None to keep the node; ``pre`` may return `stop`.

    * Each node is visited once, however many users it has; nodes replaced by one node share its rebuilt form.
    * What did not change is the same object as before.
    * Cycles: while a cycle is walked, its nodes are copies, and ``post`` meets a `Forward` cell where it closes.
      When the whole cycle is finished each cell is replaced by the final result of the node it stands for;
      or, if nothing in it changed, the copies are dropped and the cycle is the same objects as before.
    * If ``pre`` returns a node that uses the visited one, that use is a cycle like any other and ends on the
      result. To wrap a node, use ``post``, or ``pre`` with `stop`.

    Args:
        g: A node or a nest of them.
        pre: Called on each node before its inputs.
        post: Called on each node after its inputs.
        in_place: Assign changed inputs to the nodes instead of rebuilding them. If a visit raises, the graph
            is left partly changed.

    Returns:
        A nest of the same shape.

    Raises:
        CycleError: If a cycle vanishes: each of its nodes was replaced by its own input.
    """
    result: G = Walk(pre, post, in_place).run(g)
    return result


class Walk:
    """The state of one walk; on cycles it follows Tarjan's algorithm.

    ``operands`` has, for nodes that need it, what is walked in the place of their inputs, one for one.

    ``body[v]`` is what ``pre`` put in the place of ``v`` (or a `Stop`), ``built[body]`` its result, and, while
    its inputs are being walked, the int that says when it was entered.
    """

    def __init__(
        self,
        pre: Visit | None,
        post: Visit | None = None,
        in_place: bool = False,
        operands: Mapping[Node, tuple[Node | None, ...]] = MappingProxyType({}),
    ) -> None:
        self.pre = pre
        self.post = post
        self.in_place = in_place
        self.operands = operands
        self.built: dict[Any, Any] = {None: None}
        self.body: dict[Any, Any] = {None: None} if pre else self.built
        self.cells: dict[Node, Forward] = {}
        self.loops: dict[Node, _Member] = {}  # finished nodes whose cycle is not finished yet
        self.clean: set[Node | None] = {None}

    def run(self, g: Any) -> Any:
        """Return the walked graph."""
        roots = list(leaves(g))
        try:
            for root in roots:
                self.visit(root)
        except BaseException:
            if self.in_place and self.cells:
                tie(roots, {cell: body for body, cell in self.cells.items()})
            raise
        return map_nest(self.result, g)

    def result(self, v: Node) -> Any:
        """Return what became of a visited node."""
        return self.built[self.body[v] if self.pre else v]

    def visit(self, root: Node) -> None:
        """Walk everything below a root that has not been walked yet."""
        pre, post, loops = self.pre, self.post, self.loops
        built, body, operands = self.built, self.body, self.operands
        stack: list[Any] = [root]  # a node to visit; or, below a None, a node whose inputs are finished
        while stack:
            v = stack.pop()
            if v is None:
                v = stack.pop()
            else:
                if v in body:
                    continue
                if pre:
                    w = body[v] = self.replacement(v, pre(v))
                    v = w
                    if v in built:
                        continue
                built[v] = len(built)
                inputs = operands.get(v, v.inputs) if operands else v.inputs
                if inputs:
                    stack += v, None
                    stack += [i for i in reversed(inputs) if i not in body]
                    continue
            inputs = operands.get(v, v.inputs) if operands else v.inputs
            new = tuple([built[body[i]] for i in inputs]) if pre else tuple([built[i] for i in inputs])
            u = v
            if new != v.inputs or loops:
                u = self.change(v, new)
                if u is None:
                    continue
            if post:
                w = post(u)
                if w is not None:
                    u = w if w.__class__ is not Stop else u if w.node is None else w.node
            built[v] = u

    def replacement(self, v: Node, answer: Any) -> Any:
        """Return what ``pre`` answered: what to descend into, or a `Stop` whose node is the result."""
        if answer is None:
            return v
        if answer.__class__ is Stop:
            self.built[answer] = v if answer.node is None else answer.node
        return answer

    def change(self, v: Node, new: tuple[Any, ...]) -> Any:
        """Return ``v`` with its inputs walked, or None if it is on an unfinished cycle, whose end decides."""
        if self.loops or int in map(type, new):
            low = self.low(v)
            if low is not None:
                self.close(v, low)
                return None
        if new == v.inputs:
            return v
        if self.in_place:
            v.inputs = new
            return v
        return v.rebuild(new)

    def low(self, v: Node) -> int | None:
        """Return the index of the earliest node on the cycles that ``v`` is known to be on, None for none."""
        found = []
        for i in self.operands.get(v, v.inputs):
            target = self.body[i] if self.pre else i
            result = self.built[target]
            if result.__class__ is int:
                found.append(result)
            elif target in self.loops:
                found.append(self.loops[target].low)
        return min(found, default=None)

    def close(self, v: Node, low: int) -> None:
        """Finish a node on a cycle, and the whole cycle if ``v`` is where it was entered."""
        index = self.built[v]
        new, kept = [], True
        for i, operand in zip(v.inputs, self.operands.get(v, v.inputs), strict=True):
            target = self.body[operand] if self.pre else operand
            result = self.built[target]
            if result.__class__ is int:
                kept = kept and target is i
                result = self.cells.get(target) or self.cells.setdefault(target, Forward(target))
            elif target in self.loops:
                kept = kept and target is i
            else:
                kept = kept and result is i
            new.append(result)
        if self.in_place:
            u = v
            v.inputs = tuple(new)
        else:
            u = v.rebuild(tuple(new))
        w = self.post(u) if self.post else None
        if w.__class__ is Stop:
            w = w.node
        if w is None:
            w = u
        self.loops[v] = _Member(low, kept and w is u)
        self.built[v] = w
        if low == index:
            self.finish(low)

    def finish(self, entry: int) -> None:
        """Give the nodes of a finished cycle their final results and put these in the place of the cells."""
        built, cells = self.built, self.cells
        members, kept = [], not self.in_place
        while self.loops:
            v, member = self.loops.popitem()
            if member.low < entry:
                self.loops[v] = member
                break
            members.append(v)
            kept = kept and member.kept
        if kept:
            for v in members:
                cells.pop(v, None)
                built[v] = v
            return
        closing = {cells.pop(v): v for v in members if v in cells}
        for cell in closing:
            self.settle(cell, closing)
        finals = {cell: built[v] for cell, v in closing.items()}
        for v in members:
            built[v] = finals.get(built[v], built[v])
        tie([built[v] for v in members], finals, self.clean)

    def settle(self, cell: Any, closing: dict[Forward, Node]) -> None:
        """Give the node that a cell stands for its final result where that is, so far, a cell itself."""
        path: dict[Node, None] = {}
        while cell in closing:
            v = closing[cell]
            if v in path:
                raise CycleError("a cycle vanished, each node on it was replaced by its own input", path)
            path[v] = None
            cell = self.built[v]
        for v in path:
            self.built[v] = cell


class _Member:
    """A finished node on an unfinished cycle: the earliest index it reaches, and whether nothing in it changed."""

    __slots__ = ("kept", "low")

    def __init__(self, low: int, kept: bool) -> None:
        self.low = low
        self.kept = kept
