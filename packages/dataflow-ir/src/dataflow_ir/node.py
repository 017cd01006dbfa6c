"""The one thing a graph is made of: a node that refers to its inputs directly."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from dataflow_ir.display import brief
from dataflow_ir.ops import CONST, INPUT, OUT
from dataflow_ir.values import NO_ATTRS, FrozenDict, typed


class Node:
    """An operation applied to inputs.

    Nodes are equal only to themselves, so they are cheap dictionary keys and sharing is information: one
    node used twice is computed once. Structural questions are functions (`dataflow_ir.equal`, …).

    A subclass may add operators and slots. Whatever changes a graph makes its new nodes by `rebuild`,
    which a subclass may override. It must not define ``__eq__`` or ``__hash__``.

    Args:
        op: Any hashable: a string, an enum member, a function, a class.
        inputs: The operands; None where an optional one is absent.
        attrs: The operation's fixed attributes, with hashable values.
        meta: Anything worth remembering that is no part of the structure: a name, a shape, a source line.

    >>> x = inp("x")
    >>> total = node("add", x, x, axis=1)
    >>> total.op, total.inputs == (x, x), total[0] is x, total.attrs["axis"]
    ('add', True, True, 1)
    """

    __slots__ = ("__weakref__", "_meta", "attrs", "inputs", "op")
    __match_args__ = ("op", "inputs")

    op: Any
    inputs: tuple[Any, ...]
    attrs: FrozenDict
    _meta: dict[Any, Any] | None

    def __init__(
        self,
        op: Hashable,
        inputs: tuple[Node | None, ...] = (),
        attrs: Mapping[str, Hashable] | None = None,
        meta: dict[Any, Any] | None = None,
    ) -> None:
        self.op = op
        self.inputs = inputs if inputs.__class__ is tuple else tuple(inputs)
        self.attrs = NO_ATTRS if not attrs else attrs if attrs.__class__ is FrozenDict else FrozenDict(attrs)
        self._meta = meta

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for method in ("__eq__", "__hash__"):
            if method in cls.__dict__:
                raise TypeError(f"{cls.__qualname__} must not define {method}: nodes are compared by identity")

    def __getitem__(self, index: int) -> Any:
        return self.inputs[index]

    def __setitem__(self, index: int, new: Node | None) -> None:
        inputs = list(self.inputs)
        inputs[index] = new
        self.inputs = tuple(inputs)

    def __repr__(self) -> str:
        return brief(self)

    def __str__(self) -> str:
        from dataflow_ir.text import excerpt  # noqa: PLC0415 - the text of graphs stands on nodes

        return excerpt(self)

    def __reduce__(self) -> tuple[Any, ...]:
        from dataflow_ir.table import from_table, to_table  # noqa: PLC0415 - as above

        return from_table, (to_table(self),)

    def __copy__(self) -> Any:
        return self.rebuild(self.inputs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        from dataflow_ir.table import deepcopy  # noqa: PLC0415 - as above

        return deepcopy(self, memo)

    @property
    def meta(self) -> dict[Any, Any]:
        """What is remembered of the node; the dict is made when it is first asked for."""
        meta = self._meta
        if meta is None:
            meta = self._meta = {}
        return meta

    @meta.setter
    def meta(self, meta: dict[Any, Any]) -> None:
        self._meta = meta

    @property
    def key(self) -> Hashable:
        """What makes two nodes the same computation: operation, attributes and the identity of the inputs.

        Attribute values count with their type and sign bit (see `typed`). The key is good while the node lives.

        >>> x = inp("x")
        >>> node("neg", x).key == node("neg", x).key, const(1).key == const(True).key
        (True, False)
        """
        op = self.op
        return (op if op.__class__ is str else typed(op), self.attrs.key, *map(id, self.inputs))

    @property
    def value(self) -> Any:
        """The value of a constant.

        Raises:
            AttributeError: If the node is not a constant; so ``case Node("const", value=0)`` matches constants only.
        """
        if self.op != CONST:
            raise AttributeError(f"{self!r} is not a constant and has no value")
        return self.attrs["value"]

    def rebuild(self, inputs: tuple[Any, ...]) -> Any:
        """Return a new node that differs from this one in its inputs alone."""
        meta = self._meta
        return type(self)(self.op, inputs, self.attrs, dict(meta) if meta else None)


def node(op: Hashable, *inputs: Node | None, **attrs: Hashable) -> Node:
    """Build a node.

    Raises:
        TypeError: If an input is neither a node nor None, or an attribute is not hashable.

    >>> node("mul", inp("x"), const(2), rounding="up")
    mul(x, 2, rounding='up')
    """
    for index, operand in enumerate(inputs):
        if operand is not None and not isinstance(operand, Node):
            raise TypeError(
                f"input {index} of {op!r} is a {type(operand).__name__}, not a Node; wrap a value by const(...)"
            )
    return Node(op, inputs, attrs)


def const(value: Hashable) -> Node:
    """Build a constant: a node without inputs that stands for a hashable value."""
    return Node(CONST, (), FrozenDict(value=value))


def inp(name: str) -> Node:
    """Build an input of the graph. Two inputs of one name are two nodes: keep the first one around."""
    return Node(INPUT, (), FrozenDict(name=name))


def out(source: Node, index: int) -> Node:
    """Build the projection to one output of a node that has several.

    >>> out(node("split", inp("x"), parts=2), 1)
    split(x, parts=2)[1]
    """
    return Node(OUT, (source,), FrozenDict(index=index))


class Forward(Node):
    """A stand-in for a node that does not exist yet; it is replaced when the cycle is closed.

    Attributes:
        target: The node this one stands for in the graph being walked, or None where there is none.
    """

    __slots__ = ("target",)

    def __init__(self, target: Node | None = None) -> None:
        super().__init__("forward")
        self.target = target


def thread(target: Node, new: Node | None, at: int | None = None) -> Node:
    """Change a node in place: insert an input before the one at ``at``, by default behind the last. Return the node.

    ``target[at] = new`` puts an input in the place of another.

    >>> x = inp("x")
    >>> loop = node("add", x)
    >>> thread(loop, node("delay", loop)) is loop
    True
    >>> loop[1][0] is loop, len(thread(loop, x, at=0).inputs)
    (True, 3)
    """
    inputs = list(target.inputs)
    inputs.insert(len(inputs) if at is None else at, new)
    target.inputs = tuple(inputs)
    return target
