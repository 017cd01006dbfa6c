"""Rules: what a pattern is replaced by."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator
from typing import Any, NamedTuple

from dataflow_ir.compile import Compiled, Writer, compile_pattern
from dataflow_ir.explain import explain
from dataflow_ir.match import Match, find_all
from dataflow_ir.node import Node, const
from dataflow_ir.pattern import (
    Absent,
    Apply,
    Capture,
    Constant,
    Exactly,
    Literal,
    Operation,
    Pattern,
    Rest,
    Together,
    as_pattern,
    names_of,
)
from dataflow_ir.values import FrozenDict

Build = Callable[[Hashable, tuple[Any, ...], FrozenDict], Node]
Run = Callable[..., Any]


class Rule:
    """A pattern and what takes its place.

    Attributes:
        pattern: What is looked for.
        result: A function of what was captured, by the names of its parameters (``m`` is the whole `Match`), that
            returns the new node or None to decline; or a pattern to be filled in.
        guard: A function of what was captured that must hold, or None.
        name: What the rule is called in traces and errors.
    """

    __slots__ = ("guard", "name", "pattern", "result")

    def __init__(self, pattern: Any, result: Any, guard: Callable[..., Any] | None = None, name: str = "") -> None:
        self.pattern = as_pattern(pattern)
        self.guard = guard
        self.result = result if _is_function(result) else as_pattern(result)
        called = getattr(result, "__name__", "_")
        self.name = name or (called if called not in ("_", "<lambda>") else "") or self._text()
        for function in (self.guard, self.result):
            if function is not None and not isinstance(function, Pattern):
                self.arguments(function)

    def __repr__(self) -> str:
        return f"<Rule {self.name}>"

    def _text(self) -> str:
        return f"{self.pattern} -> {self.result}" if isinstance(self.result, Pattern) else str(self.pattern)

    def arguments(self, function: Callable[..., Any]) -> list[tuple[str, bool]]:
        """Return the parameters of one of the rule's functions, each with whether it is passed by keyword.

        Raises:
            TypeError: If one is neither captured by the pattern nor the match, ``m``.
        """
        captured = {*names_of(self.pattern), "m"} | set(getattr(self.pattern, "roots", ()))
        parameters = inspect.signature(function).parameters.values()
        for p in parameters:
            if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) or (p.name not in captured and p.default is p.empty):
                raise TypeError(
                    f"the rule for {self.pattern}: parameter {p} is not captured; captured are "
                    f"{', '.join(sorted(captured - {'m'})) or 'no names'}, and m, the match"
                )
        return [(p.name, p.kind is p.KEYWORD_ONLY) for p in parameters if p.name in captured]

    def compile(self, commutative: frozenset[Hashable], build: Build) -> Compiled:
        """Compile the rule to a function that returns the new node or None."""

        def finish(writer: Writer) -> str:
            if self.guard is not None:
                writer.require(self._call(self.guard, writer))
            if isinstance(self.result, Pattern):
                return _fill(self.result, writer, writer.refer(build))
            return self._call(self.result, writer)

        return compile_pattern(self.pattern, commutative, finish=finish)

    def _call(self, function: Callable[..., Any], writer: Writer) -> str:
        """Return the text of a call of one of the rule's functions."""
        texts = []
        for name, by_keyword in self.arguments(function):
            text = writer.bound.get(name)
            if text is None and name == "m":
                found = ", ".join([f"{each!r}: {value}" for each, value in writer.bound.items()])
                text = f"{writer.refer(Match)}(v0, tuple(dict.fromkeys({writer.matched()})), {{{found}}})"
            texts.append(f"{name}={text}" if by_keyword else str(text))
        return f"{writer.refer(function)}({', '.join(texts)})"

    def replacements(self, m: Match) -> dict[Node, Node] | None:
        """Return what takes the place of each root of a match of several, or None if the rule declines."""
        captures = {"m": m, **m.captures}

        def called(function: Callable[..., Any]) -> Any:
            return function(**{name: captures[name] for name, _ in self.arguments(function)})

        if self.guard is not None and not called(self.guard):
            return None
        new = called(self.result)  # type: ignore[arg-type]
        if new is None:
            return None
        names = list(self.pattern.roots)  # type: ignore[attr-defined]
        if isinstance(new, dict) and set(new) == set(names):
            new = [new[name] for name in names]
        if not isinstance(new, (list, tuple)) or len(new) != len(names):
            raise TypeError(f"rule {self.name} must return a node for each of {', '.join(names)}, got {new!r}")
        return {old: made for old, made in zip(m.root, new, strict=True) if made is not None and made is not old}


def _is_function(result: Any) -> bool:
    return callable(result) and not isinstance(result, (Pattern, Node, Operation))


def _fill(template: Pattern, writer: Writer, build: str) -> str:
    """Return the expression that builds a template from what the pattern captured."""
    match template:
        case Capture(name=name) | Constant(name=name) | Rest(name=name):
            if name not in writer.bound:
                raise ValueError(f"the pattern captures no {name}, which is in the replacement")
            return f"*{writer.bound[name]}" if isinstance(template, Rest) else writer.bound[name]
        case Literal(value=value):
            return f"{writer.refer(const)}({writer.refer(value)})"
        case Exactly(node=node):
            return writer.refer(node)
        case Absent():
            return "None"
        case Apply(op=op, operands=operands, attrs=attrs):
            inputs = writer.tuple([_fill(operand, writer, build) for operand in operands])
            return f"{build}({writer.refer(op)}, {inputs}, {_fill_attributes(attrs, writer)})"
    raise ValueError(f"{template} cannot be built: a replacement is made of P, V, C, rest and values")


def _fill_attributes(attrs: Any, writer: Writer) -> str:
    captured = {name: value for name, value in attrs.items() if isinstance(value, Pattern)}
    if not captured:
        return writer.refer(FrozenDict(attrs))
    items = {name: writer.refer(value) for name, value in attrs.items() if name not in captured}
    items |= {name: _fill(value, writer, "") for name, value in captured.items()}
    return f"{writer.refer(FrozenDict)}({{{', '.join([f'{name!r}: {text}' for name, text in items.items()])}}})"


class Index(NamedTuple):
    """The compiled rules, in order, by the operation of the node they can apply to."""

    by_op: dict[Hashable, tuple[tuple[Run, Rule], ...]]
    any_op: tuple[tuple[Run, Rule], ...]
    counts_uses: bool


class Rules:
    """A list of rules; the first one that applies to a node is taken.

    Args:
        commutative: The operations whose inputs match in any order.
        build: Makes the nodes of replacements that are written as patterns, from operation, inputs and attributes.

    >>> from dataflow_ir import C, P, V, const, node, parse, rewrite
    >>> R = Rules(commutative={"add"})
    >>> R[P.add(V.x, 0)] = V.x
    >>> R[P.sub(V.x, P.neg(V.y))] = P.add(V.x, V.y)
    >>> R[P.add(C.a, C.b)] = lambda a, b: const(a.value + b.value)
    >>> @R(P.pow(V.x, C.n), where=lambda n: n.value == 2)
    ... def square(x):
    ...     return node("mul", x, x)
    >>> rewrite(parse("pow(sub(add(0, x), neg(add(1, 2))), 2)"), R)
    mul(add(x, 3), add(x, 3))
    """

    def __init__(self, *, commutative: Collection[Hashable] = (), build: Build = Node) -> None:
        self.rules: list[Rule] = []
        self.commutative = frozenset(commutative)
        self.build = build
        self._index: Index | None = None

    def __setitem__(self, pattern: Any, result: Any) -> None:
        self.add(Rule(pattern, result))

    def __call__(
        self, pattern: Any, *, where: Callable[..., Any] | None = None, name: str = ""
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator that makes a function of what was captured a rule."""

        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            self.add(Rule(pattern, function, where, name))
            return function

        return decorate

    def add(self, rule: Rule) -> None:
        """Append a rule."""
        self.rules.append(rule)
        self._index = None

    def __or__(self, other: Rules) -> Rules:
        """Return the rules of both; what is commutative in one is in both."""
        both = Rules(commutative=self.commutative | other.commutative, build=self.build)
        both.rules = [*self.rules, *other.rules]
        return both

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def index(self) -> Index:
        """The rules of one root, compiled."""
        if self._index is None:
            single = [rule for rule in self.rules if not isinstance(rule.pattern, Together)]
            compiled = [(rule.compile(self.commutative, self.build), rule) for rule in single]
            ops = dict.fromkeys(op for c, _ in compiled for op in c.ops or ())
            self._index = Index(
                {op: tuple([(c.run, rule) for c, rule in compiled if c.ops is None or op in c.ops]) for op in ops},
                tuple([(c.run, rule) for c, rule in compiled if c.ops is None]),
                any(c.counts_uses for c, _ in compiled),
            )
        return self._index

    @property
    def together(self) -> list[Rule]:
        """The rules of several roots."""
        return [rule for rule in self.rules if isinstance(rule.pattern, Together)]

    def once(self, g: Any) -> Any:
        """Return the graph with each node rewritten at most once, inputs first, and new nodes left as they are."""
        from dataflow_ir.rewrite import rewrite  # noqa: PLC0415 - rewriting stands on rules

        return rewrite(g, self, fixpoint=False)

    def count(self, g: Any) -> Counter[str]:
        """Return how many nodes each rule's pattern matches, by the rule's name; guards of rules are not asked.

        >>> from dataflow_ir import P, V, parse
        >>> R = Rules()
        >>> R[P.neg(P.neg(V.x))] = V.x
        >>> R.count(parse("neg(neg(neg(x)))"))
        Counter({'neg(neg(x)) -> x': 2})
        """
        found: Counter[str] = Counter()
        for rule in self.rules:
            found[rule.name] += sum(1 for _ in find_all(rule.pattern, g, commutative=self.commutative))
        return found

    def explain(self, v: Node, g: Any = None) -> dict[str, str | None]:
        """Say for each rule of one root why its pattern does not match a node, None if it does; see `explain`.

        >>> from dataflow_ir import P, V, parse
        >>> R = Rules()
        >>> R[P.neg(P.neg(V.x))] = V.x
        >>> R.explain(parse("neg(abs(p))"))
        {'neg(neg(x)) -> x': 'input 0: expected neg, got abs: abs(p)'}
        """
        single = [rule for rule in self.rules if not isinstance(rule.pattern, Together)]
        return {rule.name: explain(rule.pattern, v, g, commutative=self.commutative) for rule in single}
