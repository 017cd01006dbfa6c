"""Graphs as flat rows, for pickling, deep copies and anything else that must not recurse."""

from __future__ import annotations

import copy as copying
import pickle
from collections.abc import Iterable
from typing import Any, NamedTuple

from dataflow_ir._gc import gc_paused
from dataflow_ir.functions import Lambda, lambdas, substitute_lambdas
from dataflow_ir.nest import map_nest
from dataflow_ir.node import Node
from dataflow_ir.values import FrozenDict
from dataflow_ir.walk import nodes


class Row(NamedTuple):
    """One node: its class, what it holds, its inputs as numbers of rows, and the further slots of its class."""

    cls: type[Node]
    op: Any
    inputs: tuple[int | None, ...]
    attrs: FrozenDict
    meta: dict[Any, Any] | None
    slots: dict[str, Any]


class Code(NamedTuple):
    """One function, with numbers of rows."""

    params: tuple[int, ...]
    captured: tuple[int, ...]
    body: Any


class CodeNumber(int):
    """Stands for a function in the attributes of a row."""

    __slots__ = ()


class Table(NamedTuple):
    """A graph without references: rows, inputs first but for cycles; functions, inner ones first; and the roots."""

    rows: list[Row]
    codes: list[Code]
    roots: Any


@gc_paused
def to_table(g: Any) -> Table:
    """Return a graph as rows that refer to each other by number.

    >>> from dataflow_ir import inp, node
    >>> table = to_table(node("add", inp("x"), None))
    >>> [(row.op, row.inputs) for row in table.rows], table.roots
    ([('input', ()), ('add', (0, None))], 1)
    """
    codes = lambdas(g)
    order = nodes([[[code.captured, code.params, code.body] for code in codes], g])
    number: dict[Any, int | None] = {v: at for at, v in enumerate(order)}
    number[None] = None
    code_number = {code: CodeNumber(at) for at, code in enumerate(codes)}
    rows = []
    for v in order:
        attrs = substitute_lambdas(v.attrs, code_number) if codes else v.attrs
        rows.append(Row(type(v), v.op, tuple([number[i] for i in v.inputs]), attrs, v._meta, _slots(v)))
    parts = [[map_nest(number.__getitem__, part) for part in (c.params, c.captured, c.body)] for c in codes]
    return Table(rows, [Code(*part) for part in parts], map_nest(number.__getitem__, g))


@gc_paused
def from_table(table: Table) -> Any:
    """Return the graph that `to_table` made a table of, as new nodes."""
    made: list[Any] = [_blank(row.cls, row.op, row.attrs, row.meta, row.slots) for row in table.rows]
    for v, row in zip(made, table.rows, strict=True):
        v.inputs = tuple([None if i is None else made[i] for i in row.inputs])
    codes: dict[CodeNumber, Lambda] = {}
    for at, code in enumerate(table.codes):
        params, captured, body = [map_nest(made.__getitem__, part, int) for part in code]
        codes[CodeNumber(at)] = Lambda(params, body, captured)
    if codes:
        for v in made:
            v.attrs = substitute_lambdas(v.attrs, codes, CodeNumber)
    return map_nest(made.__getitem__, table.roots, int)


def dumps(g: Any) -> bytes:
    """Return a graph pickled, at any depth; the nodes of a nest stay shared. Read it by `loads`."""
    return pickle.dumps(to_table(g))


def loads(data: bytes) -> Any:
    """Return the graph in bytes from `dumps`. As with any pickle, they must be from a source you trust."""
    return from_table(pickle.loads(data))


def deepcopy(root: Node, memo: dict[int, Any]) -> Any:
    """Return a deep copy of a node for `copy.deepcopy`; attributes and functions are immutable and shared."""
    found: list[Node] = []
    stack: list[Any] = [root]
    while stack:
        v = stack.pop()
        if v is not None and id(v) not in memo:
            memo[id(v)] = _blank(type(v), v.op, v.attrs, None, {})
            found.append(v)
            stack += v.inputs
    for v in found:
        twin = memo[id(v)]
        twin.inputs = tuple([None if i is None else memo[id(i)] for i in v.inputs])
        if v._meta:
            twin.meta = copying.deepcopy(v._meta, memo)
        _fill(twin, {name: copying.deepcopy(value, memo) for name, value in _slots(v).items()})
    return memo[id(root)]


def _blank(cls: type[Node], op: Any, attrs: FrozenDict, meta: dict[Any, Any] | None, slots: dict[str, Any]) -> Node:
    v = object.__new__(cls)
    v.op = op
    v.inputs = ()
    v.attrs = attrs
    v._meta = meta
    _fill(v, slots)
    return v


def _fill(v: Node, slots: dict[str, Any]) -> None:
    for name, value in slots.items():
        object.__setattr__(v, name, value)


def _slots(v: Node) -> dict[str, Any]:
    """Return what a node of a subclass keeps beside what every node has."""
    cls = type(v)
    if cls is Node:
        return {}
    result = dict(vars(v)) if hasattr(cls, "__dictoffset__") and cls.__dictoffset__ else {}
    for base in cls.__mro__:
        if base is Node:
            break
        for name in _names(base.__dict__.get("__slots__", ())):
            try:
                result[name] = object.__getattribute__(v, name)
            except AttributeError:
                continue
    return result


def _names(slots: Any) -> Iterable[str]:
    names = [slots] if isinstance(slots, str) else slots
    return [name for name in names if name not in ("__dict__", "__weakref__")]
