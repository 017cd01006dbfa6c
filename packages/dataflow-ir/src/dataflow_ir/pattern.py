"""The language of patterns: what a node and its surroundings may look like, as objects.

`dataflow_ir.match` and `dataflow_ir.find_all` look for a pattern, `dataflow_ir.Rules` replaces what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from dataflow_ir.literals import spell
from dataflow_ir.node import Node

Guard = Callable[[Any], Any]


class _Joined:
    """What patterns and uncalled operations can do in expressions."""

    __slots__ = ()

    def __rshift__(self, user: Any) -> Pattern:
        """``a >> b``: a node that matches ``b``, one of whose inputs matches ``a``."""
        source = as_pattern(self)
        if isinstance(user, Chain):
            return Path(user, source)
        head = as_pattern(user)
        if not isinstance(head, Capture):
            raise TypeError(f"what stands behind >> says nothing of its inputs: P.op, V(...) or chain(...), not {user}")
        return Into(head, source)

    def __or__(self, other: Any) -> Alternatives:
        return alt(self, other)


@dataclass(frozen=True, eq=False)
class Pattern(_Joined):
    """What a node may look like. Patterns are immutable and compared by identity.

    Attributes:
        name: Under which name the match has what was found.
        guards: What must hold for it besides.
    """

    name: str | None = field(default=None, kw_only=True)
    guards: tuple[Guard, ...] = field(default=(), kw_only=True)

    def named(self, name: str) -> Self:
        """Return this pattern with a name for what it finds.

        >>> P.add(V.x, V.y).named("total").name
        'total'
        """
        return replace(self, name=_checked(name))

    def where(self, guard: Guard) -> Self:
        """Return this pattern with a further guard.

        It is called with the node, once the pattern's inputs match; for `C` and in attributes with the value.
        """
        return replace(self, guards=(*self.guards, guard))

    def __str__(self) -> str:
        return show(self)


@dataclass(frozen=True, eq=False)
class Capture(Pattern):
    """Any node, or one of some operations: `V`."""

    ops: frozenset[Hashable] | None = None


@dataclass(frozen=True, eq=False)
class Constant(Pattern):
    """Any constant: `C`."""


@dataclass(frozen=True, eq=False)
class Literal(Pattern):
    """A constant of this value and type: a plain value in a pattern."""

    value: Hashable = None


@dataclass(frozen=True, eq=False)
class Exactly(Pattern):
    """This very node: a node in a pattern."""

    node: Node = field(default_factory=lambda: Node("nothing"))


@dataclass(frozen=True, eq=False)
class Absent(Pattern):
    """An absent operand: None in a pattern."""


@dataclass(frozen=True, eq=False)
class Apply(Pattern):
    """An operation with patterns for its inputs and some of its attributes: ``P.op(...)``."""

    op: Hashable = None
    operands: tuple[Pattern, ...] = ()
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Rest(Pattern):
    """All further inputs: `rest`."""

    each: Pattern | None = None

    def __iter__(self) -> Iterator[Rest]:
        yield self


@dataclass(frozen=True, eq=False)
class Maybe(Pattern):
    """An input or attribute that may be absent: `opt`."""

    pattern: Any = None


@dataclass(frozen=True, eq=False)
class Alternatives(Pattern):
    """The first of several patterns that matches: `alt`."""

    options: tuple[tuple[str | None, Pattern], ...] = ()


@dataclass(frozen=True, eq=False)
class Once(Pattern):
    """A node with no user outside the match: `once`."""

    pattern: Pattern = field(default_factory=Capture)


@dataclass(frozen=True, eq=False)
class Into(Pattern):
    """A node, one of whose inputs matches the source: ``source >> head``."""

    head: Capture = field(default_factory=Capture)
    source: Pattern = field(default_factory=Capture)


@dataclass(frozen=True)
class Chain:
    """Some nodes, each an input of the next: `chain`. It becomes a pattern behind its source: ``source >> chain``."""

    step: Capture
    min: int
    max: int | None


@dataclass(frozen=True, eq=False)
class Path(Pattern):
    """A node that the source reaches through the links of a chain: ``source >> chain``."""

    chain: Chain = field(default_factory=lambda: Chain(Capture(), 0, 0))
    source: Pattern = field(default_factory=Capture)


@dataclass(frozen=True, eq=False)
class Together(Pattern):
    """Several patterns, each of another node, that share captured nodes: ``P.all(...)``."""

    roots: Mapping[str, Pattern] = field(default_factory=dict)


class Operation(_Joined):
    """An operation in a pattern: called, one with these inputs; as it is, one with any inputs.

    A dotted operation is written as it is: ``P.F.relu`` is the operation ``"F.relu"``.
    """

    __slots__ = ("_op",)

    def __init__(self, op: Hashable) -> None:
        self._op = op

    def __call__(self, *operands: Any, **attrs: Any) -> Apply:
        """Return the pattern of this operation with these inputs and attributes; others it may have, too."""
        patterns = tuple([as_pattern(operand) for operand in operands])
        for name, value in attrs.items():
            inner = value.pattern if isinstance(value, Maybe) else value
            if isinstance(inner, (Pattern, Operation)) and not isinstance(inner, Capture):
                raise TypeError(f"{self._op}: attribute {name} is matched by a value, V or opt(...), not {value}")
        return Apply(self._op, patterns, attrs)

    def __getattr__(self, name: str) -> Operation:
        if name.startswith("__") or not isinstance(self._op, str):
            raise AttributeError(name)
        return Operation(f"{self._op}.{name}")

    def __repr__(self) -> str:
        return f"P.{self._op}" if isinstance(self._op, str) else f"P[{self._op!r}]"


class _Operations:
    """`P`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Operation:
        if name.startswith("__"):
            raise AttributeError(name)
        return Operation(name)

    def __getitem__(self, op: Hashable) -> Operation:
        return Operation(op)

    def all(self, **roots: Any) -> Together:
        """Return the pattern of several nodes at once, each under its name; one shares a name with those before.

        >>> qkv = P.all(q=P.matmul(V.x, V.wq), k=P.matmul(V.x, V.wk))
        """
        if len(roots) < 2:
            raise ValueError("P.all needs two patterns or more")
        return Together({_checked(name): as_pattern(p) for name, p in roots.items()})


class _Captures:
    """`V`."""

    __slots__ = ()

    def __call__(self, name: str, op: Hashable | Iterable[Hashable] | None = None) -> Capture:
        """Return the pattern of any node, or of one of some operations (one, or a set, list or tuple)."""
        ops = op if op is None else frozenset(op if isinstance(op, (set, frozenset, list, tuple)) else [op])
        return Capture(ops, name=_checked(name))

    def __getattr__(self, name: str) -> Capture:
        return self(_attribute(name))


class _Constants:
    """`C`."""

    __slots__ = ()

    def __call__(self, name: str) -> Constant:
        """Return the pattern of any constant. Under one name constants of one value are found."""
        return Constant(name=_checked(name))

    def __getattr__(self, name: str) -> Constant:
        return self(_attribute(name))


P = _Operations()
"""Operations: ``P.add(V.x, 0)``; of any kind and name: ``P["ai.onnx::Add"]``; ``P.all(...)``."""

V = _Captures()
"""Any node under a name: ``V.x`` or ``V("x")``; the same name means the same node; ``V._`` remembers nothing."""

C = _Constants()
"""Any constant under a name: ``C.k`` or ``C("k")``."""


def rest(name: str = "_", each: Any = None) -> Rest:
    """Return the pattern of all further inputs, with a tuple as the captured value. Write ``*rest("ys")``.

    Args:
        name: The name of the tuple.
        each: What every one of them must match; it captures nothing.
    """
    return Rest(None if each is None else as_pattern(each), name=_checked(name))


def opt(pattern: Any) -> Maybe:
    """Return the pattern of an input or attribute that may be absent; what it captures is then None."""
    return Maybe(pattern)


def alt(*patterns: Any, **tagged: Any) -> Alternatives:
    """Return the pattern of one of several, tried in order; the key of a tagged one is captured as ``tag``.

    ``.named(...)`` gives the tag another name.

    >>> act = alt(relu=P.relu(V.z), silu=P.mul(V.z, P.sigmoid(V.z)))
    """
    options = [(None, as_pattern(p)) for p in patterns]
    options += [(tag, as_pattern(p)) for tag, p in tagged.items()]  # type: ignore[misc]
    if not options:
        raise ValueError("alt needs a pattern")
    return Alternatives(tuple(options), name="tag" if tagged else None)


def once(pattern: Any) -> Once:
    """Return the pattern of a node that nothing outside the match uses and that is no result of the graph."""
    return Once(as_pattern(pattern))


def chain(step: Any, min: int = 0, max: int | None = 100) -> Chain:  # noqa: A002 - the bounds of a repetition
    """Return a path of nodes that match a step, to stand between a source and its user, joined by ``>>``.

    Each may have other inputs too. The step's name captures the tuple of them, the source's user first. Shorter
    paths are tried first.

    Args:
        step: What each node is: an operation without inputs, or `V` with operations.
        min: The least number of nodes on the path.
        max: The largest number; None for any. The search from one node is linear in what the paths reach.
    """
    head = as_pattern(step)
    if not isinstance(head, Capture):
        raise TypeError(f"the step of a chain says nothing of its inputs: P.op or V(...), not {step}")
    return Chain(head, min, max)


def as_pattern(thing: Any) -> Pattern:
    """Return what something in a pattern means."""
    if isinstance(thing, Pattern):
        return thing
    if isinstance(thing, Operation):
        return Capture(frozenset([thing._op]))
    if thing is None:
        return Absent()
    if isinstance(thing, Node):
        return Exactly(thing)
    if isinstance(thing, (Chain, _Operations, _Captures, _Constants)):
        raise TypeError(f"{type(thing).__name__.strip('_')} is no pattern by itself")
    hash(thing)
    return Literal(thing)


def parts(pattern: Any) -> list[Any]:
    """Return the patterns that a pattern is directly made of, those of attributes too."""
    match pattern:
        case Apply(operands=operands, attrs=attrs):
            return [*operands, *[value for value in attrs.values() if isinstance(value, Pattern)]]
        case Maybe(pattern=inner) | Once(pattern=inner):
            return [as_pattern(inner)]
        case Alternatives(options=options):
            return [option for _, option in options]
        case Into(head=head, source=source):
            return [head, source]
        case Path(chain=link, source=source):
            return [source, link.step]
        case Together(roots=roots):
            return list(roots.values())
    return []


def names_of(pattern: Pattern) -> list[str]:
    """Return the names that a match of the pattern has something under, each once, in order.

    >>> names_of(P.add(V.x, P.mul(V.x, C.k), axis=V.a))
    ['x', 'k', 'a']
    """
    found: dict[str, None] = {}
    stack: list[Any] = [pattern]
    while stack:
        p = stack.pop()
        if p.name is not None:
            found[p.name] = None
        stack += reversed(parts(p))
    return list(found)


def show(thing: Any) -> str:
    """Return a pattern as text.

    >>> print(P.add(V.x, P.mul(2, C.k), *rest("ys"), axis=V.a))
    add(x, mul(2, k), *ys, axis=a)
    """
    text = _SHOW[type(thing)](thing) if type(thing) in _SHOW else spell(thing)
    named = isinstance(thing, (Apply, Into, Once)) and thing.name
    return f"{text}:{thing.name}" if named else text


def _show_apply(p: Apply) -> str:
    arguments = [*map(show, p.operands), *[f"{name}={show(value)}" for name, value in p.attrs.items()]]
    return f"{_op_text(p.op)}({', '.join(arguments)})"


def _show_options(p: Alternatives) -> str:
    return f"alt({', '.join([f'{tag}={show(o)}' if tag else show(o) for tag, o in p.options])})"


def _show_chain(c: Chain) -> str:
    return f"chain({show(c.step)}, {c.min}, {c.max})"


def _show_capture(p: Capture) -> str:
    ops = "" if p.ops is None else "|".join(sorted(map(_op_text, p.ops)))
    return f"{p.name}: {ops}" if ops and p.name else ops or p.name or "_"


def _op_text(op: Hashable) -> str:
    return op if isinstance(op, str) else repr(op)


_SHOW: dict[type, Callable[[Any], str]] = {
    Capture: _show_capture,
    Constant: lambda p: p.name or "const",
    Literal: lambda p: spell(p.value),
    Exactly: lambda p: repr(p.node),
    Absent: lambda p: "None",
    Apply: _show_apply,
    Rest: lambda p: f"*{p.name or '_'}",
    Maybe: lambda p: f"opt({show(p.pattern)})",
    Alternatives: _show_options,
    Once: lambda p: f"once({show(p.pattern)})",
    Into: lambda p: f"{show(p.source)} >> {show(p.head)}",
    Path: lambda p: f"{show(p.source)} >> {_show_chain(p.chain)}",
    Together: lambda p: f"all({', '.join([f'{name}={show(root)}' for name, root in p.roots.items()])})",
}


def _attribute(name: str) -> str:
    if name.startswith("__"):
        raise AttributeError(name)
    return name


def _checked(name: str) -> Any:
    """Return a name of a capture, None for the one that remembers nothing."""
    if name == "_":
        return None
    if not name.isidentifier():
        raise ValueError(f"{name!r} cannot name what a pattern finds; it must be an identifier")
    return name
