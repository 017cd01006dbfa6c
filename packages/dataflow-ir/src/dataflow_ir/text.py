"""Graphs as Python-like text: names only for what is used twice, the rest nested."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import count
from string import ascii_lowercase
from typing import Any, Literal, NamedTuple

from dataflow_ir._gc import gc_paused
from dataflow_ir.display import application, brief
from dataflow_ir.functions import Lambda, lambdas
from dataflow_ir.literals import is_name, show, spell
from dataflow_ir.nest import leaves
from dataflow_ir.node import Node
from dataflow_ir.ops import CONST, INPUT
from dataflow_ir.order import count_uses
from dataflow_ir.walk import nodes

Namer = Callable[[Any], Any]
Emit = Callable[[Any, list[str]], str | None]
Bind = Literal["shared", "all"]

MAX_DEPTH = 40
"""How deep calls nest by default; Python itself refuses more than 200 open brackets."""

_EXCERPT = 200


def name_in_meta(v: Node) -> Any:
    """Return ``v.meta["name"]``, the name that is proposed by default."""
    return v._meta and v._meta.get("name")


@gc_paused
def syntax(
    g: Any,
    *,
    emit: Emit | None = None,
    bind: Bind = "shared",
    names: Namer = name_in_meta,
    reserved: Iterable[str] = (),
    max_depth: int = MAX_DEPTH,
    max_width: int = sys.maxsize,
) -> str:
    """Return a graph as Python-like text, which `parse` reads back.

    Each line binds a name to a node that is used more than once (or that a cycle runs through, or that
    would be nested too deep); the last line is the graph. Functions come first, as ``def``, captured values
    before the slash. The text depends on the graph alone, not on the process.

    Args:
        g: A node or a nest of them.
        emit: Writes a node in another language: called with the node and the texts of its operands; None leaves
            it to Python's. What it writes `parse` need not understand.
        bind: Whether only ``"shared"`` nodes get a name, or ``"all"`` that have inputs.
        names: Proposes a name for a node, or None; proposals are made valid and unique.
        reserved: Names that are not to be used.
        max_depth: How deep calls may nest.
        max_width: A node whose text is longer gets a name as well.

    Raises:
        CycleError: If a function's code contains itself.

    >>> from dataflow_ir import inp, node
    >>> total = node("add", inp("x"), inp("y"))
    >>> print(syntax(node("mul", total, total, axis=1)))
    a = add(x, y)
    mul(a, a, axis=1)
    >>> infix = {"add": "({} + {})", "mul": "{} * {}", "neg": "-{}"}
    >>> print(syntax(node("mul", total, node("neg", total)), emit=lambda v, operands: infix[v.op].format(*operands)))
    a = (x + y)
    a * -a
    """
    _check(bind)
    order = nodes(g)
    codes = lambdas(g, order)
    own = _free_inputs(order)
    taken = {*reserved, *own.values()}
    titles = _Names(taken, "fgh")
    title_of = {code: titles.fresh() for code in codes}
    style = _Style(emit, bind, names, max_depth, max_width, partial(spell, other=lambda v: title_of.get(v) or show(v)))
    lines: list[str] = []
    for code, title in title_of.items():
        fresh = _Names(titles.taken)
        params = {v: fresh.fresh(_plain_name(v)) for v in (*code.captured, *code.params)}
        lines += _definition(title, code, _Scope(code.body, nodes(code.body), style, fresh, params))
    scope = _Scope(g, order, style, _Names(titles.taken), own)
    return "\n".join([*lines, *scope.statements, scope.result])


def _definition(title: str, code: Lambda, scope: _Scope) -> list[str]:
    params = [scope.name[v] for v in code.params]
    if code.captured:
        params = [*[scope.name[v] for v in code.captured], "/", *params]
    body = [*scope.statements, f"return {scope.result}"]
    return [f"def {title}({', '.join(params)}):", *[f"    {line}" for line in body], ""]


@gc_paused
def bindings(
    g: Any,
    *,
    bind: Bind = "shared",
    names: Namer = name_in_meta,
    reserved: Iterable[str] = (),
    max_depth: int = MAX_DEPTH,
) -> list[tuple[str, Node]]:
    """Return the nodes that deserve a name with that name, in the order of `nodes`.

    These are the nodes that `syntax` binds; inputs are not among them where they have a name of their own.

    >>> from dataflow_ir import inp, node
    >>> v = node("neg", inp("x"))
    >>> bindings(node("add", v, node("mul", v, v)))
    [('a', neg(x))]
    """
    _check(bind)
    order = nodes(g)
    own = _free_inputs(order)
    style = _Style(None, bind, names, max_depth, sys.maxsize, spell)
    return _Scope(g, order, style, _Names({*reserved, *own.values()}), own).bound


def _check(bind: str) -> None:
    if bind not in ("shared", "all"):
        raise ValueError(f"bind is 'shared' or 'all', got {bind!r}")


def excerpt(v: Node) -> str:
    """Return the text of a small graph; of a large one, one line that shows the surroundings of the root."""
    seen: set[Node | None] = {None}
    stack: list[Any] = [v]
    while stack and len(seen) <= _EXCERPT:
        i = stack.pop()
        if i not in seen:
            seen.add(i)
            stack += i.inputs
    return brief(v) if len(seen) > _EXCERPT else syntax(v)


class _Names:
    """Gives out names that are valid and not taken, the same ones in every run."""

    def __init__(self, taken: Iterable[str], letters: str = ascii_lowercase) -> None:
        self.taken = set(taken)
        self.short = (letter + number for number in _numbers() for letter in letters)
        self.next: dict[str, Iterator[int]] = {}

    def fresh(self, proposal: Any = None) -> str:
        name = self.valid(proposal) if isinstance(proposal, str) else None
        while name is None or name in self.taken:
            name = next(self.short)
        self.taken.add(name)
        return name

    def valid(self, proposal: str) -> str | None:
        base = re.sub(r"[^A-Za-z0-9_]+", "_", proposal).strip("_")
        base = f"_{base}" if base[:1].isdigit() else base
        if not base:
            return None
        base = base if is_name(base) else f"{base}_"
        name = base
        while name in self.taken:
            name = f"{base}_{next(self.next.setdefault(base, count(2)))}"
        return name


def _numbers() -> Iterator[str]:
    yield ""
    for number in count(1):
        yield str(number)


def _plain_name(v: Node) -> str | None:
    """Return the name of an input node that may stand for it in text."""
    if v.op != INPUT or v.inputs or len(v.attrs) != 1:
        return None
    name = v.attrs.get("name")
    return name if type(name) is str and is_name(name) else None


def _free_inputs(order: list[Node]) -> dict[Node, str]:
    """Return the input nodes that are called by their own name: of each name, the first."""
    first: dict[str, Node] = {}
    for v in order:
        if v.op == INPUT and (name := _plain_name(v)) is not None:
            first.setdefault(name, v)
    return {v: name for name, v in first.items()}


class _Style(NamedTuple):
    """What the text of every scope has in common."""

    emit: Emit | None
    bind: Bind
    names: Namer
    max_depth: int
    max_width: int
    spell: Callable[[Any], str]


class _Scope:
    """The names and texts of one graph: the whole one, or a function's body.

    Attributes:
        name: The name of each node that has one.
        bound: The nodes that were given one here, with that name.
        statements: The lines that bind them.
        result: The text of the graph itself.
    """

    def __init__(self, g: Any, order: list[Node], style: _Style, names: _Names, own: Mapping[Node, str]) -> None:
        self.style = style
        self.names = names
        self.name = dict(own)
        self.bound: list[tuple[str, Node]] = []
        self.statements: list[str] = []
        self.nested: dict[Node, str] = {}  # texts that wait for their one user
        self.write(order, set(leaves(g)), count_uses(g, order))
        self.result = self.nest(g)

    def write(self, order: list[Node], ends: set[Node], uses: Mapping[Node, int]) -> None:
        """Write each node once its operands are written."""
        style, name, nested = self.style, self.name, self.nested
        emit, spelled, bind_all = style.emit, style.spell, style.bind == "all"
        depth: dict[Node, int] = {}
        for v in order:
            if v in name and not v.inputs:
                continue
            operands = [self.operand(i) for i in v.inputs]
            text = emit(v, operands) if emit else None
            if text is None:
                text = application(v, operands, spelled)
                if v.op == CONST and text[0] == "(" and v in ends:
                    text = f"{CONST}(value={text})"  # brackets around the graph would be a nest
            level = 1 + max([depth.pop(i, 0) for i in v.inputs], default=0)
            alone = (bind_all and v.inputs) or level >= style.max_depth or len(text) > style.max_width
            if uses[v] > 1 or v in name or (alone and v not in ends):
                self.bind(v, text)
                continue
            depth[v] = level
            nested[v] = text

    def bind(self, v: Node, text: str) -> None:
        name = self.reference(v)
        self.bound.append((name, v))
        self.statements.append(f"{name} = {text}")

    def reference(self, v: Node) -> str:
        name = self.name.get(v)
        if name is None:
            name = self.name[v] = self.names.fresh(self.style.names(v))
        return name

    def operand(self, v: Node | None) -> str:
        """Return the text that stands for an operand; one that is not written yet closes a cycle."""
        if v is None:
            return "None"
        text = self.nested.pop(v, None)
        return self.reference(v) if text is None else text

    def nest(self, g: Any) -> str:
        if isinstance(g, (list, tuple)):
            items = ", ".join([self.nest(item) for item in g])
            if isinstance(g, list):
                return f"[{items}]"
            return f"({items},)" if len(g) == 1 else f"({items})"
        if isinstance(g, dict):
            return f"{{{', '.join([f'{spell(key)}: {self.nest(item)}' for key, item in g.items()])}}}"
        return self.operand(g)
