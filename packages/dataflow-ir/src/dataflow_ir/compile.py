"""Patterns become Python functions.

A pattern is compiled to tests in the order of breadth, so that the operations of all inputs are looked at before
anything below them. Where there is a choice (an order of operands, an alternative) a loop is opened and whatever
follows is written inside: a test that fails there goes on with the next choice. So a match that exists is found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import partial
from itertools import chain as joined
from typing import Any

from dataflow_ir.ops import CONST
from dataflow_ir.pattern import (
    Absent,
    Alternatives,
    Apply,
    Capture,
    Constant,
    Exactly,
    Into,
    Literal,
    Maybe,
    Once,
    Path,
    Pattern,
    Rest,
    Together,
    alt,
    as_pattern,
    names_of,
)
from dataflow_ir.search import MISSING, above, only_used_by, orders, paths, same_value, unwind
from dataflow_ir.source import Source
from dataflow_ir.values import typed

_PLAIN = (int, str, bytes, bool)


@dataclass(frozen=True)
class Compiled:
    """A pattern as a function.

    Attributes:
        run: Called with a node, for `once` the number of uses of each node, and for `P.all` the users of each node
            and the nodes that cannot be roots. It returns the captured values in the order of ``names`` and the
            nodes that the pattern's operations met, or None.
        names: The names of what is captured.
        ops: The operations that the node can be of; None for any.
        counts_uses: Whether the number of uses is needed.
        source: The function's text.
    """

    run: Callable[..., Any]
    names: tuple[str, ...]
    ops: frozenset[Hashable] | None
    counts_uses: bool
    source: str


def compile_pattern(
    pattern: Pattern,
    commutative: frozenset[Hashable] = frozenset(),
    same: Callable[[Any, Any], Any] | None = None,
    finish: Callable[[Writer], str] | None = None,
    *,
    loose: bool = False,
) -> Compiled:
    """Compile a pattern.

    Args:
        pattern: The pattern.
        commutative: The operations whose inputs match in any order.
        same: Decides whether two nodes may be captured under one name; by default they must be the same.
        finish: Writes what to compute from a match, which is declined by None; by default the match itself.
        loose: Whether to leave out the counts of uses.

    Raises:
        ValueError: If the pattern makes no sense; the message says why.
    """
    writer = Writer(commutative, same)
    writer.line("def match(v0, uses=None, used_by=None, taken=()):")
    writer.indent = 1
    if isinstance(pattern, Together):
        writer.together(pattern)
    else:
        writer.goals.append((pattern, "v0"))
        writer.write_goals()
    if not loose:
        writer.write_counts()
    result = finish(writer) if finish else f"({writer.tuple(writer.bound.values())}, {writer.matched()})"
    if finish:
        writer.line(f"r = {result}")
        writer.line("if r is not None and r is not v0: return r")
        writer.fails()
    else:
        writer.line(f"return {result}")
    writer.close_functions()
    source = "\n".join(writer.lines) + "\n"
    exec(compile(source, f"<pattern {str(pattern)[:100]!a}>", "exec"), writer.known)
    return Compiled(writer.known["match"], tuple(writer.bound), root_ops(pattern), writer.counts_uses, source)


def root_ops(pattern: Pattern) -> frozenset[Hashable] | None:
    """Return the operations that a node can be of to match; None for any."""
    match pattern:
        case Apply(op=op):
            return frozenset([op])
        case Capture(ops=ops):
            return ops
        case Constant() | Literal():
            return frozenset([CONST])
        case Exactly(node=node):
            return frozenset([node.op])
        case Once(pattern=inner):
            return root_ops(inner)
        case Into(head=head):
            return head.ops
        case Together(roots=roots):
            return root_ops(next(iter(roots.values())))
        case Alternatives(options=options):
            return _union([root_ops(option) for _, option in options])
        case Path(chain=chain, source=source):
            return _union([chain.step.ops, root_ops(source)]) if chain.min == 0 else chain.step.ops
    return None


def _union(sets: Sequence[frozenset[Hashable] | None]) -> frozenset[Hashable] | None:
    return None if None in sets else frozenset().union(*sets)  # type: ignore[arg-type]


def _route(pattern: Pattern, bound: Mapping[str, str]) -> tuple[str, int] | None:
    """Return a captured name in the pattern, the highest, and how many inputs below the root it is."""
    level = [pattern]
    height = 0
    while level:
        for p in level:
            name = p.name if isinstance(p, (Capture, Apply, Constant)) else None
            if name is not None and name in bound:
                return name, height
        level = [part for p in level if isinstance(p, Apply) for part in p.operands]
        height += 1
    return None


class Writer(Source):
    """Writes the function of a pattern, test by test.

    Attributes:
        bound: The variable that holds what is captured under each name.
        optional: The names that may have captured nothing so far, and hold None.
        nodes: The variables of the nodes that operations of the pattern met.
        paths: The variables of tuples of such nodes.
    """

    def __init__(self, commutative: frozenset[Hashable], same: Callable[[Any, Any], Any] | None) -> None:
        super().__init__()
        self.commutative = commutative
        self.same = same
        helpers = (typed, same_value, only_used_by, orders, paths, unwind, above)
        self.known |= {helper.__name__: helper for helper in helpers}
        self.known |= {"MISSING": MISSING, "joined": joined}
        self.bound: dict[str, str] = {}
        self.optional: set[str] = set()
        self.nodes: list[str] = []
        self.paths: list[str] = []
        self.once: list[str] = []
        self.late: list[tuple[Any, str]] = []
        self.goals: deque[tuple[Pattern, str]] = deque()
        self.choices: deque[Callable[[], None]] = deque()
        self.counts_uses = False

    def matched(self) -> str:
        """Return the expression of the tuple of the nodes that the pattern's operations met."""
        return " + ".join([self.tuple(dict.fromkeys(self.nodes)), *self.paths])

    def write_goals(self) -> None:
        """Write the tests of all goals, nearest to the root first, choices after what needs none, then the guards."""
        while self.goals or self.choices:
            if self.goals:
                pattern, v = self.goals.popleft()
                self.goal(pattern, v)
            else:
                self.choices.popleft()()
        for guard, v in self.late:
            self.require(f"{self.refer(guard)}({v})")

    def write_counts(self) -> None:
        """Write the tests of what the match alone may use."""
        self.counts_uses = bool(self.once)
        if self.once:
            nodes = self.fresh("n")
            self.line(f"{nodes} = {self.matched()}")
        for v in self.once:
            test = f"only_used_by(v, {nodes}, uses)"
            self.require(f"all([{test} for v in {v}])")

    def goal(self, pattern: Pattern, v: str) -> None:
        """Write the tests of one pattern for the node in a variable."""
        if isinstance(pattern, (Alternatives, Into, Path)):
            self.choice(pattern, v)
        else:
            self.node(pattern, v)
        if isinstance(pattern, (Apply, Once, Into, Path, Literal, Exactly)):
            self.late += [(guard, v) for guard in pattern.guards]
            self.bind(pattern.name, v)

    def choice(self, pattern: Alternatives | Into | Path, v: str) -> None:
        """Write what needs no choice, and put the choice off until all that needs none is written."""
        match pattern:
            case Alternatives():
                self.choices.append(partial(self.alternatives, pattern, v))
            case Into(head=head, source=source):
                self.capture(head, v)
                self.nodes.append(v)
                self.choices.append(partial(self.into, source, v))
            case Path():
                self.choices.append(partial(self.path, pattern, v))

    def node(self, pattern: Pattern, v: str) -> None:
        """Write the tests of a pattern of one node."""
        match pattern:
            case Apply():
                self.apply(pattern, v)
            case Capture():
                self.capture(pattern, v)
            case Constant():
                self.constant(pattern, v)
            case Literal(value=value):
                self.refuse(f"{v} is None or {v}.op != {CONST!r}")
                self.value(value, f"{v}.attrs['value']")
                self.nodes.append(v)
            case Exactly(node=node):
                self.refuse(f"{v} is not {self.refer(node)}")
            case Absent():
                self.refuse(f"{v} is not None")
            case Once(pattern=inner):
                self.once.append(f"({v},)")
                self.goals.append((inner, v))
            case Maybe(pattern=inner):
                self.maybe(inner, v)
            case _:
                raise ValueError(f"{pattern} cannot stand here")

    def apply(self, p: Apply, v: str) -> None:
        """Write the tests of an operation, its number of inputs and its attributes."""
        self.refuse(f"{v} is None or {v}.op != {self.refer(p.op)}")
        self.nodes.append(v)
        operands = list(p.operands)
        at = next((at for at, operand in enumerate(operands) if isinstance(operand, Rest)), None)
        plain = [operand for operand in operands if not isinstance(operand, Rest)]
        if len(plain) < len(operands) - 1:
            raise ValueError(f"{p}: only one rest(...) can be among the inputs")
        needed = max([at + 1 for at, operand in enumerate(plain) if not isinstance(operand, Maybe)], default=0)
        if (p.op in self.commutative or at is not None) and needed < len(plain):
            raise ValueError(f"{p}: opt(...) cannot stand beside rest(...) or in a commutative operation")
        rests = [operand for operand in operands if isinstance(operand, Rest)]
        variables = [self.fresh() for _ in plain]
        inputs = f"{v}.inputs"
        if p.op in self.commutative and plain and len(operands) > 1:
            self.attributes(p, v)
            self.choices.append(partial(self.in_any_order, operands, plain, variables, inputs))
            return
        if at is not None:
            self.require(f"len({inputs}) >= {len(plain)}")
            behind = len(plain) - at
            for index, variable in enumerate(variables):
                self.line(f"{variable} = {inputs}[{index if index < at else index - len(plain)}]")
            self.rest(rests[0], f"{inputs}[{at}:len({inputs}) - {behind}]")
        elif needed < len(plain):
            self.require(f"{needed} <= len({inputs}) <= {len(plain)}")
            for index, variable in enumerate(variables):
                otherwise = f" if len({inputs}) > {index} else None" if index >= needed else ""
                self.line(f"{variable} = {inputs}[{index}]{otherwise}")
        else:
            self.require(f"len({inputs}) == {len(plain)}")
            if plain:
                self.line(f"{self.tuple(variables)} = {inputs}")
        self.attributes(p, v)
        self.goals.extend(zip(plain, variables, strict=True))

    def in_any_order(self, operands: list[Pattern], plain: list[Pattern], variables: list[str], inputs: str) -> None:
        """Write the choice of an order of inputs."""
        rests = [operand for operand in operands if isinstance(operand, Rest)]
        if len(plain) == len(operands) == 2:
            self.require(f"len({inputs}) == 2")
            self.loop(self.tuple(variables), f"({inputs}, {inputs}[::-1])")
            self.goals.extend(zip(plain, variables, strict=True))
            return
        self.require(f"len({inputs}) {'>=' if rests else '=='} {len(plain)}")
        tests = [self.test(operand, loose=True).run for operand in plain]
        left = self.fresh("t")
        self.loop(f"{self.tuple(variables)}, {left}", f"orders({inputs}, {self.refer(tuple(tests))})")
        for rest in rests:
            self.rest(rest, left)
        self.goals.extend(zip(plain, variables, strict=True))

    def test(self, pattern: Pattern, *, loose: bool = False) -> Compiled:
        """Return a part of the pattern as a function of its own."""
        return compile_pattern(pattern, self.commutative, self.same, loose=loose)

    def rest(self, p: Rest, operands: str) -> None:
        """Write the tests of all further inputs."""
        variable = self.fresh("t")
        self.line(f"{variable} = {operands}")
        if p.each is not None:
            test = self.test(p.each)
            if test.names or test.counts_uses:
                raise ValueError(f"{p}: what each of the inputs matches cannot capture or count uses")
            self.require(f"all([{self.refer(test.run)}(i) for i in {variable}])")
        for guard in p.guards:
            self.require(f"{self.refer(guard)}({variable})")
        self.bind(p.name, variable, f"{variable} != {{}}")

    def attributes(self, p: Apply, v: str) -> None:
        """Write the tests of attributes."""
        for name, wanted in p.attrs.items():
            maybe = isinstance(wanted, Maybe)
            inner = wanted.pattern if maybe else wanted
            x = self.fresh("a")
            if not isinstance(inner, Capture):
                self.line(f"{x} = {v}.attrs.get({name!r}, MISSING)")
                self.value(inner, x, f"{x} is not MISSING and " if maybe else "")
                continue
            self.line(f"{x} = {v}.attrs.get({name!r}{'' if maybe else ', MISSING'})")
            if not maybe:
                self.refuse(f"{x} is MISSING")
            for guard in inner.guards:
                self.require(f"{x} is None or {self.refer(guard)}({x})" if maybe else f"{self.refer(guard)}({x})")
            self.bind(inner.name, x, f"typed({x}) != typed({{}})")
            if maybe and inner.name is not None:
                self.optional.add(inner.name)

    def value(self, wanted: Any, x: str, unless: str = "") -> None:
        """Write the test that a value is this one, of this type and sign."""
        if type(wanted) in _PLAIN:
            y = self.fresh("a")
            self.line(f"{y} = {x}")
            self.refuse(f"{unless}({y}.__class__ is not {self.refer(type(wanted))} or {y} != {self.refer(wanted)})")
        else:
            self.refuse(f"{unless}({x} is MISSING or typed({x}) != {self.refer(typed(wanted))})")

    def capture(self, p: Capture, v: str) -> None:
        """Write the tests of any node."""
        ops = p.ops
        if ops is None:
            self.refuse(f"{v} is None")
        elif len(ops) == 1:
            self.refuse(f"{v} is None or {v}.op != {self.refer(next(iter(ops)))}")
        else:
            self.refuse(f"{v} is None or {v}.op not in {self.refer(ops)}")
        for guard in p.guards:
            self.require(f"{self.refer(guard)}({v})")
        self.bind(p.name, v)

    def constant(self, p: Constant, v: str) -> None:
        """Write the tests of any constant."""
        self.refuse(f"{v} is None or {v}.op != {CONST!r}")
        self.nodes.append(v)
        for guard in p.guards:
            self.require(f"{self.refer(guard)}({v}.attrs['value'])")
        self.bind(p.name, v, f"not same_value({v}, {{}})")

    def bind(self, name: str | None, v: str, differ: str = "") -> None:
        """Capture a variable under a name, or write the test that it is what the name has captured already.

        Args:
            name: The name, or None to capture nothing.
            v: The variable.
            differ: The test that fails on another value, with a gap for the captured one.
        """
        if name is None:
            return
        old = self.bound.get(name)
        if old is None:
            self.bound[name] = v
            return
        if differ:
            differs = differ.format(old)
        elif self.same is None:
            differs = f"{v} is not {old}"
        else:
            same = f"{self.refer(self.same)}({v}, {old})"
            differs = f"{v} is not {old} and ({v} is None or {old} is None or not {same})"
        if name not in self.optional:
            self.refuse(differs)
            return
        self.refuse(f"{old} is not None and ({differs})")
        self.bound[name] = self.fresh()
        self.line(f"{self.bound[name]} = {v} if {old} is None else {old}")

    def maybe(self, inner: Any, v: str) -> None:
        """Write the tests of an operand that may be absent."""
        pattern = as_pattern(inner)
        plain = type(pattern) is Capture and pattern.ops is None and not pattern.guards
        if plain and pattern.name not in self.bound:
            self.bind(pattern.name, v)
            self.optional.add(pattern.name or "")
        else:
            self.choices.append(partial(self.alternatives, alt(None, pattern), v))

    # Choices

    def together(self, p: Together) -> None:
        """Write the tests of several roots: the first, then each from what it shares with those before it."""
        roots: list[str] = []
        for name, pattern in p.roots.items():
            v = "v0"
            if roots:
                route = _route(pattern, self.bound)
                if route is None:
                    raise ValueError(f"P.all: {name}={pattern} captures nothing that the patterns before it capture")
                shared, height = route
                v = self.fresh()
                self.loop(v, f"above({self.bound[shared]}, {height}, used_by)")
                self.refuse(f"{v} in taken or {' or '.join([f'{v} is {root}' for root in roots])}")
            roots.append(v)
            self.goals.append((pattern, v))
            self.write_goals()
            self.late.clear()
            self.bind(name, v)

    def into(self, source: Pattern, v: str) -> None:
        """Write the choice of an input that matches."""
        operand = self.fresh()
        self.loop(operand, f"{v}.inputs")
        self.goals.append((source, operand))

    def alternatives(self, p: Alternatives, v: str) -> None:
        """Write the choice of an alternative."""
        if p.name is not None and p.name in self.bound:
            raise ValueError(f"{p}: the name {p.name} is taken; give the tag another by .named(...)")
        names = {name: self.fresh() for name in names_of(p) if name not in self.bound or name in self.optional}
        generators = [self.generator(tag, option, v, p.name, list(names)) for tag, option in p.options]
        nodes, once = self.fresh("n"), self.fresh("o")
        choices = ", ".join([f"{name}()" for name in generators])
        self.loop(self.tuple([*names.values(), nodes, once]), f"joined({choices})")
        self.bound |= names
        self.optional |= names.keys() - {p.name}
        self.paths.append(nodes)
        self.once += [once] if self.counts_uses else []
        for guard in p.guards:
            self.require(f"{self.refer(guard)}({v})")

    def generator(self, tag: str | None, option: Pattern, v: str, tag_name: str | None, names: list[str]) -> str:
        """Write the generator of the matches of one alternative and return its name."""
        name = self.fresh("g")
        self.line(f"def {name}():")
        inner = copy(self)
        inner.indent, inner.fail, inner.loops, inner.generates = self.indent + 1, "return", 0, True
        inner.goals, inner.choices, inner.late = deque([(option, v)]), deque(), []
        inner.bound, inner.nodes, inner.paths, inner.once, inner.functions = dict(self.bound), [], [], [], []
        inner.optional = set(self.optional)
        inner.write_goals()
        if tag_name is not None:
            inner.bound[tag_name] = repr(tag)
        values = [inner.bound.get(each, "None") for each in names]
        inner.line(f"yield {self.tuple([*values, inner.matched(), ' + '.join(['()', *inner.once])])}")
        inner.close_functions()
        self.count = inner.count
        self.counts_uses = self.counts_uses or bool(inner.once)
        return name

    def path(self, p: Path, v: str) -> None:
        """Write the choice of a path."""
        step = p.chain.step
        if step.name is not None and step.name in self.bound:
            raise ValueError(f"{p}: the name {step.name} is taken")
        test = self.test(Capture(step.ops, guards=step.guards)).run
        start, links = self.fresh(), self.fresh("n")
        self.loop(f"{start}, {links}", f"paths({v}, {self.refer(test)}, {p.chain.min}, {p.chain.max})")
        self.paths.append(f"unwind({links})")
        if step.name is not None:
            self.bound[step.name] = f"unwind({links})"
        self.goals.append((p.source, start))
